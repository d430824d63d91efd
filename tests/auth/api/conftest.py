"""A client of the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client


class Api:
    """Calls the API of sign-in with JSON."""

    def __init__(self) -> None:
        self.client = Client()

    def __call__(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> Any:
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        data = (
            {}
            if method == "get"
            else {"data": b"" if body is None else body, "content_type": "application/json"}
        )
        return getattr(self.client, method)(f"/api/v1/auth/{path}", headers=headers, **data)


@pytest.fixture
def api() -> Api:
    return Api()
