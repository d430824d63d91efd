from __future__ import annotations

from argparse import ArgumentParser
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email

from saas_kit.email.mailer import Mailer
from saas_kit.email.messages import message_kinds
from saas_kit.email.previews import Preview, preview_languages, previews


class Command(BaseCommand):
    help = (
        "Show what the messages look like, each with its sample values: list them, print one, write files to open in a "
        "browser, or send one to see it in a mail client. Nothing is written to the outbox."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "kind",
            nargs="?",
            metavar="KIND",
            help="the message, such as saas_kit_auth.verify_email; all if left out",
        )
        parser.add_argument(
            "--language", default=settings.LANGUAGE_CODE, metavar="CODE", help="the language, such as de"
        )
        parser.add_argument(
            "--sample",
            type=int,
            metavar="N",
            help="which of the samples of the message; the first is the usual case",
        )
        parser.add_argument("--format", choices=("text", "html"), help="print, or write, only this")
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--output", type=Path, metavar="DIR", help="write files there instead of printing")
        where.add_argument("--to", metavar="ADDRESS", help="send the message to this address")

    def handle(
        self,
        *,
        kind: str | None,
        language: str,
        sample: int | None,
        format: str | None,  # noqa: A002 - the option's name
        output: Path | None,
        to: str | None,
        **options: Any,
    ) -> None:
        if language not in preview_languages():
            raise CommandError(f"{language!r} is none of the languages in LANGUAGES.")
        kinds = message_kinds() if kind is None else [_known(kind)]
        found = [each for name in kinds for each in previews(name, language=language)]
        if sample is not None:
            found = [each for each in found if each.number == sample]
            if not found:
                raise CommandError(f"There is no sample {sample} of {kind or 'any message'}.")

        if output is not None:
            self._write(found, output, format)
        elif to is not None:
            if kind is None:
                raise CommandError("Say which message to send: one KIND, as this command lists them.")
            self._send(found[0], to)
        elif kind is None:
            self._list(found)
        else:
            self._print(found[0], format)

    def _list(self, found: list[Preview]) -> None:
        width = max((len(each.kind) for each in found), default=0)
        for each in found:
            if each.number == 1:
                self.stdout.write(f"{each.kind:<{width}}  {each.subject}")

    def _print(self, preview: Preview, format: str | None) -> None:  # noqa: A002 - the option's name
        if format == "html":
            self.stdout.write(_html(preview))
            return
        if format is None:
            self.stdout.write(f"{preview.subject}\n{'=' * len(preview.subject)}\n")
        self.stdout.write(preview.text)

    def _write(self, found: list[Preview], output: Path, format: str | None) -> None:  # noqa: A002 - see above
        output.mkdir(parents=True, exist_ok=True)
        for each in found:
            if format != "html":
                (output / f"{each.name}.txt").write_text(f"{each.subject}\n\n{each.text}", encoding="utf-8")
            if format != "text" and each.html:
                (output / f"{each.name}.html").write_text(each.html, encoding="utf-8")
        self.stdout.write(f"{len(found)} message{'' if len(found) == 1 else 's'} written to {output}.")

    def _send(self, preview: Preview, to: str) -> None:
        try:
            validate_email(to)
        except ValidationError as error:
            raise CommandError(f"{to!r} is no e-mail address.") from error
        message = EmailMultiAlternatives(preview.subject, preview.text, to=[to])
        if preview.html:
            message.attach_alternative(preview.html, "text/html")
        try:
            with Mailer() as mailer:
                mailer.send(message)
        except Exception as error:
            raise CommandError(f"It could not be sent: {type(error).__name__}: {error}") from error
        self.stdout.write(f"{preview.kind} was sent to {to}.")


def _known(kind: str) -> str:
    kinds = message_kinds()
    if kind in kinds:
        return kind
    # people remember the name, and not always whose it is
    close = [each for each in kinds if each.partition(".")[2] == kind] or get_close_matches(kind, kinds, n=1)
    hint = f"Did you mean {close[0]}?" if close else "Call this command without a KIND for a list of all."
    raise CommandError(f"There is no message {kind!r}. {hint}")


def _html(preview: Preview) -> str:
    if not preview.html:
        raise CommandError(f"{preview.kind} has no HTML.")
    return preview.html
