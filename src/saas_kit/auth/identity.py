"""What the kit knows of a person, whatever the host's user model is."""

from __future__ import annotations

from typing import Any

from allauth.mfa import app_settings
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import OuterRef, QuerySet

from saas_kit.auth.models import AbstractEmailUser
from saas_kit.core import caller
from saas_kit.core.addresses import normalize_email

VERIFIED_EMAILS_PART = "verified_emails"
AUTHENTICATORS_PART = "authenticators"

SECOND_FACTORS = ("totp", "webauthn")


def email_field() -> str:
    """Return the name of the user model's field for the e-mail address."""
    return get_user_model().get_email_field_name()


def username_field() -> str | None:
    """Return the name of the field that people can also sign in with; None where it is the address."""
    name = get_user_model().USERNAME_FIELD
    return None if name == email_field() else name


def has_field(name: str) -> bool:
    """Tell whether the user model has a field."""
    return any(field.name == name for field in get_user_model()._meta.concrete_fields)


def registered_at_field() -> str | None:
    """Return the name of the field that tells since when somebody has an account; None where none does."""
    return next((name for name in ("created_at", "date_joined") if has_field(name)), None)


def users_with_email(email: str) -> QuerySet[Any]:
    """Return the people who have an address, in any case of letters: one at most, unless the host has it twice."""
    model: type[Any] = get_user_model()
    lookup = "exact" if issubclass(model, AbstractEmailUser) else "iexact"
    people: QuerySet[Any] = model._default_manager.filter(
        **{f"{email_field()}__{lookup}": normalize_email(email)}
    )
    return people


def find_user(email: str | None, username: str | None) -> Any:
    """
    Return the one who signs in with an address or, where the user model has one, a username; None where nobody does.

    Several who share an address cannot be told apart by it, so it is nobody's.
    """
    model: type[Any] = get_user_model()
    if username and not email and username_field() is not None:
        try:
            return model._default_manager.get_by_natural_key(username)
        except model.DoesNotExist:
            return None
    found = list(caller.annotate_parts(users_with_email(email or username or ""))[:2])
    if len(found) != 1:
        return None
    caller.take_parts(found[0], found[0])
    return found[0]


def has_verified_email(user: AbstractBaseUser) -> bool:
    """Tell whether a person proved that their present address is theirs."""
    return normalize_email(getattr(user, email_field()) or "") in proved_addresses(user)


def proved_addresses(user: AbstractBaseUser) -> frozenset[str]:
    """Return the addresses, normalized, of which a person proved that they are theirs."""
    return frozenset(address for (address,) in caller.get_part(user, VERIFIED_EMAILS_PART))


def has_mfa(user: AbstractBaseUser) -> bool:
    """Tell whether a person has a second factor; recovery codes alone are none, they are for when one is lost."""
    return any(method in SECOND_FACTORS for method in mfa_methods(user))


def mfa_methods(user: AbstractBaseUser) -> list[str]:
    """Return the kinds of what a person can finish a sign-in with; without ``allauth.mfa`` nobody has any."""
    if not apps.is_installed("allauth.mfa"):
        return []
    return sorted({method for (method,) in caller.get_part(user, AUTHENTICATORS_PART)})


def offers_passkeys() -> bool:
    """Tell whether people of this host can have passkeys."""
    return apps.is_installed("allauth.mfa") and "webauthn" in app_settings.SUPPORTED_TYPES


def offers_passkey_sign_in() -> bool:
    """Tell whether a passkey can take the place of the password."""
    return offers_passkeys() and app_settings.PASSKEY_LOGIN_ENABLED


def register_caller_parts() -> None:
    """Let the statement that loads a caller load these facts too."""

    def verified_emails(user: OuterRef) -> caller.JSONRows:
        addresses = apps.get_model("account.EmailAddress")._base_manager
        return caller.JSONRows(addresses.filter(user=user, verified=True), "email")

    def authenticators(user: OuterRef) -> caller.JSONRows:
        model = apps.get_model("mfa", "Authenticator")
        return caller.JSONRows(model._base_manager.filter(user=user), "type")

    if apps.is_installed("allauth.account"):
        address = apps.get_model("account.EmailAddress")
        caller.register_part(VERIFIED_EMAILS_PART, verified_emails, reads={address: ("user",)})
    if apps.is_installed("allauth.mfa"):
        authenticator = apps.get_model("mfa", "Authenticator")
        caller.register_part(AUTHENTICATORS_PART, authenticators, reads={authenticator: ("user",)})
