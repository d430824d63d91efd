"""Making and using one-time tokens."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from saas_kit.auth.exceptions import TokenGone, UnknownToken
from saas_kit.auth.identity import email_field
from saas_kit.auth.models import OneTimeToken, Purpose, has_fingerprint, password_fingerprint
from saas_kit.auth.services.people import hold_user

_BYTES = 32  # of randomness; OWASP ASVS 5.0 11.5.1 wants 128 bits at least


@transaction.atomic
def issue_token(
    purpose: Purpose,
    user: AbstractBaseUser | None,
    *,
    lifetime: timedelta,
    email: str = "",
    dies_with_password: bool = False,
    data: dict[str, Any] | None = None,
) -> str:
    """
    Make a token, the only place where its secret can be had; somebody's older ones for the purpose are over.

    Args:
        email: The address that it is about.
        dies_with_password: Whether it is of no use once the person has another password.
        data: What has to be remembered until it is used, as JSON.
    """
    if user is not None:
        end_tokens(user, purpose)
    secret = secrets.token_urlsafe(_BYTES)
    OneTimeToken.objects.create(
        purpose=purpose,
        user=user,
        token_hash=_hash(secret),
        email=email,
        password_fingerprint=password_fingerprint(user) if user and dies_with_password else "",
        expires_at=timezone.now() + lifetime,
        data=data or {},
    )
    return secret


@sensitive_variables("secret")
def find_token(purpose: Purpose, secret: str) -> OneTimeToken:
    """
    Return a token that is good, and hold its person and it until the transaction ends; ``use_token()`` ends it.

    Raises:
        UnknownToken: There is no such token for the purpose.
        TokenGone: It was used or replaced, has expired, or its person is no longer active.
    """
    tokens = OneTimeToken.objects.filter(token_hash=_hash(secret), purpose=purpose)
    found = tokens.first()
    if found is None:
        raise UnknownToken
    # the person before their tokens, in the order in which everything else holds them
    user: Any = hold_user(found.user) if found.user_id is not None else None
    token = tokens.select_for_update(of=("self",), no_key=True).first()
    if token is None:
        raise UnknownToken
    token.user = user
    if token.ended_at is not None or token.expires_at <= timezone.now():
        raise TokenGone
    if user is not None and not user.is_active:
        raise TokenGone
    if token.password_fingerprint and not has_fingerprint(user, token.password_fingerprint):
        raise TokenGone
    return token


def use_token(token: OneTimeToken) -> None:
    """End a token that did what it is for."""
    token.ended_at = timezone.now()
    token.save(update_fields=["ended_at"])


def end_tokens(user: AbstractBaseUser, *purposes: Purpose) -> None:
    """End somebody's tokens for some purposes, or for all where none is named."""
    tokens = OneTimeToken.objects.filter(user=user, ended_at__isnull=True)
    if purposes:
        tokens = tokens.filter(purpose__in=purposes)
    tokens.update(ended_at=timezone.now())


def is_about_present_address(token: OneTimeToken) -> bool:
    """Tell whether the address that a token is about is still its person's."""
    return token.user is not None and getattr(token.user, email_field()) == token.email


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
