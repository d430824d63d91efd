"""A host with every app of the kit, its user and its organization, and a tenant-owned app of its own."""
