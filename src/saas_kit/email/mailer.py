"""The server, or the provider, that mail is given to: Django's default mailer, kept open over several messages."""

from __future__ import annotations

import email.policy
import re
import smtplib
from contextlib import suppress
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.policy import Policy
from typing import Any, Self

import django
from django.core import mail
from django.core.mail import EmailMultiAlternatives

from saas_kit.email.providers import (
    API_ERRORS,
    REFUSALS,
    Label,
    has_to_wait,
    is_fault_of_message,
    label_message,
    read_answer,
    was_taken_before,
)

_FIRST_PERMANENT = 500  # RFC 5321, section 4.2.1
_OF_THE_ACCOUNT = {530, 534, 535, 538}  # RFC 4954, section 6
# What a code says where nothing says more (RFC 5321, sections 4.2.2 and 4.3.2): of the mailbox, and of the content.
# 552 of a recipient is to be taken for 452 (section 4.5.3.1.10); 550 after the content is for policy.
_FINAL_FOR_RECIPIENT = {550, 551, 553}
_FINAL_FOR_CONTENT = {552, 554}
_ENHANCED_CODE = re.compile(rb"([245])\.(\d{1,3})\.(\d{1,3})\b")
# RFC 3463, and what IANA has registered since. Numbers that are not registered have other meanings, such as 5.1.90 of
# Exchange for a limit of the sender; 5.1.7 and 5.1.8 are about the sender's address.
_FINAL_DETAILS = {
    b"1": {b"0", b"1", b"2", b"3", b"4", b"6", b"9", b"10"},
    b"2": {b"1", b"2"},
}
_NOTHING_MORE, _CONTENT = b"0", b"6"


class _LinkHeader(UnstructuredHeader):
    """A header that stays on one line, where a longer one would be encoded so that mail clients find no link in it."""

    def fold(self: Any, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


_headers: Any = HeaderRegistry()
_headers.map_to_type("list-unsubscribe", _LinkHeader)


class Mail(EmailMultiAlternatives):
    """A message as it is given to a server."""

    def message(self, **options: Any) -> Any:
        """Return it in the form in which it is sent; its link to unsubscribe is whole with every Django."""
        if django.VERSION >= (6, 0):  # Python's newer form of messages, which encodes what it cannot fold
            policy = options.get("policy", email.policy.default)
            options["policy"] = policy.clone(header_factory=_headers)
        return super().message(**options)


class Mailer:
    """
    Sends messages over one connection, which is made anew after an error.

    Attributes:
        is_reachable: Whether the server could be reached, and did not ask to wait, the last time that it was tried.
    """

    def __init__(self) -> None:
        self.is_reachable = True
        self._backend: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._close()

    def send(self, message: EmailMultiAlternatives, label: Label | None = None) -> str:
        """
        Send a message, and return what the provider calls it; empty where it does not say.

        Args:
            label: What a provider is told so that it knows the message; a server is not told.
        """
        self.is_reachable = self._backend is not None
        try:
            if self._backend is None:
                self._backend = _default_backend()
                self._backend.open()
                self.is_reachable = True
            if label is not None:
                label_message(message, self._backend, label)
            self._backend.send_messages([message])
            return read_answer(message)
        except Exception as error:
            if was_taken_before(error):
                return ""
            self._close()
            if _is_of_no_use_now(error):
                self.is_reachable = False
            raise

    def _close(self) -> None:
        backend, self._backend = self._backend, None
        if backend is not None:
            with suppress(Exception):  # there is nothing left to say to it
                backend.close()


def is_permanent(error: Exception) -> bool:
    """
    Tell whether a message was refused for what it is, so that trying again is of no use.

    What is wrong with the sender, the credentials, the relay, the rate or the templates is not of the message, and may
    be mended. A server tells it apart by its enhanced status code (RFC 3463).
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(_is_final(*answer, _FINAL_FOR_RECIPIENT) for answer in error.recipients.values())
    if isinstance(error, smtplib.SMTPDataError):
        return _is_final(error.smtp_code, error.smtp_error, _FINAL_FOR_CONTENT)
    if isinstance(error, API_ERRORS):
        return is_fault_of_message(error)
    return isinstance(error, (ValueError, *REFUSALS))  # the former is a header that no message can have


def timeout_of_mailer() -> float | None:
    """Return for how many seconds the default mailer waits for its server; None where it waits for ever."""
    mailer = _default_backend()
    timeout: float | None = getattr(mailer, "timeout", 0)  # what has none has no server
    return timeout


def _is_final(code: int, text: bytes | str, final_codes: set[int]) -> bool:
    """Tell whether an answer is about the address or the content, by its enhanced code, or else by its code."""
    if code < _FIRST_PERMANENT or code in _OF_THE_ACCOUNT:
        return False
    found = _ENHANCED_CODE.match(text if isinstance(text, bytes) else text.encode(errors="replace"))
    if found is None:
        return code in final_codes
    kind, subject, detail = found.groups()
    if kind != b"5":
        return False
    if subject == _NOTHING_MORE:
        return code in final_codes
    return subject == _CONTENT or detail in _FINAL_DETAILS.get(subject, ())


def _is_of_no_use_now(error: Exception) -> bool:
    if isinstance(error, API_ERRORS):
        return has_to_wait(error)
    if isinstance(error, smtplib.SMTPException):  # what a server said, or that it said nothing in time
        return isinstance(error.__context__, TimeoutError)
    return isinstance(error, OSError)


def _default_backend() -> Any:
    # Django 6.1 has named mailers, and its function for the default one warns
    mailers = getattr(mail, "mailers", None)
    return mail.get_connection() if mailers is None else mailers.default
