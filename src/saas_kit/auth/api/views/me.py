"""One's own profile."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from rest_framework.serializers import BaseSerializer

from saas_kit.api.views import RetrieveModelMixin, UpdateModelMixin
from saas_kit.auth.api import stock
from saas_kit.auth.api.serializers import MeSerializer
from saas_kit.auth.api.views.bases import AuthView
from saas_kit.auth.exceptions import SessionEnded
from saas_kit.core.permissions import Access


class MeView(AuthView, RetrieveModelMixin, UpdateModelMixin, stock.UserDetailsView):
    """The caller's own profile."""

    required_permissions = {
        "get": Access.AUTHENTICATED,
        "put": Access.AUTHENTICATED,
        "patch": Access.AUTHENTICATED,
    }
    serializer_class = MeSerializer
    operation_name = "auth_me"
    summaries = {
        "get": "Get one's own profile",
        "put": "Replace one's own profile",
        "patch": "Change one's own profile",
    }
    descriptions = {
        "get": "The caller, as only they see themselves.",
        "put": "Replace the names; the address is changed elsewhere, as the new one has to be verified.",
        "patch": "Change the names; the address is changed elsewhere, as the new one has to be verified.",
    }

    def get_object(self) -> Any:
        if self.request.method not in ("GET", "HEAD"):
            # it may have been changed since the request began
            try:
                self.actor.refresh_from_db()
            except ObjectDoesNotExist:
                raise SessionEnded from None
        return self.actor

    def get_input_serializer(self, *args: Any, **kwargs: Any) -> BaseSerializer[Any]:
        """Return the serializer of the body."""
        return self.get_serializer(*args, **kwargs)  # type: ignore[no-any-return]
