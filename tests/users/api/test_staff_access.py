"""What superusers may do through the API where the host lets them, and what they may not where it does not (I35)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import override_settings

from saas_kit.audit.models import Event
from tests.api_fixtures import Operation, World, rolled_back
from tests.api_fixtures.catalog import ALL, BY_ADDRESS

# needs no access to anything of anybody's; what somebody may join depends on their address alone
OPEN = {
    "GET permissions/",
    "POST accounts/",
    "GET organizations/joinable/",
    BY_ADDRESS,
}

staff_access = override_settings(SAAS_KIT_TENANCY_STAFF_ACCESS=True)


@pytest.mark.parametrize(
    "operation", [each for each in ALL if each.name not in OPEN], ids=lambda each: each.name
)
def test_each_act_is_in_the_audit_log_as_staff_access(operation: Operation, world: World) -> None:
    """I35: an act of platform staff is recorded as such with who, what and the request; without the setting none is."""
    world.client("superuser")
    with rolled_back(), staff_access:
        if operation.prepare:
            operation.prepare(world)
        known = set(Event.objects.values_list("pk", flat=True))
        headers = {"X-Request-ID": "request-of-staff"}
        response = operation.call(world, "superuser", headers=headers)
        assert response.status_code in (200, 201, 204, 409)
        recorded = Event.objects.exclude(pk__in=known).filter(staff_access=True)
        assert {each.actor for each in recorded} == {world.people["superuser"]}
        assert {each.request_id for each in recorded} == {"request-of-staff"}

    with rolled_back():
        assert operation.call(world, "superuser").status_code in (200, 400, 404)
        assert not Event.objects.filter(staff_access=True).exists()


def test_superuser_s_own_organization_needs_no_staff_access(
    make_user: Callable[..., Any], make_membership: Callable[..., Any], client_for: Callable[..., Any]
) -> None:
    """A superuser who is a member acts as one, with and without the setting, and it is not staff access."""
    person = make_user(superuser=True)
    organization = make_membership(user=person, role="admin").organization
    client = client_for(person)
    for setting in (False, True):
        with override_settings(SAAS_KIT_TENANCY_STAFF_ACCESS=setting):
            assert (
                client.patch(f"organizations/{organization.pk}/", {"name": f"{setting}"}).status_code == 200
            )
    assert not Event.objects.filter(action="organization.changed", staff_access=True).exists()


def test_superuser_is_a_stranger_without_the_setting(world: World) -> None:
    """I35: without the setting, lists hold nothing of others and ids are 404; with it they are there."""
    client = world.client("superuser")
    paths = ("accounts/", "organizations/", "teams/")
    for path in paths:
        assert client.ids(path) == set()
    assert client.ids("users/") == {str(world.people["superuser"].pk)}
    with staff_access:
        for path in paths:
            assert len(client.ids(path)) == 3
        assert str(world.b.person.pk) in client.ids("users/")


def test_staff_flag_alone_grants_nothing(world: World, make_user: Callable[..., Any]) -> None:
    """I35: ``is_staff`` without ``is_superuser`` is no access, whatever the setting."""
    person = make_user()
    type(person)._base_manager.filter(pk=person.pk).update(is_staff=True)
    client = world.sign_in(person)
    with staff_access:
        assert client.ids("organizations/") == set()
        assert client.get(world.a.path("organizations/{id}/")).status_code == 404
        assert world.client("superuser").get(world.a.path("organizations/{id}/")).status_code == 200


def test_superuser_who_was_deactivated_has_no_access(world: World) -> None:
    """I74: a deactivated superuser's token is 401 from then on."""
    client = world.client("superuser")
    with staff_access:
        assert client.get("organizations/").status_code == 200
        person = world.people["superuser"]
        type(person)._base_manager.filter(pk=person.pk).update(is_active=False)
        assert client.get("organizations/").status_code == 401


def test_setting_acts_at_once(world: World) -> None:
    """Turning staff access off ends it with the next request."""
    path = world.a.path("teams/{id}/")
    client = world.client("superuser")
    with staff_access:
        assert client.get(path).status_code == 200
    assert client.get(path).status_code == 404
