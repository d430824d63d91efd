"""Signing in by who one is at a provider, and the links between people and who they are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils import timezone

from saas_kit.audit.services import record
from saas_kit.auth import messages, signals
from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.exceptions import (
    AddressInUse,
    EmailTaken,
    EmailUnverified,
    InvalidCredentials,
    LastWayIn,
    LinkedElsewhere,
    NoAddress,
)
from saas_kit.auth.identity import email_field, has_verified_email, users_with_email
from saas_kit.auth.providers import Identity
from saas_kit.auth.services.addresses import ask_for_verification, is_proof_due, mark_verified, may_mail
from saas_kit.auth.services.claiming import claim_unverified
from saas_kit.auth.services.notices import welcome
from saas_kit.auth.services.people import hold_user
from saas_kit.core.addresses import normalize_email
from saas_kit.core.events import send_on_commit
from saas_kit.email.services import send

Register = Callable[[dict[str, Any]], AbstractBaseUser]


def sign_in_with(identity: Identity, *, register: Register) -> AbstractBaseUser:
    """
    Return the person who somebody at a provider is here; a new one where they are nobody yet.

    Who is linked is found by the provider's id of them alone. An address counts only where the provider has verified
    it: it then leads to the one person who has proved it here. An account with the address that nobody has proved is
    theirs from now on, with nothing in it that lets anybody else in.

    The person may still have to prove their address; they are sent a link then.

    Args:
        register: Makes a new person of the arguments of ``create_user()``.

    Raises:
        InvalidCredentials: The person is deactivated.
        NoAddress: A new person needs an address, and the provider tells none.
        AddressInUse: Somebody has the address, and the provider does not say that it is the same person's.
    """
    try:
        with transaction.atomic():
            return _find_or_link(identity, register)
    except (EmailTaken, IntegrityError):
        with transaction.atomic():
            link = _find_link(identity)
            if link is None:
                raise
            return _returning(link, identity)  # of two first sign-ins at once, the other one was faster


@transaction.atomic
def link_identity(user: AbstractBaseUser, identity: Identity, *, actor: AbstractBaseUser | None) -> Any:
    """
    Let somebody sign in by who they are at a provider, and tell them; return the link, the present one where it exists.

    Raises:
        EmailUnverified: The person has not proved their address, and somebody else may have registered with it.
        LinkedElsewhere: It is somebody else's way in.
    """
    if AuthSettings.EMAIL_VERIFICATION != "off" and not has_verified_email(user):
        raise EmailUnverified
    link = _find_link(identity)
    if link is None:
        try:
            with transaction.atomic():
                return _link(hold_user(user), identity, actor=actor, tell=True)
        except IntegrityError as error:
            link = _find_link(identity)
            if link is None:
                raise LinkedElsewhere from error
    if link.user_id != user.pk:
        raise LinkedElsewhere
    return link


@transaction.atomic
def unlink_identity(link: Any, *, actor: AbstractBaseUser | None) -> None:
    """
    Let somebody no longer sign in by who they are at a provider.

    Raises:
        LastWayIn: They have neither a password nor another provider.
    """
    user = hold_user(link.user)
    if not user.has_usable_password() and not _links().filter(user=user).exclude(pk=link.pk).exists():
        raise LastWayIn
    provider, uid = link.provider, link.uid
    link.delete()
    record("social_account.unlinked", target=user, actor=actor, changes={"provider": [provider, None]})
    send_on_commit(
        signals.social_account_unlinked,
        sender=type(link),
        user=user,
        provider=provider,
        uid=uid,
        actor=actor,
    )


def _links() -> Any:
    return apps.get_model("socialaccount", "SocialAccount")._default_manager


def _find_link(identity: Identity) -> Any:
    return _links().select_related("user").filter(provider=identity.provider, uid=identity.uid).first()


def _find_or_link(identity: Identity, register: Register) -> AbstractBaseUser:
    link = _find_link(identity)
    if link is not None:
        return _returning(link, identity)
    if not identity.email:
        raise NoAddress
    owner = _owner_of_address(identity)
    if owner is not None:
        _link(owner, identity, actor=owner, tell=True)
        return owner
    user = register(
        {
            "email": identity.email,
            "password": None,
            "email_verified": identity.email_verified,
            **identity.names,
        }
    )
    _link(user, identity, actor=user, tell=False)
    if not identity.email_verified:
        _ask_for_proof(user, identity.email)
    if not is_proof_due(user):
        welcome(user)
    return user


def _returning(link: Any, identity: Identity) -> AbstractBaseUser:
    user: AbstractBaseUser = link.user
    if not user.is_active:
        raise InvalidCredentials
    known = _links().filter(pk=link.pk).update(extra_data=_facts_of(identity), last_login=timezone.now())
    if not known:  # it was disconnected a moment ago
        raise InvalidCredentials
    if is_proof_due(user):
        _ask_for_proof(user, getattr(user, email_field()))
    return user


def _owner_of_address(identity: Identity) -> AbstractBaseUser | None:
    """
    Return the one person whom an address leads to; None where nobody has it.

    Raises:
        AddressInUse: It leads to somebody, and it is not certain that it is the same person.
        InvalidCredentials: The person is deactivated.
    """
    addresses = apps.get_model("account.EmailAddress")._default_manager
    proofs = addresses.filter(email=identity.email, verified=True)
    keys = {
        *proofs.values_list("user", flat=True),
        *users_with_email(identity.email).values_list("pk", flat=True),
    }
    people = list(
        get_user_model()._base_manager.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk")
    )
    # they may have changed their address before they could be held
    proved = set(proofs.values_list("user", flat=True))
    owners = [each for each in people if each.pk in proved]
    others = [each for each in people if normalize_email(getattr(each, email_field())) == identity.email]
    if not owners and not others:
        return None
    found = owners or others
    if not identity.email_verified or len(found) != 1:
        raise AddressInUse
    [owner] = found
    if not owner.is_active:
        raise InvalidCredentials
    if not owners:
        claim_unverified(owner)
        mark_verified(owner)
        welcome(owner)
    return owner


def _link(user: AbstractBaseUser, identity: Identity, *, actor: AbstractBaseUser | None, tell: bool) -> Any:
    link = _links().create(
        user=user, provider=identity.provider, uid=identity.uid, extra_data=_facts_of(identity)
    )
    record("social_account.linked", target=user, actor=actor, changes={"provider": [None, identity.provider]})
    send_on_commit(
        signals.social_account_linked,
        sender=type(link),
        user=user,
        provider=identity.provider,
        uid=identity.uid,
        actor=actor,
    )
    if tell:
        send(messages.ProviderLinked(provider=identity.provider_name), to=getattr(user, email_field()))
    return link


def _facts_of(identity: Identity) -> dict[str, str]:
    # what helps people to tell their links apart; allauth would keep whatever the provider says
    return {"email": identity.email}


def _ask_for_proof(user: AbstractBaseUser, email: str) -> None:
    if not has_verified_email(user) and may_mail("verify_email", email):
        ask_for_verification(user)
