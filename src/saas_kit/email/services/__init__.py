"""Every write to the outbox: messages are put into it, delivered from it, and followed until they arrive."""

from saas_kit.email.services.delivery import deliver_due, read_message
from saas_kit.email.services.outbox import (
    cancel_message,
    cancel_messages,
    forget_organization,
    forget_recipient,
    requeue,
    send,
)

__all__ = [
    "cancel_message",
    "cancel_messages",
    "deliver_due",
    "forget_organization",
    "forget_recipient",
    "read_message",
    "requeue",
    "send",
]
