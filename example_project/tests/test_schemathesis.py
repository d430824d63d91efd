"""
The API does what its OpenAPI document says, whatever it is sent, for members, strangers and anybody else.

Each operation gets a handful of inputs, always the same ones, in a run of the whole suite. With
`SCHEMATHESIS_EXAMPLES=300` there are more, and others each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings

from projects.demo import load_demo
from projects.models import Project, Task
from saas_kit.auth.services import create_user, open_session
from saas_kit.teams.models import Team, TeamMembership
from saas_kit.tenancy.models import AccountMembership, Membership, get_organization_model

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "0"))
CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
    schemathesis.checks.response_headers_conformance,
]
OWNER, STRANGER = "ada@acme.example", "stranger@example.com"

schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
schema.app = get_wsgi_application()

# Things that there are, by what the document calls their ids.
known: dict[str, str] = {}


@pytest.fixture(scope="module", autouse=True)
def demo(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The demo's data, for all tests here; what a test does to it is undone."""
    hashers = django_settings.PASSWORD_HASHERS
    django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with django_db_blocker.unblock():
        load_demo()
        create_user(email=STRANGER, password=None)
        known.update(_known_ids())
        yield
        call_command("flush", verbosity=0, interactive=False)
    django_settings.PASSWORD_HASHERS = hashers


@pytest.fixture
def headers(request: pytest.FixtureRequest, db: None) -> dict[str, str]:
    """The headers of a caller, who is signed in or is nobody."""
    if request.param is None:
        return {}
    user = get_user_model().objects.get(email=request.param)
    return {"Authorization": f"Bearer {open_session(user).access}"}


@pytest.mark.parametrize("headers", [OWNER, STRANGER, None], ids=["owner", "stranger", "anonymous"], indirect=True)
@schema.parametrize()
@settings(
    max_examples=EXAMPLES or 5,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_declared(case: Any, headers: dict[str, str]) -> None:
    case.call_and_validate(headers=headers, checks=CHECKS)


@schema.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Let every other path lead to something that there is."""
    for name, value in (path_parameters or {}).items():
        if _is_even(value):
            path_parameters[name] = known.get(_named(name, context.operation.path), value)
    return path_parameters


@schema.hook
def map_body(context: Any, body: Any) -> Any:
    """Let every other reference in a body be to something that there is."""
    if isinstance(body, dict):
        for name in body.keys() & known.keys():
            if _is_even(body[name]):
                body[name] = known[name]
    return body


def _is_even(value: Any) -> bool:
    try:
        return UUID(str(value)).int % 2 == 0
    except ValueError:
        return False


def _named(parameter: str, path: str) -> str:
    """Return what a parameter of a path identifies: the collection before it."""
    if parameter != "id":
        return parameter.removesuffix("_id")
    collections = [part for part in path.split("{id}")[0].split("/") if part and "{" not in part]
    name = collections[-1].removesuffix("s")
    return f"{collections[-2].removesuffix('s')}_member" if name == "member" else name


def _known_ids() -> dict[str, str]:
    organization = get_organization_model().objects.get(slug="acme-berlin")
    membership = Membership.objects.filter(organization=organization, role="member").first()
    team = Team.objects.filter(organization=organization).first()
    project = Project.objects.filter(organization=organization).first()
    rows = {
        "account": organization.account,
        "account_member": AccountMembership.objects.filter(account=organization.account).last(),
        "organization": organization,
        "organization_member": membership,
        "assignee": membership,
        "user": membership.user,
        "team": team,
        "team_member": TeamMembership.objects.filter(team=team).first(),
        "project": project,
        "task": Task.objects.filter(project=project).first(),
    }
    return {name: str(row.pk) for name, row in rows.items()}
