"""The API of projects and tasks, and what they add to the kit's."""
