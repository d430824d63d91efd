"""What sign-in writes to people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Self

from django.utils.translation import gettext_lazy as _

from saas_kit.email.messages import Message, secret


@dataclass(frozen=True, kw_only=True)
class TokenMessage(Message):
    """
    A message with a one-time token.

    Attributes:
        token: The secret, for people without a front end to type or paste.
        link: Where it leads; empty where no front end is configured.
    """

    token: str = secret()
    link: str = secret()

    is_limited: ClassVar = False

    @classmethod
    def samples(cls) -> list[Self]:
        token = "sample-of-a-token"  # noqa: S105 - nobody has it
        return [cls(token=token, link=f"https://app.example.com/#token={token}"), cls(token=token, link="")]


@dataclass(frozen=True, kw_only=True)
class SecurityNotice(Message):
    """
    Tells somebody of what was done with their account, whoever did it.

    It never waits for other messages to the same address, as others can cause those. What causes a notice is rare, or
    limited where it is done.
    """

    is_limited: ClassVar = False


@dataclass(frozen=True, kw_only=True)
class VerifyEmail(TokenMessage):
    """Asks for the proof that an address is somebody's."""

    kind: ClassVar = "saas_kit_auth.verify_email"
    subject: ClassVar = _("Confirm your address for {product}")


@dataclass(frozen=True, kw_only=True)
class VerifyEmailReminder(TokenMessage):
    """Asks once more for the proof that an address is somebody's."""

    kind: ClassVar = "saas_kit_auth.verify_email_reminder"
    subject: ClassVar = _("Your address for {product} is not confirmed yet")


@dataclass(frozen=True, kw_only=True)
class ExistingAccount(SecurityNotice):
    """Tells somebody that their address was used to register, although they have an account."""

    kind: ClassVar = "saas_kit_auth.existing_account"
    subject: ClassVar = _("You have an account at {product} already")


@dataclass(frozen=True, kw_only=True)
class ResetPassword(TokenMessage):
    """Lets somebody set another password."""

    kind: ClassVar = "saas_kit_auth.reset_password"
    subject: ClassVar = _("Set a new password for {product}")


@dataclass(frozen=True, kw_only=True)
class SetPassword(TokenMessage):
    """Lets somebody whom another person gave an account set their first password."""

    kind: ClassVar = "saas_kit_auth.set_password"
    subject: ClassVar = _("You have an account at {product}")


@dataclass(frozen=True, kw_only=True)
class PasswordChanged(SecurityNotice):
    """Tells somebody that their password is another now."""

    kind: ClassVar = "saas_kit_auth.password_changed"
    subject: ClassVar = _("Your password for {product} was changed")


@dataclass(frozen=True, kw_only=True)
class ConfirmNewEmail(TokenMessage):
    """Asks, at a new address, for its confirmation."""

    kind: ClassVar = "saas_kit_auth.confirm_new_email"
    subject: ClassVar = _("Confirm your new address for {product}")


@dataclass(frozen=True, kw_only=True)
class EmailChanged(SecurityNotice):
    """
    Tells somebody, at their old address, that another one took its place.

    Attributes:
        new_email: The new address.
    """

    new_email: str

    kind: ClassVar = "saas_kit_auth.email_changed"
    subject: ClassVar = _("Your address for {product} was changed")

    @classmethod
    def samples(cls) -> list[Self]:
        return [cls(new_email="ada@example.org")]


@dataclass(frozen=True, kw_only=True)
class AccountDeletion(SecurityNotice):
    """
    Tells somebody that their account will be deleted, and how they can keep it.

    Attributes:
        due_at: When it will be.
    """

    due_at: datetime

    kind: ClassVar = "saas_kit_auth.account_deletion"
    subject: ClassVar = _("Your account at {product} will be deleted")


@dataclass(frozen=True, kw_only=True)
class AccountKept(SecurityNotice):
    """Tells somebody that their account will not be deleted after all."""

    kind: ClassVar = "saas_kit_auth.account_kept"
    subject: ClassVar = _("Your account at {product} will not be deleted")


@dataclass(frozen=True, kw_only=True)
class MFAEnabled(SecurityNotice):
    """Tells somebody that a second factor is asked for from now on."""

    kind: ClassVar = "saas_kit_auth.mfa_enabled"
    subject: ClassVar = _("Two-step sign-in for {product} was turned on")


@dataclass(frozen=True, kw_only=True)
class MFADisabled(SecurityNotice):
    """Tells somebody that one of their second factors was removed."""

    kind: ClassVar = "saas_kit_auth.mfa_disabled"
    subject: ClassVar = _("Two-step sign-in for {product} was turned off")


@dataclass(frozen=True, kw_only=True)
class RecoveryCodesRenewed(SecurityNotice):
    """Tells somebody that their recovery codes are others now; it has none of them."""

    kind: ClassVar = "saas_kit_auth.recovery_codes_renewed"
    subject: ClassVar = _("Your recovery codes for {product} are new")


@dataclass(frozen=True, kw_only=True)
class PasskeyMessage(SecurityNotice):
    """
    A notice about a passkey.

    Attributes:
        name: What it is, or was, called.
    """

    name: str

    @classmethod
    def samples(cls) -> list[Self]:
        return [cls(name=name) for name in ("Ada's phone", "مفتاح 🔑 <home>")]


@dataclass(frozen=True, kw_only=True)
class PasskeyAdded(PasskeyMessage):
    """Tells somebody that there is one more way to sign in to their account."""

    kind: ClassVar = "saas_kit_auth.passkey_added"
    subject: ClassVar = _("A passkey for {product} was added")


@dataclass(frozen=True, kw_only=True)
class PasskeyRemoved(PasskeyMessage):
    """Tells somebody that a passkey of theirs is of no use any more."""

    kind: ClassVar = "saas_kit_auth.passkey_removed"
    subject: ClassVar = _("A passkey for {product} was removed")


@dataclass(frozen=True, kw_only=True)
class ProviderLinked(SecurityNotice):
    """
    Tells somebody that they can sign in at a provider from now on.

    Attributes:
        provider: What people call it.
    """

    provider: str

    kind: ClassVar = "saas_kit_auth.provider_linked"
    subject: ClassVar = _("Another way to sign in to {product}")

    @classmethod
    def samples(cls) -> list[Self]:
        return [cls(provider="GitHub")]


@dataclass(frozen=True, kw_only=True)
class Welcome(Message):
    """Greets somebody who has an account that they can use."""

    kind: ClassVar = "saas_kit_auth.welcome"
    subject: ClassVar = _("Welcome to {product}")
    topic: ClassVar = "notifications"


@dataclass(frozen=True, kw_only=True)
class NewSignIn(SecurityNotice):
    """
    Tells somebody that their account was used in a way that it was not used before.

    Attributes:
        device: What people call the device; empty where it is not known. What the client says of itself is not shown,
            as whoever signed in has written that.
        ip_address: Where the sign-in came from; empty where it is not known.
        signed_in_at: When it was.
    """

    device: str
    ip_address: str
    signed_in_at: datetime

    kind: ClassVar = "saas_kit_auth.new_sign_in"
    subject: ClassVar = _("New sign-in to {product}")

    @classmethod
    def samples(cls) -> list[Self]:
        signed_in_at = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
        return [
            cls(device="Firefox on Windows", ip_address="192.0.2.7", signed_in_at=signed_in_at),
            cls(device="", ip_address="", signed_in_at=signed_in_at),
        ]
