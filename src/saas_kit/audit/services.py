"""Adding to the audit log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.validators import validate_ipv46_address
from django.db import models

from saas_kit.audit.models import Event
from saas_kit.core import context


def record(
    action: str,
    *,
    target: models.Model,
    actor: AbstractBaseUser | None,
    organization_id: UUID | None = None,
    account_id: UUID | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Event:
    """
    Add one event, in the transaction of the change that it tells of.

    Args:
        action: A past-tense fact, ``noun.verb``: ``member.role_changed``.
        target: The object that it happened to.
        actor: Who did it; None is the system.
        organization_id: Where it happened; read off the target where it is left out.
        account_id: The customer that it concerns; read off the target where it is left out.
        changes: What changed, as JSON: usually ``{field: [before, after]}``. Never a secret.
    """
    event = _event(
        action,
        target=target,
        actor=actor,
        organization_id=organization_id,
        account_id=account_id,
        changes=changes,
    )
    event.save(force_insert=True)
    return event


def record_each(
    action: str, targets: Iterable[models.Model], *, actor: AbstractBaseUser | None
) -> list[Event]:
    """Add an event for each of some objects that the same happened to, as ``record()`` does, in one statement."""
    return Event.objects.bulk_create([_event(action, target=each, actor=actor) for each in targets])


def _event(
    action: str,
    *,
    target: models.Model,
    actor: AbstractBaseUser | None,
    organization_id: UUID | None = None,
    account_id: UUID | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Event:
    return Event(
        action=action,
        actor=actor if actor is not None and actor.pk is not None else None,
        actor_label="" if actor is None else actor.get_username()[:254],
        account_id=account_id or getattr(target, "account_id", None),
        organization_id=organization_id or getattr(target, "organization_id", None),
        target_type=target._meta.label_lower,
        target_id=str(target.pk),
        target_label=str(target)[:254],
        changes=dict(changes or {}),
        staff_access=context.staff_access.get(),
        ip_address=_ip_address(),
        request_id=context.request_id.get() or "",
    )


def _ip_address() -> str | None:
    # behind a Unix socket REMOTE_ADDR is empty or a name
    address = context.ip_address.get()
    try:
        validate_ipv46_address(address or "")
    except ValidationError:
        return None
    return address
