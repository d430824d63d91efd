"""The host's user, which knows nothing of the kit."""
