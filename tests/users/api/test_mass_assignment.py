"""A body changes what its operation documents as writable, and nothing else (I9, T4, T8)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import models

from tests.api_fixtures import Operation, World, reference, rolled_back, rows
from tests.api_fixtures.catalog import ALL

WRITABLE = {
    "accounts": {"name", "slug", "metadata"},
    "organizations": {"account", "name", "slug", "metadata", "vat_id"},
    "members": {"user", "role"},
    "domains": {"domain", "enrollment", "role"},
    "invitations": {"email", "role", "teams", "message", "expires_at"},
    "bulk": {"invitations"},
    "transfer": {"user"},
    "teams": {"organization", "name", "slug", "description"},
    "users": {"organization", "email", "first_name", "last_name", "role"},
}
WRITES = [
    each for each in ALL if each.method in ("POST", "PUT", "PATCH") and not each.template.endswith("leave/")
]
APPS = (
    "saas_kit_tenancy",
    "saas_kit_teams",
    "saas_kit_auth",
    "saas_kit_audit",
    "companies",
    "people",
    "auth",
)

TIME = datetime(1999, 12, 31, tzinfo=UTC)


def _noun(operation: Operation) -> str:
    return [part for part in operation.template.split("/") if part and not part.startswith("{")][-1]


def _caller(operation: Operation) -> str:
    if operation.template.endswith("/join/"):
        return "outsider"
    return "target" if "users/{id}/" in operation.template else "account_owner"


def _names(world: World) -> dict[str, Any]:
    """Return every name of a field of a model, with a value that is somebody else's or a privilege."""
    evil: dict[str, Any] = {
        "owner": reference(world.b.person),
        "pk": str(world.b.team.pk),
        "status": "suspended",
    }
    for model in apps.get_models():
        if model._meta.app_label not in APPS:
            continue
        for field in model._meta.get_fields():
            names = {field.name, getattr(field, "attname", field.name)}
            evil.update(dict.fromkeys(names - evil.keys(), _evil(field, world)))
    return evil


MADE_ANEW = (
    *("password", "password_fingerprint", "token_hash", "proof"),
    *("message_id", "context", "secrets", "cause"),
)


def _evil(field: Any, world: World) -> Any:
    if isinstance(field, models.BooleanField):
        return field.name.startswith("is_s")
    if isinstance(field, models.DateTimeField):
        return TIME.isoformat()
    if isinstance(field, models.UUIDField):
        return str(world.b.team.pk)
    if field.is_relation and field.name == "user":
        return reference(world.b.person)
    return str(world.b.organization.pk)


def _effect(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return what changed: the columns of rows that were there, and of new rows what is not made anew each time."""
    effect: dict[str, Any] = {}
    made = {key for label, table in after.items() for key in table.keys() - before[label].keys()}
    for label, table in after.items():
        own_key = apps.get_model(label)._meta.pk.attname
        for key, row in table.items():
            old = before[label].get(key)
            for column, value in row.items():
                if old is not None and old[column] == value:
                    continue
                assert value not in (TIME, TIME.isoformat()), column
                is_anew = column in (own_key, *MADE_ANEW) or isinstance(value, datetime)
                is_anew = is_anew or (column.endswith("_id") and value in made)
                effect[f"{label} {'new' if old is None else key} {column}"] = "anew" if is_anew else value
    for label, table in before.items():
        effect.update({f"{label} {key}": "gone" for key in table.keys() - after[label].keys()})
    return effect


@pytest.mark.parametrize("operation", WRITES, ids=lambda operation: operation.name)
def test_no_read_only_column_can_be_written(operation: Operation, world: World) -> None:
    """I9, T8: a write with any field of any model in its body does what it does without, or is 400."""
    caller = _caller(operation)
    world.client(caller)
    body = operation.body(world) if operation.body else {}
    foreign = {
        name: value for name, value in _names(world).items() if name not in WRITABLE.get(_noun(operation), ())
    }
    if operation.prepare:
        operation.prepare(world)
    before = rows()

    def outcome(sent: Any) -> Any:
        cache.clear()  # some of it can be done only so often
        with rolled_back():
            response = operation.call(world, caller, body=sent)
            if response.status_code == 400:
                return {error["code"] for error in response.json()["errors"]}
            return response.status_code, _effect(before, rows())

    plain = outcome(body)
    assert plain[0] in (200, 201)
    if operation.body is None:
        assert outcome(foreign) == plain
        return
    outcomes = {name: outcome({**body, name: value}) for name, value in foreign.items()}
    assert [name for name, each in outcomes.items() if each not in ({"unknown"}, plain)] == []
    assert rows() == before
    refused = {name for name, each in outcomes.items() if each == {"unknown"}}
    assert {"is_superuser", "deleted_at", "password"} <= refused


@pytest.mark.parametrize(
    "operation", [each for each in WRITES if each.body], ids=lambda operation: operation.name
)
def test_unknown_fields_are_named(operation: Operation, world: World) -> None:
    """A field that an operation does not know is 400 ``unknown`` on it; without it the same body is taken."""
    assert operation.body
    body = operation.body(world)
    caller = _caller(operation)

    refused = operation.call(world, caller, body={**body, "nmae": "x"})

    assert refused.status_code == 400
    assert refused.json()["errors"] == [
        {"field": "nmae", "code": "unknown", "detail": "There is no such field."}
    ]
    assert operation.call(world, caller, body=body).status_code in (200, 201)


@pytest.mark.parametrize(
    ("template", "caller"),
    [
        ("accounts/{id}/", "account_owner"),
        ("organizations/{id}/", "owner"),
        ("teams/{id}/", "owner"),
        ("users/{id}/", "target"),
        ("accounts/{account_id}/members/{id}/", "account_owner"),
        ("organizations/{organization_id}/members/{id}/", "owner"),
        ("teams/{team_id}/members/{id}/", "owner"),
    ],
)
def test_what_was_read_can_be_sent_back(template: str, caller: str, world: World) -> None:
    """Read-only fields in a body are ignored, whatever is in them, so that an object can be edited and sent back."""
    client, path = world.client(caller), world.a.path(template)
    read = client.get(path).json()
    before = rows()
    other = {"id": str(world.b.team.pk), "created_at": TIME.isoformat()}
    changed = {**read, **{name: value for name, value in other.items() if name in read}}
    methods = ["PATCH"] if "members" in template else ["PATCH", "PUT"]
    for method in methods:
        for body in (read, changed):
            response = client.request(method, path, body)
            assert (response.status_code, response.json()) == (200, read), method
    assert rows() == before


@pytest.mark.parametrize(
    "operation", [each for each in WRITES if each.body], ids=lambda operation: operation.name
)
def test_a_body_that_is_no_object_is_refused(operation: Operation, world: World) -> None:
    """I120: a body that is not an object is 400, never 500."""
    caller = _caller(operation)
    world.client(caller)
    before = rows()
    for body in ([], ["x"], [{}], "x", "", 1, 1.5, True, False, b"null", b"{", b'{"name": NaN}'):
        assert operation.call(world, caller, body=body).status_code == 400, body
    assert rows() == before
