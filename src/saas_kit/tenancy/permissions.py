"""What may be done with accounts and organizations."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from saas_kit.core.permissions import Level, register


class AccountPermission(models.TextChoices):
    """Permissions on an account."""

    VIEW = "saas_kit_tenancy.view_account", _("View the account")
    CHANGE = "saas_kit_tenancy.change_account", _("Change the account")
    DELETE = "saas_kit_tenancy.delete_account", _("Delete and restore the account")
    TRANSFER = "saas_kit_tenancy.transfer_account", _("Hand the account over")
    VIEW_MEMBERS = "saas_kit_tenancy.view_account_members", _("View the account's members")
    MANAGE_MEMBERS = "saas_kit_tenancy.manage_account_members", _("Add, change and remove account members")
    CREATE_ORGANIZATION = "saas_kit_tenancy.create_organization", _("Create organizations in the account")


class OrganizationPermission(models.TextChoices):
    """Permissions on an organization."""

    VIEW = "saas_kit_tenancy.view_organization", _("View the organization")
    CHANGE = "saas_kit_tenancy.change_organization", _("Change the organization")
    DELETE = "saas_kit_tenancy.delete_organization", _("Delete and restore the organization")
    VIEW_MEMBERS = "saas_kit_tenancy.view_members", _("View the members")
    MANAGE_MEMBERS = "saas_kit_tenancy.manage_members", _("Add, change and remove members")
    MANAGE_INVITATIONS = "saas_kit_tenancy.manage_invitations", _("Invite people, and see who is invited")


register(
    Level.ACCOUNT,
    {
        AccountPermission.VIEW: "member",
        AccountPermission.CHANGE: "admin",
        AccountPermission.DELETE: "owner",
        AccountPermission.TRANSFER: "owner",
        AccountPermission.VIEW_MEMBERS: "member",
        AccountPermission.MANAGE_MEMBERS: "admin",
        AccountPermission.CREATE_ORGANIZATION: "admin",
    },
)
register(
    Level.ORGANIZATION,
    {
        OrganizationPermission.VIEW: "viewer",
        OrganizationPermission.CHANGE: "admin",
        OrganizationPermission.DELETE: "owner",
        OrganizationPermission.VIEW_MEMBERS: "viewer",
        OrganizationPermission.MANAGE_MEMBERS: "admin",
        OrganizationPermission.MANAGE_INVITATIONS: "admin",
    },
)
