"""Accounts, organizations, their members and what those may do."""
