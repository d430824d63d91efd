"""The API of companies."""
