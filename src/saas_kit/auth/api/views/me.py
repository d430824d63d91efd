"""One's own profile, the erasure of what is known of one, and what that is."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from saas_kit.api.views import ApiView, DestroyModelMixin, RetrieveModelMixin, UpdateModelMixin
from saas_kit.auth import limits, services
from saas_kit.auth.api import stock
from saas_kit.auth.api.serializers import DeleteMeSerializer, ExportSerializer, MeSerializer
from saas_kit.auth.api.views.bases import AuthView
from saas_kit.auth.exceptions import SessionEnded
from saas_kit.core.permissions import Access


class MeView(AuthView, RetrieveModelMixin, UpdateModelMixin, DestroyModelMixin, stock.UserDetailsView):
    """The caller's own profile."""

    required_permissions = {
        "get": Access.AUTHENTICATED,
        "put": Access.AUTHENTICATED,
        "patch": Access.AUTHENTICATED,
        "delete": Access.AUTHENTICATED,
    }
    serializer_class = MeSerializer
    input_serializer_classes = {"delete": DeleteMeSerializer}
    operation_name = "auth_me"
    summaries = {
        "get": "Get one's own profile",
        "put": "Replace one's own profile",
        "patch": "Change one's own profile",
        "delete": "Ask for one's own erasure",
    }
    descriptions = {
        "get": "The caller, as only they see themselves.",
        "put": "Replace the names; the address is changed elsewhere, as the new one has to be verified.",
        "patch": "Change the names; the address is changed elsewhere, as the new one has to be verified.",
        "delete": "End all sessions, and have what is known of the caller erased once a time of grace is over, of "
        "which a message tells them. Signing in before then cancels it. The password is needed; who has none must have "
        "signed in less than ten minutes ago (403 `sign_in_too_old`). Whoever is the only owner of something that "
        "others share cannot go (409 `last_owner`).",
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

    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask for one's own erasure."""
        return self.destroy(request, *args, **kwargs)

    def perform_destroy(self, instance: Any) -> None:
        serializer = DeleteMeSerializer(data=self.request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        self.require_person(serializer.validated_data)
        services.request_erasure(instance, actor=self.actor)


class ExportView(AuthView, ApiView):
    """Get what is kept of oneself."""

    required_permissions = {"get": Access.AUTHENTICATED}
    output_serializer_classes = {"get": ExportSerializer}
    operation_name = "auth_me_export"
    summaries = {"get": "Export one's own data"}
    descriptions = {
        "get": "Everything that is kept of the caller, as a file: no secrets, and nothing of anybody else."
    }

    def get(self, request: Request, **kwargs: Any) -> Response:
        """Export one's own data."""
        limits.count("export", str(self.actor.pk))
        response = Response(services.export_user(self.actor))
        response.headers["Content-Disposition"] = 'attachment; filename="export.json"'
        return response
