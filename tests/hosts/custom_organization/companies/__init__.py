"""The host's organization, with a field of its own."""
