"""What the tests of e-mail have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import django
import pytest

from saas_kit.email.messages import Message
from saas_kit.email.models import OutboxMessage
from saas_kit.email.services import deliver_due, delivery, send
from tests.email.messages import Notice


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait because another one's server was away."""
    monkeypatch.setattr(delivery, "_unreachable_at", None)


@pytest.fixture
def use_backend(settings: Any) -> Callable[..., None]:
    """Let mail be sent by another back end, with options that Django has as settings before 6.1."""

    def use(path: str, options: dict[str, Any] | None = None, **anymail: Any) -> None:
        settings.ANYMAIL = anymail
        if django.VERSION >= (6, 1):
            settings.MAILERS = {"default": {"BACKEND": path, "OPTIONS": options or {}}}
            return
        settings.EMAIL_BACKEND = path
        for name, value in (options or {}).items():
            setattr(settings, f"EMAIL_{name.upper()}", value)

    return use


@pytest.fixture
def make_message(db: None) -> Callable[..., OutboxMessage]:
    """Write a message into the outbox; nobody delivers it by itself."""

    def make(message: Message | None = None, *, to: str = "ada@example.com", **values: Any) -> OutboxMessage:
        return OutboxMessage.objects.get(pk=send(message or Notice(), to=to, **values))

    return make


@pytest.fixture
def deliver() -> Callable[..., OutboxMessage]:
    """Deliver one message, and return what became of it."""

    def deliver(row: OutboxMessage) -> OutboxMessage:
        deliver_due(only=[row.pk])
        row.refresh_from_db()
        return row

    return deliver
