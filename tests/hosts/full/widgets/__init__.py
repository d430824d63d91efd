"""What a host adds: rows that belong to an organization, with permissions and an API."""
