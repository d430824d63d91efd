"""What sign-in writes to people."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from django.utils.translation import gettext_lazy as _

from saas_kit.email.messages import Message


@dataclass(frozen=True, kw_only=True)
class TokenMessage(Message):
    """
    A message with a one-time token.

    Attributes:
        token: The secret, for people without a front end to type or paste.
        link: Where it leads; empty where no front end is configured.
    """

    token: str = field(repr=False)
    link: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class VerifyEmail(TokenMessage):
    """Asks for the proof that an address is somebody's."""

    template: ClassVar = "saas_kit_auth/email/verify_email.txt"
    subject: ClassVar = _("Confirm your address for {product}")


@dataclass(frozen=True, kw_only=True)
class ExistingAccount(Message):
    """Tells somebody that their address was used to register, although they have an account."""

    template: ClassVar = "saas_kit_auth/email/existing_account.txt"
    subject: ClassVar = _("You have an account at {product} already")


@dataclass(frozen=True, kw_only=True)
class ResetPassword(TokenMessage):
    """Lets somebody set another password."""

    template: ClassVar = "saas_kit_auth/email/reset_password.txt"
    subject: ClassVar = _("Set a new password for {product}")


@dataclass(frozen=True, kw_only=True)
class SetPassword(TokenMessage):
    """Lets somebody whom another person gave an account set their first password."""

    template: ClassVar = "saas_kit_auth/email/set_password.txt"
    subject: ClassVar = _("You have an account at {product}")


@dataclass(frozen=True, kw_only=True)
class PasswordChanged(Message):
    """Tells somebody that their password is another now."""

    template: ClassVar = "saas_kit_auth/email/password_changed.txt"
    subject: ClassVar = _("Your password for {product} was changed")


@dataclass(frozen=True, kw_only=True)
class ConfirmNewEmail(TokenMessage):
    """Asks, at a new address, for its confirmation."""

    template: ClassVar = "saas_kit_auth/email/confirm_new_email.txt"
    subject: ClassVar = _("Confirm your new address for {product}")


@dataclass(frozen=True, kw_only=True)
class EmailChanged(Message):
    """
    Tells somebody, at their old address, that another one took its place.

    Attributes:
        new_email: The new address.
    """

    new_email: str

    template: ClassVar = "saas_kit_auth/email/email_changed.txt"
    subject: ClassVar = _("Your address for {product} was changed")


@dataclass(frozen=True, kw_only=True)
class AccountDeletion(Message):
    """
    Tells somebody that their account will be deleted, and how they can keep it.

    Attributes:
        due_at: When it will be.
    """

    due_at: datetime

    template: ClassVar = "saas_kit_auth/email/account_deletion.txt"
    subject: ClassVar = _("Your account at {product} will be deleted")


@dataclass(frozen=True, kw_only=True)
class AccountKept(Message):
    """Tells somebody that their account will not be deleted after all."""

    template: ClassVar = "saas_kit_auth/email/account_kept.txt"
    subject: ClassVar = _("Your account at {product} will not be deleted")


@dataclass(frozen=True, kw_only=True)
class MFAEnabled(Message):
    """Tells somebody that a second factor is asked for from now on."""

    template: ClassVar = "saas_kit_auth/email/mfa_enabled.txt"
    subject: ClassVar = _("Two-step sign-in for {product} was turned on")


@dataclass(frozen=True, kw_only=True)
class MFADisabled(Message):
    """Tells somebody that one of their second factors was removed."""

    template: ClassVar = "saas_kit_auth/email/mfa_disabled.txt"
    subject: ClassVar = _("Two-step sign-in for {product} was turned off")


@dataclass(frozen=True, kw_only=True)
class RecoveryCodesRenewed(Message):
    """Tells somebody that their recovery codes are others now; it has none of them."""

    template: ClassVar = "saas_kit_auth/email/recovery_codes_renewed.txt"
    subject: ClassVar = _("Your recovery codes for {product} are new")


@dataclass(frozen=True, kw_only=True)
class PasskeyAdded(Message):
    """
    Tells somebody that there is one more way to sign in to their account.

    Attributes:
        name: What the passkey is called.
    """

    name: str

    template: ClassVar = "saas_kit_auth/email/passkey_added.txt"
    subject: ClassVar = _("A passkey for {product} was added")


@dataclass(frozen=True, kw_only=True)
class PasskeyRemoved(Message):
    """
    Tells somebody that a passkey of theirs is of no use any more.

    Attributes:
        name: What it was called.
    """

    name: str

    template: ClassVar = "saas_kit_auth/email/passkey_removed.txt"
    subject: ClassVar = _("A passkey for {product} was removed")


@dataclass(frozen=True, kw_only=True)
class ProviderLinked(Message):
    """
    Tells somebody that they can sign in at a provider from now on.

    Attributes:
        provider: What people call it.
    """

    provider: str

    template: ClassVar = "saas_kit_auth/email/provider_linked.txt"
    subject: ClassVar = _("Another way to sign in to {product}")
