"""A host that keeps Django's own user, whose keys are integers and who signs in by name."""
