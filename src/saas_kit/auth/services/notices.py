"""What people are told of their accounts without having asked for it."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser

from saas_kit.auth import messages
from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.devices import device_of
from saas_kit.auth.identity import email_field
from saas_kit.auth.models import Session
from saas_kit.email.services import send
from saas_kit.ratelimit import network_of

_SESSIONS_LOOKED_AT = 100  # the latest of a person


def welcome(user: AbstractBaseUser) -> None:
    """Greet somebody whose account has become one that they can sign in to; nothing once they have been there."""
    if user.last_login is None:
        send(messages.Welcome(), to=getattr(user, email_field()), cause=str(user.pk))


def tell_of_new_device(session: Session) -> None:
    """
    Tell somebody of a sign-in from where they have not signed in lately (OWASP ASVS 5.0, 6.3.5).

    That is another kind of device, or another network, than those of each session that is still kept. Neither alone
    would do: thousands have the same browser, and a whole office one network. It is called before the sign-in is
    counted; the first of an account is not told of.
    """
    user = session.user
    if not AuthSettings.NEW_SIGN_IN_NOTICES or user.last_login is None:
        return
    earlier = Session.objects.of_user(user).exclude(pk=session.pk).order_by("-id")
    known = {_place(*each) for each in earlier.values_list("user_agent", "ip_address")[:_SESSIONS_LOOKED_AT]}
    if _place(session.user_agent, session.ip_address) in known:
        return
    message = messages.NewSignIn(
        device=device_of(session.user_agent),
        ip_address=session.ip_address or "",
        signed_in_at=session.created_at,
    )
    send(message, to=getattr(user, email_field()), cause=str(session.pk))


def _place(user_agent: str, ip_address: str | None) -> tuple[str, str]:
    # a browser has another user agent after each of its updates
    return device_of(user_agent) or user_agent, network_of(ip_address or "")
