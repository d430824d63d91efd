"""What a message is: a class with its name, its subject, its templates and the values that they show."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any, ClassVar, Self
from uuid import UUID

from css_inline import CSSInliner
from django.core.serializers.json import DjangoJSONEncoder
from django.template import TemplateDoesNotExist
from django.template.loader import get_template, render_to_string
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from saas_kit.email.conf import EmailSettings

_SECRET = "secret"  # noqa: S105 - the name of a mark
_LONGEST_SUBJECT = 200
_EMPTY_LINES = re.compile(r"\n\s*\n")

# Rules that depend on the reader, such as those for dark screens, cannot be inlined and stay where they are.
_inliner = CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)
_classes: dict[str, type[Message]] = {}


def secret() -> Any:
    """Return the field of a value that only the receiver may see: it is stored encrypted, and in no ``repr``."""
    return field(repr=False, metadata={_SECRET: True})


@dataclass(frozen=True, kw_only=True)
class Message:
    """
    One kind of message. A subclass is a frozen dataclass, whose fields are what its templates show.

    The values of fields are what JSON can hold, dates, times and UUIDs. The templates are
    ``<app label>/email/<name>.txt`` and, where it is there, ``.html``; a host overrides them by path, and the class by
    ``SAAS_KIT_EMAIL_MESSAGES``.

    Attributes:
        kind: ``<app label>.<name>``, by which it is stored.
        subject: One line; ``{product}`` stands for the name of the service, ``{<field>}`` for the value of a field.
        topic: What people can stop receiving at a click (RFC 8058); empty of what they need, whatever they like.
        is_limited: Whether it waits where an address or an organization has had too many; not so where whoever causes
            it is limited already.
    """

    kind: ClassVar[str]
    subject: ClassVar[str | Promise]
    topic: ClassVar[str] = ""
    is_limited: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" in cls.__dict__:
            _classes.setdefault(cls.kind, cls)

    @classmethod
    def samples(cls) -> list[Self]:
        """
        Return messages to look at, of which the first is the usual case.

        A class whose fields are all texts and times need not say any: each text is then its name.
        """
        return [cls(**{each.name: _sample(each.name, hint) for each, hint in _hints(cls)})]

    def render_subject(self) -> str:
        """Return the subject, on one line of at most 200 characters."""
        line = " ".join(str(self.subject).format(**self._values()).split())
        return line if len(line) <= _LONGEST_SUBJECT else f"{line[: _LONGEST_SUBJECT - 1]}…"

    def render_text(self, **extra: Any) -> str:
        """
        Return the text, without more than one empty line in a row, which templates leave easily.

        Args:
            extra: What the template shows beside the fields: ``unsubscribe_url``, where the message has a topic.
        """
        text = render_to_string(self._template("txt"), {**self._values(), **extra})
        return _EMPTY_LINES.sub("\n\n", text.strip()) + "\n"

    def render_html(self, **extra: Any) -> str:
        """Return the HTML, with its styles inlined; empty where there is no template; ``extra`` as for the text."""
        try:
            template = get_template(self._template("html"))
        except TemplateDoesNotExist:
            return ""
        return _inliner.inline(template.render({**self._values(), **extra, "subject": self.render_subject()}))

    def _template(self, suffix: str) -> str:
        label, _, name = self.kind.partition(".")
        return f"{label}/email/{name}.{suffix}"

    def _values(self) -> dict[str, Any]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**values, "product": EmailSettings.PRODUCT_NAME}


def message_class(kind: str) -> type[Message]:
    """
    Return the class of a kind of message, the host's own where it has replaced it.

    Raises:
        LookupError: There is no such kind.
    """
    path = EmailSettings.MESSAGES.get(kind)
    if path is not None:
        replaced: type[Message] = import_string(path)
        return replaced
    return original_class(kind)


def original_class(kind: str) -> type[Message]:
    """
    Return the class of a kind of message before any host replaces it.

    Raises:
        LookupError: There is no such kind.
    """
    return _classes[kind]


def message_kinds() -> list[str]:
    """Return the kinds of messages that the loaded apps have."""
    return sorted(_classes)


def secret_fields(kind: str) -> list[str]:
    """
    Return the names of the values of a kind of message that only the receiver may see.

    Raises:
        LookupError: There is no such kind.
    """
    return [each.name for each in fields(message_class(kind)) if _SECRET in each.metadata]


def to_json(message: Message) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of a message as JSON can hold them: those that anybody may see, and the secret ones."""
    shown: dict[str, Any] = {}
    secrets: dict[str, Any] = {}
    for each in fields(message):
        into = secrets if _SECRET in each.metadata else shown
        into[each.name] = getattr(message, each.name)
    encoded = [json.loads(json.dumps(values, cls=DjangoJSONEncoder)) for values in (shown, secrets)]
    return encoded[0], encoded[1]


def from_json(kind: str, values: Mapping[str, Any]) -> Message:
    """
    Return the message that ``to_json()`` took apart; values that its class has no field for are left out.

    Raises:
        LookupError: There is no such kind of message.
        TypeError: A value is missing.
    """
    cls = message_class(kind)
    known = {each.name: _read(values[each.name], hint) for each, hint in _hints(cls) if each.name in values}
    return cls(**known)


def _hints(cls: type[Message]) -> list[tuple[Any, Any]]:
    hints = typing.get_type_hints(cls)
    return [(each, hints[each.name]) for each in fields(cls)]


def _read(value: Any, hint: Any) -> Any:
    for kind in _kinds(hint):
        if isinstance(value, str) and kind in _READERS:
            return _READERS[kind](value)
    return value


def _kinds(hint: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if is_union else (hint,)


_READERS: dict[Any, Any] = {datetime: parse_datetime, date: parse_date, UUID: UUID}
_SAMPLES: dict[Any, Any] = {
    datetime: datetime.fromisoformat("2026-01-31T09:30:00+00:00"),
    date: date(2026, 1, 31),
    UUID: UUID("01920000-0000-7000-8000-000000000001"),
    bool: True,
    int: 3,
}


def _sample(name: str, hint: Any) -> Any:
    return next((_SAMPLES[kind] for kind in _kinds(hint) if kind in _SAMPLES), name.replace("_", " "))
