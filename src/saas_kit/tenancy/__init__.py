"""Accounts, organizations, their members and what those may do."""

from saas_kit.tenancy.scoping import current_scope, scope, unscoped, within_organization

__all__ = ["current_scope", "scope", "unscoped", "within_organization"]
