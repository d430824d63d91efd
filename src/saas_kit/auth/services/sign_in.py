"""Proving by a password who one is."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from saas_kit.auth import limits
from saas_kit.auth.exceptions import AddressUnproved, InvalidCredentials
from saas_kit.auth.identity import find_user, username_field, users_with_email
from saas_kit.auth.models import Session
from saas_kit.auth.services.addresses import is_proof_due
from saas_kit.core.addresses import normalize_email
from saas_kit.core.exceptions import RateLimited
from saas_kit.ratelimit import network_of

_SESSIONS_LOOKED_AT = 100  # the latest of a person


@sensitive_variables("credentials")
def check_credentials(
    request: HttpRequest | None, *, needs_proof: bool = True, **credentials: Any
) -> AbstractBaseUser:
    """
    Return the person whom ``email`` (or ``username``) and ``password`` are of.

    Attempts are limited for an account from one network, for an account from everywhere, and for a network. An account
    is never locked for a network that its person has signed in from, so that nobody can lock somebody else out.

    Args:
        needs_proof: Whether an address that has to be proved counts only then.

    Raises:
        InvalidCredentials: Nobody can sign in with these.
        AddressUnproved: They are right, and the address is still to be proved.
        RateLimited: There were too many attempts.
        Unavailable: Attempts cannot be counted right now.
    """
    network = limits.network()
    limits.count("login_network", network)
    account, people = _account_of(credentials.get("email"), credentials.get("username"))
    limits.count("login", account, network)
    limits.count("login_slow", account, network)
    try:
        limits.count("login_account", account)
    except RateLimited:
        if not _have_signed_in_from(network, people):
            raise
    user = authenticate(request, **credentials)
    if user is None:
        raise InvalidCredentials
    if needs_proof and is_proof_due(user):
        raise AddressUnproved(user)
    limits.take_back("login_network", network)
    limits.take_back("login", account, network)
    limits.take_back("login_slow", account, network)
    limits.take_back("login_account", account)
    return user


def _account_of(email: str | None, username: str | None) -> tuple[str, QuerySet[Any]]:
    """Return under which name attempts are counted, and whose it is; that costs no statement without usernames."""
    text = email or username or ""
    field = username_field()
    if field is None:
        return normalize_email(text), users_with_email(text)
    # the address and the username of a person are one account; another case of letters that is nobody's is the same
    user = find_user(email, username)
    name = text if user is None else user.get_username()
    return normalize_email(name), get_user_model()._default_manager.filter(**{field: name})


def _have_signed_in_from(network: str, people: QuerySet[Any]) -> bool:
    if not network:
        return False
    sessions = Session.objects.filter(user__in=people).order_by("-id")
    addresses = sessions.values_list("ip_address", flat=True)[:_SESSIONS_LOOKED_AT]
    return network_of(network) in {network_of(address) for address in addresses if address}
