"""Messages as people get them, to look at before anybody does."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.utils import translation

from saas_kit.email.messages import Message, message_class

_UNSUBSCRIBE_URL = "https://api.example.com/email/unsubscribe/sample/"


@dataclass(frozen=True, kw_only=True)
class Preview:
    """
    A sample of a message, as it is sent in one language.

    Attributes:
        number: Which of its class's samples it is; 1 is the usual case.
    """

    message: Message
    number: int
    language: str

    @property
    def kind(self) -> str:
        """The name of the message."""
        return self.message.kind

    @property
    def name(self) -> str:
        """What a file of it is called, but for its suffix."""
        return f"{self.kind}.{self.language}.{self.number}"

    @property
    def subject(self) -> str:
        """Its subject."""
        with translation.override(self.language):
            return self.message.render_subject()

    @property
    def text(self) -> str:
        """Its text."""
        with translation.override(self.language):
            return self.message.render_text(**self._extra)

    @property
    def html(self) -> str:
        """Its HTML; empty where there is no template for it."""
        with translation.override(self.language):
            return self.message.render_html(**self._extra)

    @property
    def _extra(self) -> dict[str, str]:
        return {"unsubscribe_url": _UNSUBSCRIBE_URL} if self.message.topic else {}


def previews(kind: str, *, language: str) -> list[Preview]:
    """
    Return each sample of a kind of message in a language.

    Raises:
        LookupError: There is no such kind.
    """
    with translation.override(language):
        samples = message_class(kind).samples()
    return [
        Preview(message=message, number=number, language=language)
        for number, message in enumerate(samples, start=1)
    ]


def preview_languages() -> list[str]:
    """Return the languages of the host, the usual one first."""
    usual = settings.LANGUAGE_CODE
    return [usual, *(code for code, _ in settings.LANGUAGES if code != usual)]
