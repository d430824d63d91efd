"""Every write to the outbox: messages are put into it, delivered from it, and followed until they arrive."""

from saas_kit.email.services.delivery import deliver_due, read_message, was_reachable
from saas_kit.email.services.outbox import (
    cancel_message,
    cancel_messages,
    forget_messages,
    forget_organization,
    forget_recipient,
    requeue,
    send,
)
from saas_kit.email.services.retention import forget_mentions
from saas_kit.email.services.suppressions import (
    lift_suppression,
    read_unsubscribe_token,
    suppress,
    topics,
    unsubscribe,
    unsubscribe_token,
)
from saas_kit.email.services.tracking import record_event

__all__ = [
    "cancel_message",
    "cancel_messages",
    "deliver_due",
    "forget_mentions",
    "forget_messages",
    "forget_organization",
    "forget_recipient",
    "lift_suppression",
    "read_message",
    "read_unsubscribe_token",
    "record_event",
    "requeue",
    "send",
    "suppress",
    "topics",
    "unsubscribe",
    "unsubscribe_token",
    "was_reachable",
]
