"""The API of accounts, organizations and their members, and the bases of every tenant-owned collection."""
