"""Messages that are written with what they tell of, and delivered after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
from django.core import mail
from django.db import transaction

from saas_kit.email.messages import Message, secret
from saas_kit.email.models import OutboxMessage, State
from saas_kit.email.services import deliver_due, send

pytestmark = pytest.mark.django_db


@dataclass(frozen=True, kw_only=True)
class Note(Message):
    token: str = secret()
    name: str

    kind: ClassVar = "tests.note"
    subject: ClassVar = "A note for {name}"

    def render_text(self) -> str:
        return f"{self.name}: {self.token}\n"


class TestSend:
    def test_message_is_delivered_after_the_commit(self, on_commit):
        with on_commit():
            key = send(Note(token="canary", name="Ada"), to="ada@example.com")
            row = OutboxMessage.objects.get(pk=key)
            assert row.state == State.QUEUED
            assert "canary" not in f"{row.context} {row.secrets} {row!r}"
            assert not mail.outbox

        [sent] = mail.outbox
        row.refresh_from_db()
        assert sent.subject == "A note for Ada"
        assert sent.body == "Ada: canary\n"
        assert sent.message()["Message-ID"] == row.message_id
        assert (row.state, row.secrets, row.attempts) == (State.SENT, "", 1)
        assert row.sent_at is not None

    def test_rolled_back_change_sends_nothing(self, on_commit):
        """I79."""

        def change() -> None:
            with transaction.atomic():
                send(Note(token="canary", name="Ada"), to="ada@example.com")
                raise ZeroDivisionError

        with on_commit(), pytest.raises(ZeroDivisionError):
            change()

        assert not OutboxMessage.objects.exists()
        assert deliver_due() == 0
        assert not mail.outbox

    def test_one_cause_has_one_message(self, on_commit):
        with on_commit():
            first = send(Note(token="a", name="Ada"), to="ada@example.com", cause="x")
            second = send(Note(token="b", name="Ada"), to="ada@example.com", cause="x")

        assert first is not None
        assert second is None
        assert len(mail.outbox) == 1
