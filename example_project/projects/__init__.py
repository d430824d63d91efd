"""The example's own app: projects and tasks, which belong to organizations as everything in the kit does."""
