"""Messages that a host puts in place of the kit's, rightly and wrongly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from saas_kit.auth.messages import Welcome


@dataclass(frozen=True, kw_only=True)
class Greeting(Welcome):
    """One with a value of its own, which has a default."""

    signature: str = "Your friends"

    subject: ClassVar = "{signature} greet you"


@dataclass(frozen=True, kw_only=True)
class Demanding(Welcome):
    """One with a value that nobody gives it."""

    signature: str


@dataclass(frozen=True, kw_only=True)
class Renamed(Welcome):
    """One that is another message."""

    kind: ClassVar = "tests.renamed"
