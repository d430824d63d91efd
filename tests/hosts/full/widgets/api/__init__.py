"""The API of widgets."""
