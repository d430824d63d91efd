"""What sign-in does when Django, or allauth, tells of something."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver

from saas_kit.auth.services.erasure import cancel_erasure


@receiver(user_logged_in, dispatch_uid="saas_kit.auth.keep_account")
def keep_account(*, user: Any, **kwargs: object) -> None:
    """Let whoever signs in, by whatever door, keep an account that was to be erased."""
    cancel_erasure(user, actor=user)
