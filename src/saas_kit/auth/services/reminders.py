"""Reminding people who registered of the proof of their address that they did not bring yet."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone, translation

from saas_kit.auth import messages
from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.identity import has_verified_email
from saas_kit.auth.links import token_link
from saas_kit.auth.models import OneTimeToken, Purpose
from saas_kit.auth.services.addresses import may_mail
from saas_kit.auth.services.one_time_tokens import is_about_present_address, issue_token
from saas_kit.auth.services.people import hold_user
from saas_kit.email.models import OutboxMessage
from saas_kit.email.services import send

logger = logging.getLogger("saas_kit.auth")

LATEST = timedelta(days=2)
"""How much later than it is due a reminder is still sent; people are not reminded of what is long past."""

_CAUSE = "registration"


def links_unused() -> QuerySet[OneTimeToken]:
    """
    Return the links to prove an address whose people are to be reminded.

    An address is reminded once, however often somebody registers with it: whoever has it may never have asked for
    anything.
    """
    after, now = AuthSettings.VERIFY_EMAIL_REMINDER, timezone.now()
    if not after or AuthSettings.EMAIL_VERIFICATION == "off":
        return OneTimeToken.objects.none()
    reminded = OutboxMessage.objects.filter(
        kind=messages.VerifyEmailReminder.kind, recipient=OuterRef("email"), cause=_CAUSE
    )
    return OneTimeToken.objects.filter(
        ~Exists(reminded),
        purpose=Purpose.VERIFY_EMAIL,
        ended_at=None,
        created_at__lte=now - after,
        created_at__gt=now - after - LATEST,
        user__is_active=True,
        user__saas_kit_erasure=None,
    )


def remind_unverified(*, batch_size: int = 100) -> int:
    """
    Remind people who registered, and did not prove their address, by another link; return how many.

    The link before is over. Who has been sent too many messages waits. What goes wrong with one person is logged and
    stops no other.
    """
    reminded, last = 0, None
    while True:
        left = links_unused() if last is None else links_unused().filter(pk__gt=last)
        links = list(left.order_by("pk").values_list("pk", "user")[:batch_size])
        if not links:
            return reminded
        for key, user_key in links:
            try:
                reminded += _remind(key)
            except Exception:
                logger.exception("Person %s could not be reminded to prove their address.", user_key)
        last = links[-1][0]


@transaction.atomic
def _remind(key: Any) -> bool:
    link = OneTimeToken.objects.select_related("user").filter(pk=key).first()
    if link is None or link.user is None:
        return False
    user: Any = hold_user(link.user)
    link = links_unused().filter(pk=key).first()  # it may have been used since the keys were read
    if link is None or has_verified_email(user):
        return False
    link.user = user
    if not is_about_present_address(link) or not may_mail("verify_email", link.email):
        return False
    token = issue_token(
        Purpose.VERIFY_EMAIL, user, lifetime=AuthSettings.VERIFY_EMAIL_LIFETIME, email=link.email
    )
    message = messages.VerifyEmailReminder(token=token, link=token_link("verify_email", token))
    with translation.override(_language_of(link.email)):
        send(message, to=link.email, cause=_CAUSE)
    return True


def _language_of(email: str) -> str:
    """Return the language in which somebody was written to last."""
    written = OutboxMessage.objects.filter(recipient=email).order_by("-id")
    return written.values_list("language", flat=True).first() or settings.LANGUAGE_CODE
