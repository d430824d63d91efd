"""The routes that both twins have."""

from __future__ import annotations

from types import ModuleType

from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from saas_kit.api.routers import Router


def routes(views: ModuleType) -> list[URLPattern | URLResolver]:
    """Return the URL patterns of one twin, whose views are in a module."""
    stock = SimpleRouter()
    stock.register("folders", views.FolderViewSet, basename="folder")
    stock.register("comments", views.CommentViewSet, basename="comment")
    kit = Router()
    kit.register("documents", views.DocumentViewSet, basename="document")
    kit.register("folders/<uuid:folder_id>/documents", views.FolderDocumentViewSet, basename="in-folder")
    kit.register("folder-summaries", views.FolderSummaryViewSet, basename="summary")
    return [
        path("search/", views.search, name="search"),
        path("documents/bulk-delete/", views.bulk_delete, name="bulk-delete"),
        path("documents/export/", views.ExportView.as_view(), name="export"),
        path("catalogue/", views.CatalogueView.as_view(), name="catalogue"),
        path("labelled/", views.LabelledView.as_view(), name="labelled"),
        path("ranking/", views.RankingView.as_view(), name="ranking"),
        path("popular/", views.PopularView.as_view(), name="popular"),
        path("dashboard/", views.DashboardView.as_view(), name="dashboard"),
        path("comment-feed/", views.CommentFeedView.as_view(), name="comment-feed"),
        *stock.urls,
        *kit.urls,
    ]
