"""Messages as people get them, to look at before anybody does."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.utils import translation

from saas_kit.email.messages import Message, message_class


@dataclass(frozen=True, kw_only=True)
class Preview:
    """
    A sample of a message, as it is sent in one language.

    Attributes:
        sample: Which of the class's samples it is; 1 is the usual case.
        topic: What people can stop receiving; empty where they cannot.
        html: Empty where there is no template for it.
    """

    kind: str
    sample: int
    language: str
    topic: str
    subject: str
    text: str
    html: str

    @property
    def name(self) -> str:
        """What a file of it is called, but for its suffix."""
        return f"{self.kind}.{self.language}.{self.sample}"


def previews(kind: str, *, language: str) -> list[Preview]:
    """
    Return each sample of a kind of message in a language.

    Raises:
        LookupError: There is no such kind.
    """
    with translation.override(language):
        samples = message_class(kind).samples()
        return [_preview(message, number, language) for number, message in enumerate(samples, start=1)]


def preview_languages() -> list[str]:
    """Return the languages of the host, the usual one first."""
    usual = settings.LANGUAGE_CODE
    return [usual, *(code for code, _ in settings.LANGUAGES if code != usual)]


def _preview(message: Message, number: int, language: str) -> Preview:
    return Preview(
        kind=message.kind,
        sample=number,
        language=language,
        topic=message.topic,
        subject=message.render_subject(),
        text=message.render_text(),
        html=message.render_html(),
    )
