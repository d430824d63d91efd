"""The API of sign-in."""
