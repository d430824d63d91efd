"""A host with an organization and a user of its own."""
