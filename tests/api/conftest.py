"""What the tests of the API's bases share: a host's own collection, and requests of any shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from tests.plugin import ROOT

collect_ignore_glob = [] if apps.is_installed("rest_framework") else ["test_*.py"]

PROBLEM_MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
REPOSITORY = str(ROOT)


class Caller:
    """Sends whatever it is told to below the prefix of the API, and looks at every problem document it gets."""

    def __init__(self, token: str | None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else None
        self._client = Client(raise_request_exception=False, headers=headers)

    def send(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **extra: Any
    ) -> Any:
        """Send a body as JSON, or raw bytes as they are; headers, content type and query parameters go along."""
        url = path if path.startswith(("http", "/")) else f"/api/v1/{path}"
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        content_type = extra.pop("content_type", "application/json")
        response = self._client.generic(method, url, data, content_type, **extra)
        if response.status_code >= 400:
            check_problem(response, has_body=method != "HEAD")
        return response

    def get(self, path: str, **query: Any) -> Any:
        """Send a GET request with query parameters."""
        return self.send("GET", path, query_params=query)

    def pages(self, path: str, link: str = "next", **query: Any) -> list[dict[str, Any]]:
        """Return all pages from one on, as the links lead."""
        pages = [self.get(path, **query).json()]
        while pages[-1][link]:
            pages.append(self.send("GET", pages[-1][link]).json())
            assert len(pages) < 200, "the pages do not end"
        return pages


def check_problem(response: Any, *, has_body: bool = True) -> None:
    """Every error is a problem document, and tells nothing about the inside (I119)."""
    assert response["Content-Type"] == "application/problem+json", response.content
    assert response["X-Request-ID"]
    if not has_body:
        return
    text = response.content.decode()
    problem = json.loads(text)
    assert set(problem) - {"errors"} == PROBLEM_MEMBERS
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response["X-Request-ID"]
    assert ("errors" in problem) == (response.status_code == 400 and problem["code"] == "invalid"), problem
    for each in problem.get("errors", ()):
        assert set(each) == {"field", "code", "detail"}
    for inside in ("Traceback", "SELECT", "django", "saas_kit", "sqlite", "psycopg", "Exception", REPOSITORY):
        assert inside not in text
    if response.status_code == 401:
        assert response["WWW-Authenticate"].startswith("Bearer")


def fields_of(response: Any) -> dict[str, str]:
    """Return the code of the error on each field of an answer to invalid input."""
    assert response.status_code == 400, response.content
    return {each["field"]: each["code"] for each in response.json()["errors"]}


@pytest.fixture
def caller(db: None) -> Callable[..., Caller]:
    """Sign somebody in; without a person it is nobody."""
    from saas_kit.auth.services import open_session

    def sign_in(user: Any = None) -> Caller:
        return Caller(None if user is None else open_session(user).access)

    return sign_in


@pytest.fixture
def owner(make_membership: Callable[..., Any]) -> Any:
    """The membership of somebody who owns one organization."""
    return make_membership(role="owner")


@pytest.fixture
def api(caller: Callable[..., Caller], owner: Any) -> Caller:
    """The owner's requests."""
    return caller(owner.user)


@pytest.fixture
def make_widget(owner: Any, number: Any) -> Callable[..., Any]:
    """Make a widget; in the owner's organization unless another is named."""

    def make(organization: Any = None, **values: Any) -> Any:
        values.setdefault("name", f"Widget {next(number)}")
        model = apps.get_model("widgets.Widget")
        return model.objects.create(organization=organization or owner.organization, **values)

    return make
