"""A first migration that depends on one which depends on it."""
