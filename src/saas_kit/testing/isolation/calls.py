"""Requests as the prover makes them, and what came back."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from django.apps import apps
from django.db import connections
from rest_framework.test import APIClient

from saas_kit.core.context import fresh_context


class _Nothing:
    def __repr__(self) -> str:
        return "NOTHING"


NOTHING = _Nothing()
"""The body of a request that has none."""


@dataclass(frozen=True)
class Call:
    """
    A request.

    Attributes:
        template: The path with its parameters in braces, as in ``/api/v1/notes/{id}/``.
        path: The values of the parameters.
        body: What is sent as JSON; ``NOTHING`` where there is no body.
        form: Whether the body is sent as a form instead.
        takes_tokens: Whether the view takes the tokens of ``saas_kit.auth``; others are told who calls.
    """

    method: str
    template: str
    path: Mapping[str, str] = field(default_factory=dict)
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = NOTHING
    form: bool = False
    takes_tokens: bool = False

    @property
    def url(self) -> str:
        """The path with its values and the query."""
        path = self.template
        for name, value in self.path.items():
            path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
        return f"{path}?{urlencode(self.query)}" if self.query else path

    def with_path(self, **values: str) -> Call:
        """Return the same request for other objects."""
        return replace(self, path={**self.path, **values})

    def with_query(self, *pairs: tuple[str, str]) -> Call:
        """Return the same request with more query parameters; one of the same name is replaced."""
        names = {name for name, _value in pairs}
        kept = tuple(pair for pair in self.query if pair[0] not in names)
        return replace(self, query=(*kept, *pairs))

    def with_headers(self, **headers: str) -> Call:
        """Return the same request with more headers; underscores stand for dashes."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **more})

    def with_body(self, body: Any) -> Call:
        """Return the same request with another body."""
        return replace(self, body=body)

    def curl(self, token: str | None) -> str:
        """
        Return the request as a command line.

        Args:
            token: The name of the shell variable that holds the caller's token; None where nobody is signed in.
        """
        parts = ["curl", "-i", "-X", self.method, shlex.quote(f"http://localhost:8000{self.url}")]
        if token is not None:
            parts += ["-H", f'"Authorization: Bearer ${token}"']
        for name, value in self.headers.items():
            parts += ["-H", shlex.quote(f"{name}: {value}")]
        if self.body is not NOTHING and self.form:
            parts += ["-d", shlex.quote(urlencode(self.body, doseq=True))]
        elif self.body is not NOTHING:
            parts += ["-H", "'Content-Type: application/json'", "-d", shlex.quote(json.dumps(self.body))]
        return " ".join(parts)

    def sent(self) -> set[str]:
        """Return every value that the caller sent, which an answer may repeat."""
        values = {str(value) for value in self.path.values()}
        values.update(value for _name, value in self.query)
        values.update(self.headers.values())
        values.update(str(value) for value in leaves(self.body))
        return values


@dataclass(frozen=True)
class Answer:
    """
    What came back.

    Attributes:
        headers: The header lines, without those that differ each time.
        error: The exception behind a 500, if there was one.
        queried: Whether a statement was sent to the database.
        wrote: Whether one of them was not a read.
    """

    status: int
    text: str
    headers: str = ""
    request_id: str = ""
    error: str = ""
    queried: bool = True
    wrote: bool = True

    @property
    def ok(self) -> bool:
        """Whether the request succeeded."""
        return 200 <= self.status < 300

    @property
    def crashed(self) -> bool:
        """Whether the server failed."""
        return self.status >= 500

    @property
    def data(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    @property
    def has_rows(self) -> bool:
        """Whether the body is, or has, an array; or is no JSON, so that nobody knows."""
        data = self.data
        if isinstance(data, dict):
            return any(isinstance(value, list) for value in data.values())
        return data is None or isinstance(data, list)

    def __str__(self) -> str:
        return f"{self.status} {self.error}".strip() if self.error else str(self.status)


class Caller:
    """
    Somebody who sends requests: REST framework's views and Django's own take them for signed in.

    Args:
        name: How the report names the caller.
        user: Who it is; None of nobody.
        token: The variable of the report's command lines; None of nobody.
    """

    def __init__(self, name: str, user: Any, token: str | None) -> None:
        self.name = name
        self.token = token
        self._client = APIClient(raise_request_exception=False)
        self._auth, self._bearer = _session_of(user)
        # read anew: what services remembered of the person is not for requests
        self._user = None if user is None else type(user)._base_manager.get(pk=user.pk)
        if user is not None and apps.is_installed("django.contrib.sessions"):
            self._client.force_login(user)

    def send(self, call: Call) -> Answer:
        """Send a request through the host's middleware, in a context of its own and without a scope."""
        headers = dict(call.headers)
        handler: Any = self._client.handler
        handler._force_user = handler._force_token = None
        if call.takes_tokens and self._bearer:
            headers["Authorization"] = f"Bearer {self._bearer}"
        elif self._user is not None:
            # what a request remembers of its caller must not reach the next one
            handler._force_user, handler._force_token = deepcopy(self._user), deepcopy(self._auth)
        with fresh_context(), _watched() as seen:
            response: Any = self._client.generic(
                call.method, call.url, secure=True, headers=headers, **_encoded(call)
            )
            text = _text_of(response)
        return Answer(
            response.status_code,
            text,
            _header_lines(response),
            response.headers.get("X-Request-ID", ""),
            _error_of(response),
            seen.queried,
            seen.wrote,
        )


def leaves(value: Any) -> Iterator[Any]:
    """Yield every value of a JSON document that is neither an object nor an array."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    elif value is not None and value is not NOTHING and not isinstance(value, bool):
        yield value


def _encoded(call: Call) -> dict[str, Any]:
    if call.body is NOTHING:
        return {}
    if call.form:
        data = urlencode(call.body, doseq=True)
        return {"data": data, "content_type": "application/x-www-form-urlencoded"}
    return {"data": json.dumps(call.body), "content_type": "application/json"}


def _session_of(user: Any) -> tuple[Any, str]:
    """Return the session that views of ``saas_kit.auth`` look at, and an access token of it."""
    if user is None or not apps.is_installed("saas_kit.auth"):
        return None, ""
    from saas_kit.auth.models import Session  # noqa: PLC0415 - a host may do without the app
    from saas_kit.auth.services import open_session  # noqa: PLC0415 - the same

    tokens = open_session(user)
    return Session.objects.filter(user=user).latest("pk"), str(tokens.access)


def _text_of(response: Any) -> str:
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return bytes(content).decode("utf-8", errors="replace")


_VOLATILE = {"date", "x-request-id", "set-cookie", "content-length", "etag", "expires", "last-modified"}


def _header_lines(response: Any) -> str:
    lines = (f"{name}: {value}" for name, value in response.items() if name.lower() not in _VOLATILE)
    return "\n".join(sorted(lines))


def _error_of(response: Any) -> str:
    trouble = getattr(response, "exc_info", None)
    if not trouble or trouble[1] is None:
        return ""
    return f"{type(trouble[1]).__name__}: {str(trouble[1])[:200]}"


@dataclass
class _Seen:
    queried: bool = False
    wrote: bool = False


class _watched:  # noqa: N801 - read as a statement
    """Notes what kinds of statements a block sends to the database."""

    def __enter__(self) -> _Seen:
        self.seen = _Seen()
        self._stack = ExitStack()
        for connection in connections.all(initialized_only=True):
            self._stack.enter_context(connection.execute_wrapper(self._note))
        return self.seen

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _note(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        self.seen.queried = True
        if not str(sql).lstrip().upper().startswith(("SELECT", "SAVEPOINT", "RELEASE")):
            self.seen.wrote = True
        return execute(sql, params, many, context)
