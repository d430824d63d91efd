"""The OpenAPI document: complete, valid, and the same as the one that was agreed on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import reverse

from tests.api_fixtures import catalog

pytestmark = pytest.mark.hosts("full")

SNAPSHOT = Path(__file__).with_name("openapi.json")
PROBLEM = "application/problem+json"
PUBLIC = {name.replace(" ", " /api/v1/") for name in catalog.PUBLIC}

# What is of the caller, in whichever organization they are.
OF_THE_CALLER = (
    "/auth/",
    "/permissions/",
    "/organizations/joinable/",
    "/organizations/{organization_id}/join/",
)


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """What the command of `nox -s schema` writes; it fails on any warning and on an invalid document."""
    path = tmp_path_factory.mktemp("schema") / "openapi.json"
    call_command("spectacular", "--validate", "--fail-on-warn", "--format=openapi-json", f"--file={path}")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def operations(document):
    """Every operation, as (name, operation)."""
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_is_as_agreed(document):
    """Whoever changes the API changes the snapshot with it: `nox -s schema`."""
    agreed = json.loads(SNAPSHOT.read_text())

    assert sorted(document["paths"]) == sorted(agreed["paths"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation == agreed["paths"][path].get(method), f"{method} {path}; if so: nox -s schema"
    assert document == agreed


def test_is_openapi_3_1(document):
    """The version that the contract names."""
    assert document["openapi"].startswith("3.1")


def test_operations_are_described(operations):
    """Each has an id of its own, a summary in a line, a description and a tag."""
    assert len({operation["operationId"] for _, operation in operations}) == len(operations) > 40
    for name, operation in operations:
        assert operation["summary"].strip(), name
        assert "\n" not in operation["summary"], name
        assert len(operation["summary"]) < 60, name
        assert operation["description"].strip(), name
        assert operation["tags"], name


def test_parameters_are_described(operations):
    """Each says what it does; path parameters are found by their place."""
    for name, operation in operations:
        for parameter in operation.get("parameters", ()):
            assert parameter["in"] == "path" or parameter.get("description"), (name, parameter["name"])


def test_bodies_have_examples(operations):
    """Every body that goes in or comes out with a success has one at least."""
    for name, operation in operations:
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        bodies += [each for status, each in operation["responses"].items() if status < "300"]
        for body in bodies:
            for content_type, content in body.get("content", {}).items():
                assert content_type == "application/json", name
                assert content.get("examples"), name


def test_errors_are_declared(operations):
    """I119, I123: each operation declares what can go wrong, as problem documents with an example."""
    for name, operation in operations:
        declared = {int(status) for status in operation["responses"]}
        method, path = name.split()
        expected = {405, 406, 429, 503}
        if name not in PUBLIC:
            expected |= {401, 403, 404}
        if method in ("POST", "PUT", "PATCH"):
            expected |= {400, 409, 413, 415}
        if method == "DELETE":
            expected |= {409, 412}
        if method in ("PUT", "PATCH"):
            expected |= {412}
        if method == "GET" and not path.endswith("}/") and operation["operationId"].endswith("_list"):
            expected |= {400}
        assert expected <= declared, name
        for status in (each for each in declared if each >= 400):
            [(content_type, content)] = operation["responses"][str(status)]["content"].items()
            assert content_type == PROBLEM, name
            assert content["example"]["status"] == status, name
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}, name


def _headers(operation):
    return {each["name"] for each in operation.get("parameters", ()) if each["in"] == "header"}


def test_request_headers_are_declared(operations):
    """I10, I121: collections hear `X-Organization`, and `If-Match` is declared where 412 is."""
    for name, operation in operations:
        path = name.split()[1].removeprefix("/api/v1")
        # who looks at an invitation need not be signed in; who answers it may be narrowed to its organization
        collection = not path.startswith(OF_THE_CALLER) and path != "/invitations/{token}/"
        assert ("X-Organization" in _headers(operation)) == collection, name
        assert ("If-Match" in _headers(operation)) == ("412" in operation["responses"]), name


def test_version_of_an_object_is_declared(operations):
    """I121: what answers one object, with its `ETag`, says so; lists and other answers do not."""
    kinds = ("_create", "_retrieve", "_update", "_restore", "auth_me_get", "auth_me_put", "auth_me_patch")
    for name, operation in operations:
        for status, answer in operation["responses"].items():
            declared = "ETag" in answer.get("headers", {})
            expected = status in ("200", "201") and operation["operationId"].endswith(kinds)
            assert declared == expected, (name, status)


def test_only_what_is_public_needs_no_token(operations):
    """I25: everything else declares how to sign in."""
    for name, operation in operations:
        open_to_all = {} in operation.get("security", [{}]) or not operation.get("security")
        assert open_to_all == (name in PUBLIC), name


@pytest.mark.django_db
def test_is_served_with_its_pages(client):
    """The document, Swagger UI and ReDoc, whose scripts come from this server."""
    schema = client.get(reverse("schema"))
    assert schema.status_code == 200
    assert b"openapi" in schema.content
    for name in ("docs", "redoc"):
        page = client.get(reverse(name))
        assert page.status_code == 200
        scripts = re.findall(r'<script[^>]* src="([^"]+)"', page.content.decode())
        assert scripts
        assert all(each.startswith("/") and not each.startswith("//") for each in scripts)
