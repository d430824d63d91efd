"""The admin of tenancy, and what hosts derive theirs from."""

from __future__ import annotations

from saas_kit.tenancy.admin.choosing import OrganizationChoicePage
from saas_kit.tenancy.admin.customers import AccountAdmin, OrganizationAdmin
from saas_kit.tenancy.admin.domains import EmailDomainAdmin
from saas_kit.tenancy.admin.invitations import InvitationAdmin
from saas_kit.tenancy.admin.rows import OrganizationOwnedAdmin, OrganizationOwnedForm
from saas_kit.tenancy.admin.soft_deletable import SlugForm, SoftDeletableAdmin

__all__ = [
    "AccountAdmin",
    "EmailDomainAdmin",
    "InvitationAdmin",
    "OrganizationAdmin",
    "OrganizationChoicePage",
    "OrganizationOwnedAdmin",
    "OrganizationOwnedForm",
    "SlugForm",
    "SoftDeletableAdmin",
]
