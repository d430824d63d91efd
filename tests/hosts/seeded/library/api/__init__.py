"""The API of the library, twice."""
