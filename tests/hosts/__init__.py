"""Projects that use the kit in different ways; the suite runs once in each."""
