"""The suite of saas_kit: `python -m tests` runs all of it, `pytest` one host on one database."""
