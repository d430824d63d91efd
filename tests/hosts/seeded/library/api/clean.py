"""The clean twin: the features of the leaky one, done right."""

from __future__ import annotations

import csv
import io
from typing import Any, ClassVar

from django.core.cache import cache
from django.db.models import Count
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import generics, mixins, viewsets
from rest_framework.decorators import api_view, permission_classes
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, SerializerMethodField
from rest_framework.views import APIView

from saas_kit.api.views import CreateModelMixin, RetrieveModelMixin, UpdateModelMixin
from saas_kit.tenancy import scope
from saas_kit.tenancy.access import get_access
from saas_kit.tenancy.api.bases import NestedViewSet, OrganizationScopedViewSet
from saas_kit.tenancy.api.fields import SameOrganizationField
from saas_kit.tenancy.scoping import require_scope
from tests.hosts.seeded.library.api.filters import DocumentFilter
from tests.hosts.seeded.library.api.requests import ScopedMixin, caller_of
from tests.hosts.seeded.library.api.serializers import (
    BulkDeleteSerializer,
    CommentSerializer,
    DashboardSerializer,
    DeletedSerializer,
    DocumentInFolderSerializer,
    DocumentSerializer,
    DocumentTitleSerializer,
    FolderSerializer,
    RankedDocumentSerializer,
)
from tests.hosts.seeded.library.models import Comment, Document, Folder
from tests.hosts.seeded.library.permissions import LibraryPermission


class FolderViewSet(ScopedMixin, viewsets.ReadOnlyModelViewSet):  # type: ignore[type-arg]
    """The folders."""

    queryset = Folder.objects.order_by("id")
    serializer_class = FolderSerializer


@require_GET
def search(request: HttpRequest) -> JsonResponse:
    """Find titles; a plain Django view, of which the OpenAPI document knows nothing."""
    caller = caller_of(request)
    if not caller.is_authenticated:
        return JsonResponse({"detail": "Sign in."}, status=401)
    with scope(get_access(caller).organization_ids):
        found = Document.objects.filter(title__contains=request.GET.get("q", "")).order_by("title")[:50]
        titles = [document.title for document in found]
    return JsonResponse({"titles": titles})


class SameOrganizationDocumentSerializer(DocumentSerializer):
    """A document that may be put in a folder of its organization."""

    folder = SameOrganizationField(queryset=Folder.objects.all())


class DocumentViewSet(OrganizationScopedViewSet):
    """The documents."""

    queryset = Document.objects.all()
    serializer_class = SameOrganizationDocumentSerializer
    filterset_class = DocumentFilter
    ordering_fields = ("created_at", "title")
    required_permissions = {
        "list": LibraryPermission.VIEW,
        "retrieve": LibraryPermission.VIEW,
        "create": LibraryPermission.EDIT,
        "update": LibraryPermission.EDIT,
        "destroy": LibraryPermission.DELETE,
    }


class CatalogueFilter(filters.FilterSet):
    """Filters by a folder of the caller's."""

    folder = filters.ModelChoiceFilter(queryset=Folder.objects.all())


class CatalogueView(ScopedMixin, generics.ListAPIView):  # type: ignore[type-arg]
    """The documents, by folder."""

    queryset = Document.objects.order_by("title", "id")
    serializer_class = DocumentTitleSerializer
    filter_backends = (filters.DjangoFilterBackend,)
    filterset_class = CatalogueFilter


class LabelledFilter(filters.FilterSet):
    """Filters by the titles of other documents with the same label, of which the guard joins the caller's."""

    beside = filters.CharFilter(
        field_name="label__documents__title",
        lookup_expr="startswith",
        distinct=True,
        help_text="How the title of another document with the same label begins.",
    )


class LabelledView(ScopedMixin, generics.ListAPIView):  # type: ignore[type-arg]
    """The documents, by what else has their label."""

    queryset = Document.objects.order_by("title", "id")
    serializer_class = DocumentTitleSerializer
    filter_backends = (filters.DjangoFilterBackend,)
    filterset_class = LabelledFilter


class RankingView(ScopedMixin, generics.ListAPIView):  # type: ignore[type-arg]
    """The documents, the largest first, with their place."""

    queryset = Document.objects.order_by("-size", "-id")
    serializer_class = RankedDocumentSerializer

    def get_serializer_context(self) -> dict[str, Any]:
        keys = Document.objects.order_by("-size", "-id").values_list("pk", flat=True)
        places = {key: place for place, key in enumerate(keys, start=1)}
        return {**super().get_serializer_context(), "places": places}


class PopularView(ScopedMixin, generics.ListAPIView):  # type: ignore[type-arg]
    """The documents, those with the most used labels first."""

    queryset = Document.objects.annotate(popularity=Count("label__documents"))
    serializer_class = DocumentTitleSerializer
    filter_backends = (OrderingFilter,)
    ordering_fields = ("popularity", "title")
    ordering = ("-popularity", "title")


class CommentViewSet(ScopedMixin, viewsets.ModelViewSet):  # type: ignore[type-arg]
    """The comments."""

    queryset = Comment.objects.order_by("id")
    serializer_class = CommentSerializer

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        serializer.save(organization=serializer.validated_data["document"].organization)


class FolderDocumentViewSet(
    CreateModelMixin, RetrieveModelMixin, UpdateModelMixin, mixins.ListModelMixin, NestedViewSet
):
    """The documents of a folder."""

    parent_kwarg = "folder_id"
    queryset = Document.objects.all()
    serializer_class = DocumentInFolderSerializer
    ordering_fields = ("created_at", "title")
    http_method_names = ("get", "post", "patch", "head")
    required_permissions = {
        "list": LibraryPermission.VIEW,
        "retrieve": LibraryPermission.VIEW,
        "create": LibraryPermission.EDIT,
        "update": LibraryPermission.EDIT,
    }

    def get_parent_queryset(self) -> Any:
        return Folder.objects.visible_to(self.actor).select_related("organization__account")

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(folder=self.parent)

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        serializer.save(folder=self.parent, organization=self.parent.organization, actor=self.actor)


@extend_schema(request=BulkDeleteSerializer, responses=DeletedSerializer)
@api_view(["POST"])
@permission_classes([IsAuthenticated])
def bulk_delete(request: Request) -> Response:
    """Delete several documents, of those that the caller may delete."""
    body = BulkDeleteSerializer(data=request.data)
    body.is_valid(raise_exception=True)
    caller: Any = request.user
    with scope(get_access(caller).organization_ids):
        mine = Document.objects.visible_to(caller, LibraryPermission.DELETE)
        _, deleted = mine.filter(pk__in=body.validated_data["ids"]).delete()
    return Response({"deleted": deleted.get("library.Document", 0)})


class ExportView(ScopedMixin, APIView):
    """The documents as CSV; they are read while there is a scope, and sent afterwards."""

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request) -> StreamingHttpResponse:
        lines = io.StringIO()
        csv.writer(lines).writerows(Document.objects.order_by("id").values_list("id", "title", "size"))
        lines.seek(0)
        return StreamingHttpResponse(lines, content_type="text/csv")


@extend_schema(exclude=True)  # its front end is the only client
class DashboardView(ScopedMixin, APIView):
    """What one sees first; the key of the cache says for which organizations."""

    serializer_class = DashboardSerializer

    def get(self, request: Request) -> Response:
        organizations = sorted(str(key) for key in require_scope(Document).organization_ids or ())
        return Response(
            cache.get_or_set(f"library:dashboard:{':'.join(organizations)}", self.summary, timeout=60)
        )

    def summary(self) -> dict[str, Any]:
        documents = Document.objects.order_by("-id")[:5]
        return {
            "latest_titles": [document.title for document in documents],
            "folders": Folder.objects.count(),
        }


class FolderSummarySerializer(FolderSerializer):
    """A folder with its latest title."""

    latest_title = SerializerMethodField()

    class Meta(FolderSerializer.Meta):
        fields = ("id", "name", "latest_title")

    def get_latest_title(self, folder: Folder) -> str | None:
        latest = Document.objects.filter(folder=folder).order_by("-id").first()
        return None if latest is None else latest.title


class FolderSummaryViewSet(OrganizationScopedViewSet):
    """The folders, each with its latest title."""

    queryset = Folder.objects.all()
    serializer_class = FolderSummarySerializer
    http_method_names = ("get", "head")
    required_permissions: ClassVar[Any] = {
        "list": LibraryPermission.VIEW,
        "retrieve": LibraryPermission.VIEW,
    }


class FeedPagination(PageNumberPagination):
    """Pages of comments."""

    page_size = 20


class CommentFeedView(ScopedMixin, generics.ListAPIView):  # type: ignore[type-arg]
    """The comments, the latest first."""

    queryset = Comment.objects.order_by("-id")
    serializer_class = CommentSerializer
    pagination_class = FeedPagination
