"""How views that are not the kit's know their caller and get a scope."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user
from django.http import HttpRequest
from rest_framework.permissions import IsAuthenticated

from saas_kit.auth.api.authentication import SessionTokenAuthentication
from saas_kit.core.exceptions import SaasKitError
from saas_kit.tenancy.api.bases import ScopedViewMixin


class ScopedMixin(ScopedViewMixin):
    """Gives REST framework's own views the scope of their caller, who has to sign in."""

    permission_classes = (IsAuthenticated,)


def caller_of(request: HttpRequest) -> Any:
    """Return who sent a request to a plain Django view: by token as in the API, else by Django's session."""
    try:
        found = SessionTokenAuthentication().authenticate(request)  # type: ignore[arg-type]
    except SaasKitError:
        found = None
    return get_user(request) if found is None else found[0]
