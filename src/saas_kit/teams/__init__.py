"""Named groups of an organization's members."""
