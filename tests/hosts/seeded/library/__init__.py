"""Folders, the documents in them and what is said about those."""
