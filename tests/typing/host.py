"""What a host writes against the kit's public names; it is type-checked and never run."""

from __future__ import annotations

from typing import Any, assert_type

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models

from saas_kit.api.routers import Router
from saas_kit.auth.services import Tokens, open_session
from saas_kit.core.exceptions import SaasKitError
from saas_kit.core.ids import uuid7
from saas_kit.core.permissions import Level, Permission, registered
from saas_kit.teams.models import Team
from saas_kit.teams.services import create_team
from saas_kit.tenancy.api.bases import OrganizationScopedViewSet
from saas_kit.tenancy.models import AbstractOrganization, Account, Membership
from saas_kit.tenancy.roles import Role, get_role
from saas_kit.tenancy.services import change_role, create_account, create_organization


class InvoiceViewSet(OrganizationScopedViewSet):
    required_permissions = {"list": "invoices.view_invoice"}


def sign_up(user: AbstractBaseUser) -> None:
    account = create_account(name="Acme", owner=user, actor=user)
    assert_type(account, Account)
    organization = create_organization(account=account, name="Acme", owner=user, actor=None)
    assert_type(organization, AbstractOrganization)
    assert_type(create_team(organization, name="Engineering", actor=user), Team)
    assert_type(open_session(user), Tokens)


def demote(membership: Membership) -> str | None:
    try:
        assert_type(change_role(membership, "member", actor=None), Membership)
    except SaasKitError as error:
        return error.code
    return None


def roles() -> tuple[Role, list[Permission]]:
    return get_role("owner"), registered(level=Level.ORGANIZATION)


class Thing(models.Model):  # noqa: DJ008 - it has only a key
    id = models.UUIDField(primary_key=True, default=uuid7)


def urls(router: Router) -> list[Any]:
    return list(router.replacing(organization=InvoiceViewSet).urls)
