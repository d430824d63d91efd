"""What the views of sign-in share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from saas_kit.api.views import ApiView
from saas_kit.auth import limits, services
from saas_kit.auth.api.authentication import SessionTokenAuthentication
from saas_kit.auth.exceptions import TokenGone, UnknownToken
from saas_kit.auth.services import Tokens
from saas_kit.core.exceptions import SaasKitError


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


def open_session(user: AbstractBaseUser, request: Request) -> Tokens:
    """Open a session on the device that a request comes from."""
    return services.open_session(
        user,
        ip_address=request.META.get("REMOTE_ADDR"),
        user_agent=request.META.get("HTTP_USER_AGENT", ""),
        request=request._request,
    )


def tokens_response(view: Any, code: int, user: AbstractBaseUser, tokens: Tokens, **more: Any) -> Response:
    """Answer somebody's tokens, in the shape of the view's ``output_serializer_classes``."""
    answer = {"access": tokens.access, "refresh": tokens.refresh, "user": user, **more}
    serializer_class = view.output_serializer_classes["post"]
    return Response(serializer_class(answer, context=view.get_serializer_context()).data, status=code)


@contextmanager
def counting_bad_tokens() -> Iterator[None]:
    """
    Let one network try only so many one-time tokens that are no good.

    Raises:
        RateLimited: There were too many.
    """
    limits.count("token", limits.network())
    try:
        yield
    except (UnknownToken, TokenGone):
        raise
    except SaasKitError:
        limits.take_back("token", limits.network())
        raise
    else:
        limits.take_back("token", limits.network())


def sign_in_response(view: Any, user: AbstractBaseUser) -> Response:
    """Answer somebody who has proved who they are by a first factor: with tokens, or with what comes next."""
    tokens = open_session(user, view.request)
    return tokens_response(view, status.HTTP_200_OK, user, tokens, mfa_required=False)
