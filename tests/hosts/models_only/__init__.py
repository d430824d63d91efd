"""A host that uses the kit's models and services, and has no REST framework."""
