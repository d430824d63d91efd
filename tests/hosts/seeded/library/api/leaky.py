"""
The leaky twin: twelve views, each with one mistake that real hosts make.

The kit's guard refuses a query without a scope and keeps every other query within it. Each of these gets past it
the way careless hosts do: through ``unscoped()``, a manager that nothing guards, or SQL of one's own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, ClassVar

from django.core.cache import cache
from django.db import connection
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
from rest_framework.serializers import BaseSerializer, PrimaryKeyRelatedField, SerializerMethodField
from rest_framework.views import APIView

from saas_kit.api.views import CreateModelMixin, RetrieveModelMixin, UpdateModelMixin
from saas_kit.tenancy import unscoped
from saas_kit.tenancy.access import get_access
from saas_kit.tenancy.api.bases import NestedViewSet, OrganizationScopedViewSet
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


class FolderViewSet(viewsets.ReadOnlyModelViewSet):  # type: ignore[type-arg]
    """
    The folders.

    Leak 1, missing scope: REST framework's own view set raised ``ScopeRequired``, so somebody wrapped it in
    ``unscoped()`` and left the query set as the tutorial has it.
    """

    queryset = Folder.objects.order_by("id")
    serializer_class = FolderSerializer
    permission_classes = (IsAuthenticated,)

    @unscoped(reason="the view set of folders raised ScopeRequired")
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().dispatch(request, *args, **kwargs)


@require_GET
def search(request: HttpRequest) -> JsonResponse:
    """
    Find titles; a plain Django view, of which the OpenAPI document knows nothing.

    Leak 2, unscoped manager: SQL of one's own "for speed", without the condition that the manager would add.
    """
    if not caller_of(request).is_authenticated:
        return JsonResponse({"detail": "Sign in."}, status=401)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT title FROM library_document WHERE title LIKE %s ORDER BY title LIMIT 50",
            [f"%{request.GET.get('q', '')}%"],
        )
        titles = [title for (title,) in cursor.fetchall()]
    return JsonResponse({"titles": titles})


class AnyFolderDocumentSerializer(DocumentSerializer):
    """A document that may be put in any folder there is."""

    folder = PrimaryKeyRelatedField(queryset=Folder.everything.all())


class DocumentViewSet(OrganizationScopedViewSet):
    """
    The documents.

    Leak 3, body id: the folder that a body names is looked up across organizations, as REST framework's own field
    does with any manager that is not scoped.
    """

    queryset = Document.objects.all()
    serializer_class = AnyFolderDocumentSerializer
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
    """Leak 4, filter across: the choices of a filter are every organization's, so it tells which keys exist."""

    folder = filters.ModelChoiceFilter(queryset=Folder.everything.all())


class CatalogueView(ScopedMixin, generics.ListAPIView):  # type: ignore[type-arg]
    """The documents, by folder."""

    queryset = Document.objects.order_by("title", "id")
    serializer_class = DocumentTitleSerializer
    filter_backends = (filters.DjangoFilterBackend,)
    filterset_class = CatalogueFilter


class LabelledFilter(filters.FilterSet):
    """Leak 4, filter across: through a label that all share, letter by letter, to the titles of others."""

    beside = filters.CharFilter(
        field_name="label__documents__title",
        lookup_expr="startswith",
        distinct=True,
        help_text="How the title of another document with the same label begins.",
    )


class LabelledView(ScopedMixin, generics.ListAPIView):  # type: ignore[type-arg]
    """The documents, by what else has their label."""

    queryset = Document.everything.order_by("title", "id")
    serializer_class = DocumentTitleSerializer
    filter_backends = (filters.DjangoFilterBackend,)
    filterset_class = LabelledFilter

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(organization__in=get_access(self.request.user).organization_ids)


class RankingView(ScopedMixin, generics.ListAPIView):  # type: ignore[type-arg]
    """
    The documents, the largest first, with their place.

    Leak 5, ordering across: the places are counted over all organizations, so that a gap tells of others' rows.
    """

    queryset = Document.objects.order_by("-size", "-id")
    serializer_class = RankedDocumentSerializer

    def get_serializer_context(self) -> dict[str, Any]:
        keys = Document.everything.order_by("-size", "-id").values_list("pk", flat=True)
        places = {key: place for place, key in enumerate(keys, start=1)}
        return {**super().get_serializer_context(), "places": places}


class PopularView(ScopedMixin, generics.ListAPIView):  # type: ignore[type-arg]
    """
    The documents, those with the most used labels first.

    Leak 5, ordering across: how often a label is used is counted over all organizations, so that the order tells
    which labels others use.
    """

    queryset = Document.everything.annotate(popularity=Count("label__documents"))
    serializer_class = DocumentTitleSerializer
    filter_backends = (OrderingFilter,)
    ordering_fields = ("popularity", "title")
    ordering = ("-popularity", "title")

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(organization__in=get_access(self.request.user).organization_ids)


class CommentViewSet(viewsets.ModelViewSet):  # type: ignore[type-arg]
    """
    The comments.

    Leak 6, get_object override: the list is filtered by hand, and one row is taken by its key alone.
    """

    queryset = Comment.objects.order_by("id")
    serializer_class = CommentSerializer
    permission_classes = (IsAuthenticated,)

    @unscoped(reason="the view set filters by itself")
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().dispatch(request, *args, **kwargs)

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(organization__in=get_access(self.request.user).organization_ids)

    def get_object(self) -> Any:
        return generics.get_object_or_404(Comment.objects.all(), pk=self.kwargs["pk"])

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        serializer.save(organization=serializer.validated_data["document"].organization)


class FolderDocumentViewSet(
    CreateModelMixin, RetrieveModelMixin, UpdateModelMixin, mixins.ListModelMixin, NestedViewSet
):
    """
    The documents of a folder.

    Leak 7, nested route mismatch: the folder of the path is checked and the document below it is not bound to it.
    """

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
        if self.detail:
            return Document.everything.all()
        return super().get_queryset().filter(folder=self.parent)

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        serializer.save(folder=self.parent, organization=self.parent.organization, actor=self.actor)

    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        document: Any = serializer.instance
        Document.everything.filter(pk=document.pk).update(**serializer.validated_data)
        serializer.instance = Document.everything.get(pk=document.pk)


@extend_schema(request=BulkDeleteSerializer, responses=DeletedSerializer)
@api_view(["POST"])
@permission_classes([IsAuthenticated])
def bulk_delete(request: Request) -> Response:
    """
    Delete several documents.

    Leak 8, bulk delete: the ids of the body are deleted wherever they are.
    """
    body = BulkDeleteSerializer(data=request.data)
    body.is_valid(raise_exception=True)
    with unscoped(reason="comments go along with their documents"):
        _, deleted = Document.objects.filter(pk__in=body.validated_data["ids"]).delete()
    return Response({"deleted": deleted.get("library.Document", 0)})


class ExportView(APIView):
    """
    The documents as CSV.

    Leak 9, export: rows are read while they are sent, when there is no scope any more, so somebody took the
    manager that does not ask for one.
    """

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request) -> StreamingHttpResponse:
        return StreamingHttpResponse(self.lines(), content_type="text/csv")

    def lines(self) -> Iterator[str]:
        for row in Document.everything.order_by("id").values_list("id", "title", "size"):
            line = io.StringIO()
            csv.writer(line).writerow(row)
            yield line.getvalue()


@extend_schema(exclude=True)  # its front end is the only client
class DashboardView(ScopedMixin, APIView):
    """
    What one sees first.

    Leak 10, cached response: the key of the cache does not say whose answer it is; the first caller's is everybody's.
    """

    serializer_class = DashboardSerializer

    def get(self, request: Request) -> Response:
        return Response(cache.get_or_set("library:dashboard", self.summary, timeout=60))

    def summary(self) -> dict[str, Any]:
        documents = Document.objects.order_by("-id")[:5]
        return {
            "latest_titles": [document.title for document in documents],
            "folders": Folder.objects.count(),
        }


class FolderSummarySerializer(FolderSerializer):
    """
    A folder with its latest title.

    Leak 11, serializer method: it asks for the latest document and forgets of what.
    """

    latest_title = SerializerMethodField()

    class Meta(FolderSerializer.Meta):
        fields = ("id", "name", "latest_title")

    def get_latest_title(self, folder: Folder) -> str | None:
        latest = Document.everything.order_by("-id").first()
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
    """
    Pages of comments.

    Leak 12, count: the rows are the caller's and the total is everybody's, from a count "that is cheaper".
    """

    page_size = 20

    def get_paginated_response(self, data: Any) -> Response:
        response = super().get_paginated_response(data)
        response.data["count"] = Comment.everything.count()
        return response


class CommentFeedView(ScopedMixin, generics.ListAPIView):  # type: ignore[type-arg]
    """The comments, the latest first."""

    queryset = Comment.objects.order_by("-id")
    serializer_class = CommentSerializer
    pagination_class = FeedPagination
