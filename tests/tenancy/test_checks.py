"""System checks of tenancy and teams: one row for each mistake."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.core import checks

MISSING = object()
ORGANIZATION = "SAAS_KIT_TENANCY_ORGANIZATION_MODEL"
ROLES = "SAAS_KIT_TENANCY_ROLES"
SECOND_FACTOR = "SAAS_KIT_TENANCY_SECOND_FACTOR"
LIMITS = "SAAS_KIT_TENANCY_RATE_LIMITS"
SEATS = "SAAS_KIT_TENANCY_SEAT_LIMIT"
DNS_NAMESERVERS = "SAAS_KIT_TENANCY_DNS_NAMESERVERS"


def _reported():
    """What the registered checks say of the kit, without touching the database."""
    messages = checks.run_checks(tags=[checks.Tags.compatibility])
    return [each for each in messages if each.id.startswith("saas_kit") and not each.is_silenced()]


def _without(names, *left_out):
    return [name for name in names if name not in left_out]


MISTAKES = {
    "organization model is not named": ("saas_kit_tenancy.E002", {ORGANIZATION: MISSING}),
    "organization model is not installed": ("saas_kit_tenancy.E003", {ORGANIZATION: "nowhere.Company"}),
    "organization model has no app": ("saas_kit_tenancy.E003", {ORGANIZATION: "Company"}),
    "organization model is something else": ("saas_kit_tenancy.E003", {ORGANIZATION: "auth.Group"}),
    "organization's migration waits for the kit's": (
        "saas_kit_tenancy.E004",
        {ORGANIZATION: "auth.Group", "MIGRATION_MODULES": {"auth": "tests.tenancy.waiting.migrations"}},
    ),
    "roles cannot be imported": ("saas_kit_tenancy.E005", {ROLES: "nowhere.ROLES"}),
    "roles are not in the module": ("saas_kit_tenancy.E005", {ROLES: "saas_kit.tenancy.roles.NOWHERE"}),
    "roles are no path": ("saas_kit_tenancy.E005", {ROLES: "roles"}),
    "roles are a function": ("saas_kit_tenancy.E005", {ROLES: "saas_kit.tenancy.roles.get_role"}),
    "roles are texts": ("saas_kit_tenancy.E005", {ROLES: "tests.tenancy.sample_roles.NOT_ROLES"}),
    "roles are one role": ("saas_kit_tenancy.E005", {ROLES: "tests.tenancy.sample_roles.ONE_ROLE"}),
    "roles have no owner": ("saas_kit_tenancy.E005", {ROLES: "tests.tenancy.sample_roles.WITHOUT_OWNERS"}),
    "second factor is told by no module": ("saas_kit_tenancy.E012", {SECOND_FACTOR: "nowhere.has_key"}),
    "second factor is told by no path": ("saas_kit_tenancy.E012", {SECOND_FACTOR: "has_key"}),
    "second factor is told by a text": (
        "saas_kit_tenancy.E012",
        {SECOND_FACTOR: "tests.tenancy.sample_second_factor.NOT_A_FUNCTION"},
    ),
    "name server has a name": ("saas_kit_tenancy.E023", {DNS_NAMESERVERS: ("ns.example.com",)}),
    "name server has no port": ("saas_kit_tenancy.E023", {DNS_NAMESERVERS: ["192.0.2.53:dns"]}),
    "name server has a port too high": ("saas_kit_tenancy.E023", {DNS_NAMESERVERS: ["192.0.2.53:65536"]}),
    "name server is a link": ("saas_kit_tenancy.E023", {DNS_NAMESERVERS: ["192.0.2.53/dns-query"]}),
    "limits have one that is none": ("saas_kit_tenancy.E024", {LIMITS: {"nothing": "5/m"}}),
    "limits have a rate that is none": ("saas_kit_tenancy.E024", {LIMITS: {"invitations": "often"}}),
    "limits have a number": ("saas_kit_tenancy.E024", {LIMITS: {"invitations": 5}}),
    "seats are told by no module": ("saas_kit_tenancy.E025", {SEATS: "nowhere.seats"}),
    "seats are told by no path": ("saas_kit_tenancy.E025", {SEATS: "seats"}),
    "seats are told by a number": (
        "saas_kit_tenancy.E025",
        {SEATS: "tests.tenancy.sample_seats.NOT_A_FUNCTION"},
    ),
    "link of invitations has no token": (
        "saas_kit_tenancy.E026",
        {"SAAS_KIT_TENANCY_INVITATION_LINK": "/invitation"},
    ),
    "invitations last for nothing": (
        "saas_kit_tenancy.E026",
        {"SAAS_KIT_TENANCY_INVITATION_LIFETIME": timedelta(0)},
    ),
    "invitations last too long": (
        "saas_kit_tenancy.E026",
        {"SAAS_KIT_TENANCY_INVITATION_MAX_LIFETIME": timedelta(days=6)},
    ),
    "middleware is missing": (
        "saas_kit_tenancy.E007",
        {
            "MIDDLEWARE": _without(
                django_settings.MIDDLEWARE, "saas_kit.core.middleware.RequestContextMiddleware"
            )
        },
    ),
    "back end of tenancy is missing": (
        "saas_kit_tenancy.W002",
        {
            "AUTHENTICATION_BACKENDS": _without(
                django_settings.AUTHENTICATION_BACKENDS, "saas_kit.tenancy.backends.TenancyBackend"
            )
        },
    ),
    "back end of teams is missing": (
        "saas_kit_teams.W002",
        {
            "AUTHENTICATION_BACKENDS": _without(
                django_settings.AUTHENTICATION_BACKENDS, "saas_kit.teams.backends.TeamBackend"
            )
        },
    ),
}


def test_host_is_without_fault():
    """The settings that the mistakes below are made in are fine themselves."""
    assert _reported() == []


@pytest.mark.parametrize(("check_id", "values"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_reported(settings, check_id, values):
    """Each mistake has its id, and a hint that can be pasted or followed."""
    for name, value in values.items():
        if value is MISSING:
            delattr(settings, name)
        else:
            setattr(settings, name, value)

    found = [each for each in _reported() if each.id == check_id]

    assert found
    assert all(each.hint and each.msg for each in found)
    assert all(each.is_serious() is (".E" in check_id) for each in found)


def test_missing_dnspython_is_reported_before_deploying(monkeypatch):
    """W032: a host that has not installed it learns that no domain can be proved."""

    def reported(*, deploying):
        messages = checks.run_checks(tags=[checks.Tags.compatibility], include_deployment_checks=deploying)
        return [each.hint for each in messages if each.id == "saas_kit_tenancy.W032"]

    assert reported(deploying=True) == []

    monkeypatch.setitem(sys.modules, "dns", None)

    assert reported(deploying=False) == []
    [hint] = reported(deploying=True)
    assert "pip install 'django-saas-kit[dns]'" in hint


def test_hint_for_the_organization_model_is_the_line_to_paste(settings):
    """E002: what to add stands there."""
    delattr(settings, ORGANIZATION)

    [message] = [each for each in _reported() if each.id == "saas_kit_tenancy.E002"]

    assert f'{ORGANIZATION} = "saas_kit_tenancy.Organization"' in message.hint


@pytest.mark.parametrize("roles", ["WITH_BILLING", "WITHOUT_VIEWER"])
def test_roles_of_the_host_are_fine(settings, roles):
    """A host adds roles, and may leave out all but the owners."""
    settings.SAAS_KIT_TENANCY_ROLES = f"tests.tenancy.sample_roles.{roles}"

    assert _reported() == []


def test_every_check_has_an_id_of_its_own():
    """Ids are never used twice."""
    from saas_kit.teams import checks as teams
    from saas_kit.tenancy import checks as tenancy
    from saas_kit.tenancy import domain_checks, isolation_checks

    all_checks = (*tenancy.ALL, *isolation_checks.ALL, *isolation_checks.OF_DATABASES)
    all_checks += (*domain_checks.ALL, *domain_checks.DEPLOY)
    names = [(check.__doc__ or "").partition(":")[0] for check in all_checks]

    assert len(names) == len(set(names))
    assert all(len(name) == 4 for name in (*names, *(each.__doc__.partition(":")[0] for each in teams.ALL)))
