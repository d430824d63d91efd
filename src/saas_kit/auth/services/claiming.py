"""Giving an account whose address nobody had proved to whoever proves it."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import transaction

from saas_kit.audit.services import record
from saas_kit.auth.services.one_time_tokens import end_tokens
from saas_kit.auth.services.sessions import revoke_sessions
from saas_kit.core import caller

_WAYS_IN = {"allauth.mfa": "mfa.Authenticator", "allauth.socialaccount": "socialaccount.SocialAccount"}


@transaction.atomic
def claim_unverified(user: Any) -> None:
    """
    Make worthless what anybody set up in an account before its address was proved.

    Whoever made it may have been somebody else ("Pre-hijacked accounts", Sudhodanan and Paverd, 2022): its password,
    sessions, links, second factors and providers are no way in any more, and its owner has not signed in yet.
    """
    end_tokens(user)
    revoke_sessions(user, actor=None)
    for app, model in _WAYS_IN.items():
        if apps.is_installed(app):
            apps.get_model(model)._default_manager.filter(user=user).delete()
    user.set_unusable_password()
    user.last_login = None
    user.save(update_fields=["password", "last_login"])
    caller.forget_parts(user)
    record("user.claimed", target=user, actor=None)
