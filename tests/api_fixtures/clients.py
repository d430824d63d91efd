"""People who speak JSON to the API."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.test import Client

PREFIX = "/api/v1/"


class ApiClient:
    """Sends requests as one person, by a real access token; as nobody without one."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self._client = Client(headers={"Authorization": f"Bearer {token}"} if token else None)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """
        Send a request.

        Args:
            path: The path below the prefix of the API, or a link that was answered.
            body: What is sent as JSON; bytes are sent as they are.
        """
        url = path if path.startswith("http") else PREFIX + path
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body)
        return self._client.generic(
            method, url, data, "application/json", query_params=query, headers=headers
        )

    def get(self, path: str, **query: Any) -> Any:
        """Send a GET request with query parameters."""
        return self.request("GET", path, query=query)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        """Send a POST request."""
        return self.request("POST", path, body, headers=_headers(headers))

    def put(self, path: str, body: Any, **headers: str) -> Any:
        """Send a PUT request."""
        return self.request("PUT", path, body, headers=_headers(headers))

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        """Send a PATCH request."""
        return self.request("PATCH", path, body, headers=_headers(headers))

    def delete(self, path: str, **headers: str) -> Any:
        """Send a DELETE request."""
        return self.request("DELETE", path, headers=_headers(headers))

    def ids(self, path: str, **query: Any) -> set[str]:
        """Return the ids of one page of a list."""
        response = self.get(path, **query)
        assert response.status_code == 200, response.content
        return {str(row["id"]) for row in response.json()["results"]}


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in given.items()}


@pytest.fixture
def client_for(db: None) -> Callable[..., ApiClient]:
    """Sign somebody in and return a client that sends their token; of None one that sends none."""
    from saas_kit.auth.services import open_session

    def sign_in(user: Any = None) -> ApiClient:
        return ApiClient(None if user is None else open_session(user).access)

    return sign_in
