"""Telling others what happened, once it is certain."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import models, transaction
from django.dispatch import Signal


def send_on_commit(signal: Signal, *, sender: type[models.Model], **arguments: Any) -> None:
    """Send a signal after the transaction commits; what a receiver raises is logged and stops nobody."""
    transaction.on_commit(partial(signal.send_robust, sender, **arguments))
