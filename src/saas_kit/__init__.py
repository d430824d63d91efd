"""A toolkit of Django apps for software as a service, with tenant isolation that is proven."""

__version__ = "0.1.0"
