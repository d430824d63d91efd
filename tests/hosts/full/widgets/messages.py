"""What widgets write to people; nothing imports it, as of the apps of many hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from saas_kit.email.messages import Message


@dataclass(frozen=True, kw_only=True)
class WidgetMade(Message):
    """Tells somebody of a new widget."""

    name: str

    kind: ClassVar = "widgets.widget_made"
    subject: ClassVar = "There is a widget: {name}"

    def render_text(self, **extra: object) -> str:
        return f"It is {self.name}.\n"
