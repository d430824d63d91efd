"""What a host writes without a word of the organization: views and serializers of its tenant-owned models."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.validators import UniqueTogetherValidator, UniqueValidator

from saas_kit.api.serializers import ModelSerializer
from saas_kit.api.views import ApiView, ModelViewSet
from saas_kit.core.permissions import Access
from saas_kit.tenancy.api.bases import OrganizationScopedViewSet
from tests.hosts.full.urls import urlpatterns as host
from tests.hosts.full.widgets.models import Note, Widget
from tests.hosts.full.widgets.permissions import WidgetPermission


class PublicView(ApiView):
    """Lets anybody in and forgot that rows belong to somebody."""

    required_permissions = {"get": Access.PUBLIC, "post": Access.PUBLIC}

    def get(self, request: Request) -> Response:
        """Show all widgets."""
        return Response({"names": [each.name for each in Widget.objects.order_by("name")]})

    def post(self, request: Request) -> Response:
        """Make a widget."""
        return Response({"id": Widget.objects.create(name=request.data["name"]).pk}, status=201)


def page(request: HttpRequest) -> HttpResponse:
    """Show all widgets on a page of Django's."""
    return JsonResponse({"names": [each.name for each in Widget.objects.order_by("name")]})


class NoteSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A note as REST framework makes it from the model, with its relations both ways."""

    class Meta:
        model = Note
        fields = ("id", "name", "size", "reply_to", "replies")
        extra_kwargs: ClassVar[Any] = {"reply_to": {"required": False}, "replies": {"required": False}}


class SlugSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A note that names what it replies to."""

    reply_to = serializers.SlugRelatedField(slug_field="name", queryset=Note.objects.all())

    class Meta:
        model = Note
        fields = ("id", "name", "reply_to")


class ReplySerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A reply within its note; with an id it is one that is there."""

    id = serializers.UUIDField(required=False)

    class Meta:
        model = Note
        fields = ("id", "name", "reply_to")
        extra_kwargs: ClassVar[Any] = {"reply_to": {"required": False}}


class NestedSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A note with the replies to it, which are written along with it."""

    replies = ReplySerializer(many=True)

    class Meta:
        model = Note
        fields = ("id", "name", "replies")

    @transaction.atomic
    def create(self, validated_data: Any) -> Note:
        replies = validated_data.pop("replies")
        note: Note = Note.objects.create(**validated_data)
        for reply in replies:
            key = reply.pop("id", None)
            if key is None:
                Note.objects.create(**{"reply_to": note, **reply})
            else:
                Note.objects.filter(pk=key).update(reply_to=note, **reply)
        return note


class UniqueSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A note with a name that no other note may have."""

    name = serializers.CharField(validators=[UniqueValidator(queryset=Note.objects.all())])

    class Meta:
        model = Note
        fields = ("id", "name")


class TogetherSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A note with a name and a size that no other note may have both of."""

    class Meta:
        model = Note
        fields = ("id", "name", "size")
        validators = (UniqueTogetherValidator(queryset=Note.objects.all(), fields=("name", "size")),)


class NoteFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Filters that reach across relations."""

    reply_to = django_filters.ModelChoiceFilter(queryset=Note.objects.all())
    parent = django_filters.CharFilter(field_name="reply_to__name")
    reply = django_filters.CharFilter(field_name="replies__name", lookup_expr="startswith")
    lonely = django_filters.CharFilter(method="without_parent")

    def without_parent(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.exclude(Q(reply_to__name__startswith=value) | Q(replies__name__startswith=value))


class NoteViewSet(ModelViewSet):
    """All notes, for anybody who is signed in."""

    queryset = Note.objects.all()
    serializer_class: Any = NoteSerializer
    filterset_class = NoteFilter
    search_fields = ("name", "reply_to__name")
    ordering_fields = ("name", "reply_to__name", "replies__size")
    required_permissions = dict.fromkeys(
        ("list", "retrieve", "create", "update", "destroy"), Access.AUTHENTICATED
    )

    def perform_create(self, serializer: Any) -> None:
        serializer.save()

    def perform_update(self, serializer: Any) -> None:
        serializer.save()


class KitNoteSerializer(ModelSerializer):
    """A note by the kit's own serializer, with the field that REST framework makes of a foreign key."""

    class Meta:
        model = Note
        fields = ("id", "organization", "name", "reply_to")
        read_only_fields = ("organization",)
        extra_kwargs: ClassVar[Any] = {"reply_to": {"required": False}}


class KitNoteViewSet(OrganizationScopedViewSet):
    """Notes by the base that the kit has for them, without a word of what may be referred to."""

    queryset = Note.objects.all()
    serializer_class = KitNoteSerializer
    required_permissions = {
        "list": WidgetPermission.VIEW,
        "retrieve": WidgetPermission.VIEW,
        "create": WidgetPermission.CREATE,
        "update": WidgetPermission.CHANGE,
    }


class BulkView(ApiView):
    """Writes many notes at once, by the ids of the body."""

    required_permissions = dict.fromkeys(("post", "put", "patch", "delete"), Access.AUTHENTICATED)

    def post(self, request: Request) -> Response:
        """Create what the body has, wherever it says."""
        notes = [Note(**each) for each in request.data]
        with transaction.atomic():
            return Response({"count": len(Note.objects.bulk_create(notes))})

    def put(self, request: Request) -> Response:
        """Change rows that were made from the body."""
        notes = [Note(**each) for each in request.data]
        with transaction.atomic():
            return Response({"count": Note.objects.bulk_update(notes, ["name"])})

    def patch(self, request: Request) -> Response:
        """Change the rows that the body names."""
        with transaction.atomic():
            count = Note.objects.filter(pk__in=request.data["ids"]).update(size=request.data["size"])
        return Response({"count": count})

    def delete(self, request: Request) -> Response:
        """Delete the rows that the body names."""
        return Response({"count": Note.objects.filter(pk__in=request.data["ids"]).delete()[0]})


def _notes(name: str, serializer: Any) -> Any:
    return path(
        f"api/v1/{name}/", NoteViewSet.as_view({"get": "list", "post": "create"}, serializer_class=serializer)
    )


_ONE = {"get": "retrieve", "put": "update", "patch": "partial_update"}

urlpatterns = [
    path("api/v1/public/", PublicView.as_view()),
    path("api/v1/page/", page),
    path("page/", page),
    _notes("notes", NoteSerializer),
    path("api/v1/notes/<uuid:pk>/", NoteViewSet.as_view({**_ONE, "delete": "destroy"})),
    _notes("by-name", SlugSerializer),
    _notes("nested", NestedSerializer),
    _notes("unique", UniqueSerializer),
    _notes("together", TogetherSerializer),
    path("api/v1/kit/", KitNoteViewSet.as_view({"get": "list", "post": "create"})),
    path("api/v1/kit/<uuid:pk>/", KitNoteViewSet.as_view(_ONE)),
    path("api/v1/bulk/", BulkView.as_view()),
    *host,
]
