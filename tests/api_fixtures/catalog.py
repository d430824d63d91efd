"""Every operation of accounts, organizations, teams and people, with a body that is good for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.models import EmailAddress
from django.core.cache import cache
from django.utils import timezone

from saas_kit.auth.services import mark_verified
from saas_kit.teams.services import delete_team
from saas_kit.tenancy import services
from saas_kit.tenancy.models import EmailDomain
from tests.api_fixtures.operations import Operation
from tests.api_fixtures.rows import reference
from tests.api_fixtures.world import World


def _of(caller: str, **more: str) -> Callable[[World], dict[str, Any]]:
    return lambda world: {"user": reference(world.people[caller]), **more}


def _clerk(**more: str) -> Callable[[World], dict[str, Any]]:
    return lambda world: {"user": reference(world.clerk), **more}


def _is(**body: Any) -> Callable[[World], dict[str, Any]]:
    return lambda world: dict(body)


def _forget_attempts(world: World) -> None:
    """Nobody was written to yet, as an address is only so often."""
    cache.clear()


def _prove_domain(world: World) -> None:
    EmailDomain.objects.filter(pk=world.a.domain.pk).update(verified_at=timezone.now())


def _offer_to_outsider(world: World) -> None:
    """Of everybody, who all proved their addresses, one who is not in the organization may join it."""
    _prove_domain(world)
    services.change_domain(world.a.domain, enrollment="suggest", actor=None)
    outsider = world.people["outsider"]
    outsider.email = f"outsider@{world.a.domain.domain}"
    outsider.save()
    EmailAddress.objects.filter(user=outsider).update(email=outsider.email)
    for person in filter(None, world.people.values()):
        mark_verified(person)


TENANCY = (
    Operation("GET accounts/"),
    Operation("POST accounts/", _is(name="New")),
    Operation("GET accounts/{id}/"),
    Operation("PUT accounts/{id}/", _is(name="Other")),
    Operation("PATCH accounts/{id}/", _is(name="Other")),
    Operation("DELETE accounts/{id}/"),
    Operation(
        "POST accounts/{id}/restore/",
        prepare=lambda world: services.delete_account(world.a.account, actor=None),
    ),
    Operation("POST accounts/{id}/transfer/", _clerk()),
    Operation("GET accounts/{account_id}/members/"),
    Operation("POST accounts/{account_id}/members/", _of("viewer", role="member")),
    Operation("GET accounts/{account_id}/members/{id}/"),
    Operation("PATCH accounts/{account_id}/members/{id}/", _is(role="admin")),
    Operation("DELETE accounts/{account_id}/members/{id}/"),
    Operation("GET organizations/"),
    Operation("POST organizations/", lambda world: {"account": str(world.a.account.pk), "name": "New"}),
    Operation("GET organizations/{id}/"),
    Operation("PUT organizations/{id}/", _is(name="Other")),
    Operation("PATCH organizations/{id}/", _is(name="Other")),
    Operation("DELETE organizations/{id}/"),
    Operation(
        "POST organizations/{id}/restore/",
        prepare=lambda world: services.delete_organization(world.a.organization, actor=None),
    ),
    Operation("POST organizations/{id}/leave/"),
    Operation("GET organizations/{organization_id}/members/"),
    Operation("POST organizations/{organization_id}/members/", _clerk(role="member")),
    Operation("GET organizations/{organization_id}/members/{id}/"),
    Operation("PATCH organizations/{organization_id}/members/{id}/", _is(role="viewer")),
    Operation("DELETE organizations/{organization_id}/members/{id}/"),
    Operation("GET organizations/{organization_id}/domains/"),
    Operation("POST organizations/{organization_id}/domains/", _is(domain="new.example")),
    Operation("GET organizations/{organization_id}/domains/{id}/"),
    Operation("PATCH organizations/{organization_id}/domains/{id}/", _is(enrollment="suggest")),
    Operation("DELETE organizations/{organization_id}/domains/{id}/"),
    # nobody is to ask the name servers of this machine: it is proved already
    Operation("POST organizations/{organization_id}/domains/{id}/verify/", prepare=_prove_domain),
    Operation("GET organizations/joinable/"),
    Operation("POST organizations/{organization_id}/join/", prepare=_offer_to_outsider),
    Operation("GET organizations/{organization_id}/invitations/"),
    Operation(
        "POST organizations/{organization_id}/invitations/",
        _is(email="new@example.com", role="member"),
        prepare=_forget_attempts,
    ),
    Operation("GET organizations/{organization_id}/invitations/{id}/"),
    Operation("DELETE organizations/{organization_id}/invitations/{id}/"),
    Operation(
        "POST organizations/{organization_id}/invitations/{id}/resend/",
        prepare=_forget_attempts,
    ),
    Operation(
        "POST organizations/{organization_id}/invitations/bulk/",
        _is(invitations=[{"email": "new@example.com", "role": "member"}]),
        prepare=_forget_attempts,
    ),
    Operation("GET permissions/"),
)

TEAMS = (
    Operation("GET teams/"),
    Operation("POST teams/", lambda world: {"organization": str(world.a.organization.pk), "name": "New"}),
    Operation("GET teams/{id}/"),
    Operation("PUT teams/{id}/", _is(name="Other")),
    Operation("PATCH teams/{id}/", _is(name="Other")),
    Operation("DELETE teams/{id}/"),
    Operation("POST teams/{id}/restore/", prepare=lambda world: delete_team(world.a.team, actor=None)),
    Operation("GET teams/{team_id}/members/"),
    Operation("POST teams/{team_id}/members/", _of("viewer")),
    Operation("GET teams/{team_id}/members/{id}/"),
    Operation("PATCH teams/{team_id}/members/{id}/", _is(role="lead")),
    Operation("DELETE teams/{team_id}/members/{id}/"),
)

USERS = (
    Operation("GET users/"),
    Operation(
        "POST users/",
        lambda world: {
            "organization": str(world.a.organization.pk),
            "email": "new@example.com",
            "role": "member",
        },
    ),
    Operation("GET users/{id}/"),
    Operation("PUT users/{id}/", lambda world: {"email": world.people["target"].email}),
    Operation("PATCH users/{id}/", _is()),
    Operation("DELETE users/{id}/"),
)

BY_ADDRESS = "POST organizations/{organization_id}/join/"
"""What depends on the caller's address and not on what they are in; tests/tenancy/api/test_domains.py is about it."""

ALL = (*TENANCY, *TEAMS, *USERS)

PUBLIC = {
    "GET auth/jwks/": 200,
    "GET auth/social/providers/": 200,
    "GET invitations/{token}/": 404,
    "POST auth/email/change/confirm/": 400,
    "POST auth/email/resend/": 400,
    "POST auth/email/verify/": 400,
    "POST auth/login/": 400,
    "POST auth/mfa/options/": 400,
    "POST auth/mfa/verify/": 400,
    "POST auth/passkeys/login/": 400,
    "POST auth/passkeys/options/": 200,
    "POST auth/password/reset/": 400,
    "POST auth/password/reset/confirm/": 400,
    "POST auth/refresh/": 400,
    "POST auth/register/": 400,
    "POST auth/social/{provider}/": 404,
}
"""What anybody may ask, and the answer to somebody who sends no body."""
