"""System checks of the messages that a host puts in place of the kit's."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from saas_kit.email.conf import EmailSettings
from saas_kit.email.messages import Message, message_kinds, original_class


def check_messages(**kwargs: object) -> list[CheckMessage]:
    """E002, E003, E004: a message that cannot be made of what it is sent with is not sent."""
    replaced: Any = EmailSettings.MESSAGES
    if not isinstance(replaced, dict):  # E001 reports anything else
        return []
    return [message for kind, path in replaced.items() for message in _check(kind, path)]


def _check(kind: Any, path: Any) -> list[CheckMessage]:
    if kind not in message_kinds():
        return [
            Error(
                f"SAAS_KIT_EMAIL_MESSAGES replaces {kind!r}, which is no message.",
                hint="Call manage.py saas_kit_preview_mail for the names of all.",
                id="saas_kit_email.E003",
            )
        ]
    try:
        cls = import_string(path)
    except (ImportError, AttributeError, TypeError):
        cls = None
    if not (isinstance(cls, type) and issubclass(cls, Message)):
        return [
            Error(
                f"SAAS_KIT_EMAIL_MESSAGES names {path!r} for {kind}, which is no class of a message.",
                hint="Name a class that derives from the one that it replaces, as in "
                '{"saas_kit_auth.verify_email": "accounts.messages.VerifyEmail"}.',
                id="saas_kit_email.E002",
            )
        ]
    given = {each.name for each in fields(original_class(kind))}
    missing = [
        each.name
        for each in fields(cls)
        if each.name not in given and each.default is MISSING and each.default_factory is MISSING
    ]
    if cls.kind == kind and not missing:
        return []
    wrong = f"has no value for {', '.join(missing)}" if missing else f"calls itself {cls.kind}"
    return [
        Error(
            f"{path} cannot take the place of {kind}: it {wrong}.",
            hint="Derive it from the class that it replaces, keep its kind, and give fields of your own a default.",
            id="saas_kit_email.E004",
        )
    ]


ALL = (check_messages,)
