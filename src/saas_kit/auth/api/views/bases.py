"""What the views of sign-in share."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from saas_kit.api.views import ApiView
from saas_kit.auth import limits, services
from saas_kit.auth.api import cookies
from saas_kit.auth.api.authentication import SessionTokenAuthentication
from saas_kit.auth.api.serializers import SecondFactorSerializer
from saas_kit.auth.exceptions import TokenGone, UnknownToken
from saas_kit.auth.identity import has_mfa
from saas_kit.auth.services import Tokens

SECOND_FACTOR_ANSWERS = (SecondFactorSerializer,) if apps.is_installed("allauth.mfa") else ()
"""What a view that signs people in may answer instead of tokens; for its ``other_output_serializer_classes``."""


class AuthView(ApiView):
    """
    What the views of sign-in share: they take the kit's tokens whatever the host's other views take.

    They are of use to somebody whose token is bound to an organization that they have left.
    """

    tags = ["Authentication"]
    needs_no_organization = True
    authentication_classes: ClassVar[tuple[type[SessionTokenAuthentication], ...]] = (
        SessionTokenAuthentication,
    )

    @property
    def own_session(self) -> Any:
        """The session of the caller; None where nobody is signed in."""
        return self.request.auth

    def require_person(self, body: Mapping[str, Any]) -> None:
        """
        Make sure that whoever has the session is its person.

        Args:
            body: With the ``current_password`` of somebody who has one.

        Raises:
            WrongPassword: It is another.
            RateLimited: It was asked for too often.
            SignInTooOld: They have none, and signed in too long ago.
        """
        if self.actor.has_usable_password():
            services.require_password(self.actor, body["current_password"])
        else:
            services.require_recent_sign_in(self.own_session)


def open_session(user: AbstractBaseUser, request: Request) -> Tokens:
    """Open a session on the device that a request comes from."""
    return services.open_session(
        user,
        ip_address=limits.network(),
        user_agent=request.META.get("HTTP_USER_AGENT", ""),
        request=request._request,
    )


def tokens_response(view: Any, code: int, user: AbstractBaseUser, tokens: Tokens, **more: Any) -> Response:
    """Answer the tokens of a new session, in the shape of the view's ``output_serializer_classes``."""
    in_cookies = cookies.are_asked_for(view.request)
    answer = {**token_texts(tokens, hidden=in_cookies), "user": user, **more}
    serializer_class = view.output_serializer_classes["post"]
    response = Response(serializer_class(answer, context=view.get_serializer_context()).data, status=code)
    if in_cookies:
        cookies.put_tokens(response, view.request, tokens, is_new=True)
    return response


def token_texts(tokens: Tokens, *, hidden: bool) -> dict[str, str | None]:
    """Return what an answer tells of a pair of tokens; nothing where cookies hide them from scripts."""
    return {"access": None if hidden else tokens.access, "refresh": None if hidden else tokens.refresh}


def counting_bad_tokens() -> AbstractContextManager[None]:
    """Let one network try only so many one-time tokens that are no good; else the block is ``RateLimited``."""
    return limits.TABLE.counting_failures("token", UnknownToken, TokenGone)


def sign_in_response(view: Any, user: AbstractBaseUser) -> Response:
    """Answer somebody who has proved who they are by a first factor: with tokens, or with what comes next."""
    if has_mfa(user):
        challenge = services.begin_second_factor(user)
        answer = {"mfa_required": True, "mfa_token": challenge.token, "methods": challenge.methods}
        return Response(SecondFactorSerializer(answer).data)
    tokens = open_session(user, view.request)
    return tokens_response(view, status.HTTP_200_OK, user, tokens, mfa_required=False)
