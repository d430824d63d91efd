"""Telling others what happened, once it is certain."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import models, transaction
from django.dispatch import Signal

from saas_kit.core import context
from saas_kit.core.context import Scope


def send_on_commit(signal: Signal, *, sender: type[models.Model], **arguments: Any) -> None:
    """
    Send a signal after the transaction commits; what a receiver raises is logged and stops nobody.

    Receivers run in the scope of the line that called this.
    """
    transaction.on_commit(partial(_send, context.scope.get(), signal, sender, arguments))


def _send(scope: Scope | None, signal: Signal, sender: type[models.Model], arguments: dict[str, Any]) -> None:
    token = context.scope.set(scope)
    try:
        signal.send_robust(sender, **arguments)
    finally:
        context.scope.reset(token)
