"""What a host's own tests of the kit need."""
