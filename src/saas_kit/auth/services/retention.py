"""Removing what is no longer of use, in batches, each a transaction of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.identity import registered_at_field
from saas_kit.auth.models import OneTimeToken, Session
from saas_kit.auth.services.erasure import erase_user

TOKEN_RETENTION = timedelta(days=7)


def old_sessions() -> QuerySet[Session]:
    """Return the sessions that ended or expired longer ago than ``SESSION_RETENTION``."""
    before = timezone.now() - AuthSettings.SESSION_RETENTION
    return Session.objects.filter(Q(revoked_at__lt=before) | Q(expires_at__lt=before))


def old_tokens() -> QuerySet[OneTimeToken]:
    """Return the one-time tokens that expired more than a week ago."""
    return OneTimeToken.objects.filter(expires_at__lt=timezone.now() - TOKEN_RETENTION)


def people_due() -> QuerySet[Any]:
    """Return the people whose erasure is due."""
    people: QuerySet[Any] = get_user_model()._base_manager.all()
    return people.filter(saas_kit_erasure__due_at__lte=timezone.now())


def people_unverified() -> QuerySet[Any]:
    """
    Return the people who registered longer ago than ``UNVERIFIED_RETENTION`` and did nothing since.

    They have a password and no address that they proved, never signed in, and no link that they were sent is still
    good. There are none where the setting is None, where addresses need not be proved, or where the user model does
    not know since when they exist.
    """
    people: QuerySet[Any] = get_user_model()._base_manager.all()
    retention = AuthSettings.UNVERIFIED_RETENTION
    since = registered_at_field()
    if retention is None or since is None or AuthSettings.EMAIL_VERIFICATION != "mandatory":
        return people.none()
    registered = people.filter(**{f"{since}__lt": timezone.now() - retention})
    asleep = registered.filter(is_active=True, last_login=None, saas_kit_sessions=None)
    # who was given an account by somebody else has no password yet, and is waited for
    own = asleep.exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)
    links = OneTimeToken.objects.filter(user=OuterRef("pk"), ended_at=None, expires_at__gt=timezone.now())
    return own.exclude(emailaddress__verified=True).exclude(Exists(links))


def keys_of(people: QuerySet[Any], *, batch_size: int) -> Iterator[Any]:
    """Yield the keys of people, as they are when their turn comes."""
    last: Any = None
    while True:
        left = people if last is None else people.filter(pk__gt=last)
        keys = list(left.order_by("pk").values_list("pk", flat=True)[:batch_size])
        if not keys:
            return
        yield from keys
        last = keys[-1]


@transaction.atomic
def erase_if_still(people: QuerySet[Any], key: Any) -> AbstractBaseUser | None:
    """
    Erase one of some people, unless they are none of them any more or somebody else is at it.

    Args:
        people: Is asked once more while the person is held, so that whoever signs in meanwhile either is refused or
            keeps their account.

    Raises:
        Conflict: A step refused, and nothing was done.
    """
    held = get_user_model()._base_manager.select_for_update(no_key=True, skip_locked=True)
    person: Any = held.filter(pk=key).first()
    if person is None or not people.filter(pk=key).exists():
        return None
    erase_user(person, actor=None)
    return person  # type: ignore[no-any-return]
