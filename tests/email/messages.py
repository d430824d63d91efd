"""Messages of the tests of e-mail: one that people need, one that they can do without, one with a secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from saas_kit.email.messages import Message, secret


@dataclass(frozen=True, kw_only=True)
class Notice(Message):
    """One that people need."""

    name: str = "Ada"

    kind: ClassVar = "tests.notice"
    subject: ClassVar = "A notice for {name}"

    def render_text(self, **extra: Any) -> str:
        return f"Dear {self.name}\n"

    def render_html(self, **extra: Any) -> str:
        return f"<p>Dear {self.name}</p>"


@dataclass(frozen=True, kw_only=True)
class Digest(Message):
    """One that people can do without."""

    kind: ClassVar = "tests.digest"
    subject: ClassVar = "What was new"
    topic: ClassVar = "digests"

    def render_text(self, **extra: Any) -> str:
        return f"Nothing was. {extra.get('unsubscribe_url', 'no way out')}\n"


@dataclass(frozen=True, kw_only=True)
class Key(Message):
    """One with a secret, whose cause is limited already."""

    token: str = secret()

    kind: ClassVar = "tests.key"
    subject: ClassVar = "Your key"
    is_limited: ClassVar = False

    def render_text(self, **extra: Any) -> str:
        return f"{self.token}\n"
