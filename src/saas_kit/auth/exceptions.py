"""What can be wrong with a sign-in."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.translation import gettext_lazy as _

from saas_kit.core.exceptions import Conflict, Gone, InvalidInput, NotAllowed, NotAuthenticated


class InvalidCredentials(NotAuthenticated):
    """Nobody can sign in with these; which part is wrong is not said."""

    code = "invalid_credentials"
    message = _("The credentials are not right.")


class AddressUnproved(InvalidCredentials):
    """
    The credentials are right, and the address is still to be proved; to the caller it is like wrong ones.

    Attributes:
        user: The person, who can be sent a link.
    """

    def __init__(self, user: AbstractBaseUser | None = None) -> None:
        super().__init__()
        self.user = user


class InvalidToken(NotAuthenticated):
    """The token is not one of ours, has expired, or was used before."""

    code = "invalid_token"
    message = _("The token is not valid.")


class SessionEnded(InvalidToken):
    """The token was good, and its session is over, its person no longer active or their password another."""

    code = "session_ended"
    message = _("The session is over. Sign in again.")


class RefreshReplaced(InvalidToken):
    """The refresh token was replaced a moment ago: a client sent it twice. What it was replaced by is good."""


class EmailTaken(InvalidInput):
    """Somebody has this address already."""

    code = "email_taken"
    message = _("There is an account with this address already.")


class WeakPassword(InvalidInput):
    """The password breaks a rule; the message says which."""

    code = "weak_password"
    message = _("This password is not strong enough.")


class WrongPassword(InvalidInput):
    """The password that was asked for again is not the person's."""

    code = "wrong_password"
    message = _("The password is not right.")

    def __init__(self) -> None:
        super().__init__(field="current_password")


class UnknownToken(InvalidInput):
    """The one-time token was not made by us, or is of no use any more and nobody may learn why."""

    code = "invalid_token"
    message = _("This link is not valid.")

    def __init__(self) -> None:
        super().__init__(field="token")


class TokenGone(Gone):
    """The one-time token was used, replaced by a newer one, or has expired."""

    code = "token_gone"
    message = _("This link was used before, or is too old. Ask for a new one.")


class SignInTooOld(NotAllowed):
    """Somebody without a password has to have signed in just now."""

    code = "sign_in_too_old"
    message = _("You signed in too long ago for this. Sign in again.")


class InvalidCode(InvalidInput):
    """The code is neither the present one of the authenticator app nor a recovery code, or was used before."""

    code = "invalid_code"
    message = _("The code is not right, or was used before.")

    def __init__(self) -> None:
        super().__init__(field="code")


class EmailUnverified(Conflict):
    """The person has to prove first that their address is theirs."""

    code = "email_unverified"
    message = _("Confirm your e-mail address first.")


class MFAAlreadyEnabled(Conflict):
    """There is a second factor of this kind already."""

    code = "mfa_already_enabled"
    message = _("You have an authenticator app already. Remove it first.")


class MFANotEnabled(Conflict):
    """There is no such second factor."""

    code = "mfa_not_enabled"
    message = _("You have no second factor of this kind.")


class EnrollmentNotStarted(Conflict):
    """Nobody began to set up the second factor that is to be confirmed, or too long ago."""

    code = "mfa_enrollment_not_started"
    message = _("Begin to set up your second factor again.")


class TooManyPasskeys(Conflict):
    """The person has as many passkeys as one can have."""

    code = "too_many_passkeys"
    message = _("You have too many passkeys already. Remove one first.")


class AddressInUse(Conflict):
    """Somebody has the address, and the provider does not say that it is the same person's."""

    code = "email_taken"
    message = _(
        "There is an account with this address already. Sign in to it first, then connect the provider."
    )


class NoAddress(InvalidInput):
    """The provider does not tell the address that a new account needs."""

    code = "email_required"
    message = _("The provider does not tell your e-mail address, and an account needs one.")


class LinkedElsewhere(Conflict):
    """Who somebody is at a provider is already somebody else's way to sign in."""

    code = "linked_elsewhere"
    message = _("Somebody else signs in with this already.")


class LastWayIn(Conflict):
    """Without it the person could not sign in any more."""

    code = "last_way_in"
    message = _("You could not sign in any more. Set a password first.")


class UnsupportedCredential(InvalidInput):
    """The provider is not asked for this kind of proof."""

    code = "not_supported"
    message = _("This cannot be used with this provider.")


class UnknownRedirectURI(InvalidInput):
    """The settings do not name where the provider is said to have sent somebody back to."""

    code = "unknown_redirect_uri"
    message = _("Nobody is sent back to this address.")

    def __init__(self) -> None:
        super().__init__(field="redirect_uri")
