"""Sending messages."""

from __future__ import annotations

import logging
from functools import partial

from django.core.mail import EmailMessage
from django.db import transaction

from saas_kit.email.messages import Message

logger = logging.getLogger("saas_kit.email")


def send(message: Message, *, to: str) -> None:
    """
    Send a message to one address once the transaction commits; after a rollback nothing is sent.

    It is written now, in the language that is active now. That it could not be delivered is logged and stops nobody.
    """
    mail = EmailMessage(message.render_subject(), message.render_text(), to=[to])
    transaction.on_commit(partial(_deliver, mail, message.template))


def _deliver(mail: EmailMessage, template: str) -> None:
    try:
        mail.send()
    except Exception:
        logger.exception("A message could not be delivered: %s", template)
