"""What can be wrong with a sign-in."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from saas_kit.core.exceptions import Gone, InvalidInput, NotAuthenticated


class InvalidCredentials(NotAuthenticated):
    """Nobody can sign in with these; which part is wrong is not said."""

    code = "invalid_credentials"
    message = _("The credentials are not right.")


class InvalidToken(NotAuthenticated):
    """The token is not one of ours, has expired, or was used before."""

    code = "invalid_token"
    message = _("The token is not valid.")


class SessionEnded(InvalidToken):
    """The token was good, and its session is over, its person no longer active or their password another."""

    code = "session_ended"
    message = _("The session is over. Sign in again.")


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
