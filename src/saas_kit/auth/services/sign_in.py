"""Proving by a password who one is."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from saas_kit.auth import limits
from saas_kit.auth.addresses import normalize_email
from saas_kit.auth.exceptions import InvalidCredentials
from saas_kit.auth.identity import email_field, users_with_email
from saas_kit.auth.models import Session
from saas_kit.auth.services.addresses import ask_for_verification, is_proof_due, may_mail
from saas_kit.core.exceptions import RateLimited


@sensitive_variables("credentials")
def check_credentials(request: HttpRequest | None, **credentials: Any) -> AbstractBaseUser:
    """
    Return the person whom ``email`` (or ``username``) and ``password`` are of.

    Attempts are limited for an account from one network, for an account from everywhere, and for a network. An account
    is never locked for a network that its person has signed in from, so that nobody can lock somebody else out.

    Raises:
        InvalidCredentials: Nobody can sign in with these. Who has not proved their address is sent a link to.
        RateLimited: There were too many attempts.
        Unavailable: Attempts cannot be counted right now.
    """
    account = normalize_email(credentials.get("email") or credentials.get("username") or "")
    network = limits.network()
    limits.count("login_network", network)
    limits.count("login", account, network)
    limits.count("login_slow", account, network)
    try:
        limits.count("login_account", account)
    except RateLimited:
        if not _has_signed_in_from(account, network):
            raise
    user = authenticate(request, **credentials)
    if user is None:
        raise InvalidCredentials
    if is_proof_due(user):
        email = getattr(user, email_field())
        if may_mail("verify_email", email):
            ask_for_verification(user)
        raise InvalidCredentials
    limits.take_back("login_network", network)
    limits.take_back("login", account, network)
    limits.take_back("login_slow", account, network)
    limits.take_back("login_account", account)
    return user


def _has_signed_in_from(account: str, network: str) -> bool:
    sessions = Session.objects.filter(user__in=users_with_email(account), ip_address=network or None)
    return bool(network) and sessions.exists()
