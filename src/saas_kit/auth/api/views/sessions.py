"""One's own sessions."""

from __future__ import annotations

from typing import Any

from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from saas_kit.api.views import ApiViewSet, DestroyModelMixin
from saas_kit.auth import services
from saas_kit.auth.api import cookies
from saas_kit.auth.api.serializers.sessions import SessionSerializer
from saas_kit.auth.api.views.bases import AuthView
from saas_kit.auth.models import Session
from saas_kit.core.permissions import Access


class SessionViewSet(AuthView, ListModelMixin, DestroyModelMixin, ApiViewSet):
    """The devices that the caller is signed in on."""

    noun, noun_plural = "session", "sessions"
    queryset = Session.objects.none()
    serializer_class = SessionSerializer
    ordering_fields = ("created_at", "last_seen_at")
    required_permissions = {"list": Access.AUTHENTICATED, "destroy": Access.AUTHENTICATED}
    summaries = {"list": "List one's own sessions", "destroy": "End one of one's own sessions"}
    descriptions = {
        "list": "The devices that the caller is signed in on; sessions that are over are left out.",
        "destroy": "Sign out on one device; its tokens are of no use from then on. It may be the present one.",
    }

    def get_queryset(self) -> Any:
        return Session.objects.live_of(self.actor)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().destroy(request, *args, **kwargs)
        if str(self.own_session.pk) == str(kwargs[self.lookup_field]):
            cookies.delete_tokens(response, request)
        return response

    def perform_destroy(self, instance: Session) -> None:
        services.revoke_session(instance, actor=self.actor)
