"""
The API does what its OpenAPI document says, whatever it is sent, for members, strangers and anybody else.

Each operation gets a handful of inputs, always the same ones, in a run of the whole suite. With
`SCHEMATHESIS_EXAMPLES=300` there are more, and others each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core import signals
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings

from projects.demo import load_demo
from projects.models import Project
from saas_kit.auth.limits import DEFAULTS as AUTH_LIMITS
from saas_kit.auth.services import create_user, open_session
from saas_kit.teams.models import Team, TeamMembership
from saas_kit.tenancy import unscoped
from saas_kit.tenancy.limits import DEFAULTS as TENANCY_LIMITS
from saas_kit.tenancy.models import AccountMembership, Membership, get_organization_model
from saas_kit.tenancy.services import claim_domain, create_account, invite

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "0"))
CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
    schemathesis.checks.response_headers_conformance,
]
OWNER, MEMBER, STRANGER = "ada@acme.example", "edsger@acme.example", "stranger@example.com"

PASSWORD = "analytical engine 1843"

LINKS: dict[str, dict[str, dict[str, Any]]] = {
    "auth/login/": {
        "refresh": {
            "operationId": "auth_refresh_post",
            "requestBody": {"refresh": "$response.body#/refresh"},
        },
        "finish": {
            "operationId": "auth_mfa_verify_post",
            "requestBody": {"mfa_token": "$response.body#/mfa_token", "code": "000000"},
        },
    },
    "auth/refresh/": {
        "again": {"operationId": "auth_refresh_post", "requestBody": {"refresh": "$response.body#/refresh"}},
    },
    "auth/mfa/totp/": {
        "confirm": {"operationId": "auth_mfa_totp_confirm_post", "requestBody": {"code": "000000"}},
    },
}
"""How what one operation of sign-in answers goes into the next."""


def _with_links(document: dict[str, Any]) -> dict[str, Any]:
    for path, links in LINKS.items():
        document["paths"][f"/api/v1/{path}"]["post"]["responses"]["200"]["links"] = links
    return document


_document = SchemaGenerator().get_schema(request=None, public=True)
schema = schemathesis.openapi.from_dict(_with_links(_document))
schema.app = get_wsgi_application()

# Things that there are, by what the document calls their ids.
known: dict[str, str] = {}
_calls = count()


@pytest.fixture(scope="module", autouse=True)
def demo(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The demo's data, for all tests here; what a test does to it is undone."""
    hashers = django_settings.PASSWORD_HASHERS
    django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # else most answers are 429
    django_settings.SAAS_KIT_AUTH_RATE_LIMITS = dict.fromkeys(AUTH_LIMITS)
    django_settings.SAAS_KIT_TENANCY_RATE_LIMITS = dict.fromkeys(TENANCY_LIMITS)
    with django_db_blocker.unblock():
        load_demo()
        create_user(email=STRANGER, password=None)
        known.update(_known_ids())
        yield
        call_command("flush", verbosity=0, interactive=False)
    django_settings.PASSWORD_HASHERS = hashers
    del django_settings.SAAS_KIT_AUTH_RATE_LIMITS, django_settings.SAAS_KIT_TENANCY_RATE_LIMITS


@pytest.fixture(autouse=True)
def _connection_outlives_requests(db: None) -> Iterator[None]:
    # Between requests Django closes a connection that is in a transaction, as that of a test is.
    chosen = (signals.request_started, signals.request_finished)
    for signal in chosen:
        signal.disconnect(close_old_connections)
    yield
    for signal in chosen:
        signal.connect(close_old_connections)


@pytest.fixture
def headers(request: pytest.FixtureRequest, db: None) -> dict[str, str]:
    """The headers of a caller, who is signed in or is nobody."""
    if request.param is None:
        return {}
    user = get_user_model().objects.get(email=request.param)
    return {"Authorization": f"Bearer {open_session(user).access}"}


@pytest.mark.parametrize(
    "headers", [OWNER, STRANGER, None], ids=["owner", "stranger", "anonymous"], indirect=True
)
@schema.parametrize()
@settings(
    max_examples=EXAMPLES or 5,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_declared(case: Any, headers: dict[str, str]) -> None:
    _refer_to_known(case)
    case.call_and_validate(headers=headers, checks=CHECKS)


def test_sign_in_by_links(db: None) -> None:
    """Chains of calls, each made of what the one before answered, find no answer that is not declared."""
    owner = get_user_model().objects.get(email=OWNER)
    owner.set_password(PASSWORD)
    owner.save()
    reached = set()

    class SignIn(schema.include(path_regex="/auth/").as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            self.bearer = {"Authorization": f"Bearer {open_session(owner).access}"}

        def before_call(self, case: Any) -> None:
            if case.operation.path.endswith("/auth/login/") and isinstance(case.body, dict):
                case.body |= {"email": OWNER, "password": PASSWORD}

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": self.bearer}

        def validate_response(self, response: Any, case: Any, **kwargs: Any) -> None:
            reached.add((case.operation.path.removeprefix("/api/v1/"), response.status_code))
            case.validate_response(response, headers=self.bearer, checks=CHECKS)

    SignIn.run(
        settings=settings(
            max_examples=EXAMPLES or 20,
            stateful_step_count=8,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
    )
    assert {("auth/login/", 200), ("auth/refresh/", 200)} <= reached, reached


def _refer_to_known(case: Any) -> None:
    """Let three of four references be to something that there is."""
    if next(_calls) % 4 == 0:
        return
    for name, value in (case.path_parameters or {}).items():
        if _is_uuid(value):
            case.path_parameters[name] = known[_named(name, case.path)]
    if isinstance(case.body, dict):
        for name in case.body.keys() & known.keys():
            if _is_uuid(case.body[name]):
                case.body[name] = known[name]


def _is_uuid(value: Any) -> bool:
    try:
        return bool(UUID(str(value)))
    except ValueError:
        return False


def _named(parameter: str, path: str) -> str:
    """Return what a parameter of a path is the id of: the collection before it says so."""
    if parameter != "id":
        return parameter.removesuffix("_id")
    collections = [part for part in path.partition("{id}")[0].split("/") if part and "{" not in part]
    name = collections[-1].removesuffix("s")
    if name == "member":
        return f"{collections[-2].removesuffix('s')}_member"
    return f"deleted_{name}" if path.endswith("/restore/") else name


@unscoped(reason="the ids of the demo")
def _known_ids() -> dict[str, str]:
    organizations = get_organization_model().objects
    organization, deleted = organizations.get(slug="acme-berlin"), organizations.get(slug="acme-lisbon")
    owner, other = get_user_model().objects.get(email=OWNER), get_user_model().objects.get(email=MEMBER)
    account = create_account(name="Deleted", owner=owner, actor=owner)
    team = Team.objects.get(organization=organization, name="Engineering")
    member = Membership.objects.get(organization=organization, user=other)
    project, gone = (
        Project.objects.get(organization=organization, name=name) for name in ("Website", "Billing")
    )
    task, done = (project.tasks.get(title=title) for title in ("Write the texts", "Choose the colours"))
    domain = claim_domain(organization, domain="acme.example", actor=owner)
    domain.verified_at = timezone.now()  # nobody is to ask the name servers of this machine
    domain.save()
    invitation, _ = invite(organization, email="grace@example.com", role="member", actor=owner)
    rows = {
        "domain": domain,
        "invitation": invitation,
        "account": organization.account,
        "account_member": AccountMembership.objects.get(account=organization.account, role="member"),
        "organization": organization,
        "organization_member": member,
        "assignee": member,
        "user": other,
        "team": team,
        "team_member": TeamMembership.objects.get(team=team, membership=member),
        "project": project,
        "task": task,
        "session": open_session(owner).session,
        "deleted_account": account,
        "deleted_organization": deleted,
        "deleted_team": Team.objects.get(organization=organization, name="Support"),
        "deleted_project": gone,
        "deleted_task": done,
    }
    for name, row in rows.items():
        if name.startswith("deleted_"):
            row.delete()
    return {name: str(row.pk) for name, row in rows.items()}
