"""What can be wrong with a sign-in."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from saas_kit.core.exceptions import InvalidInput, NotAuthenticated


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
