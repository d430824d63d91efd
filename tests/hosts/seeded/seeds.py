"""What is planted in the leaky twin, and the requests by which it can be found."""

from __future__ import annotations

from typing import Final

_BODY_IDS = ("POST /api/v1/documents/", "PUT /api/v1/documents/{pk}/", "PATCH /api/v1/documents/{pk}/")
_COMMENT = "/api/v1/comments/{pk}/"
_IN_FOLDER = "/api/v1/folders/{folder_id}/documents/{pk}/"

SEEDS: Final[dict[str, tuple[str, ...]]] = {
    "missing scope": ("GET /api/v1/folders/", "GET /api/v1/folders/{pk}/"),
    "unscoped manager": ("GET /api/v1/search/",),
    "body id": _BODY_IDS,
    "filter across": ("GET /api/v1/catalogue/", "GET /api/v1/labelled/"),
    "ordering across": ("GET /api/v1/ranking/", "GET /api/v1/popular/"),
    "get_object override": tuple(f"{method} {_COMMENT}" for method in ("GET", "PUT", "PATCH", "DELETE")),
    "nested route mismatch": (f"GET {_IN_FOLDER}", f"PATCH {_IN_FOLDER}"),
    "bulk delete": ("POST /api/v1/documents/bulk-delete/",),
    "export": ("GET /api/v1/documents/export/",),
    "cached response": ("GET /api/v1/dashboard/",),
    "serializer method": ("GET /api/v1/folder-summaries/", "GET /api/v1/folder-summaries/{pk}/"),
    "count leak": ("GET /api/v1/comment-feed/",),
}
"""The routes, as ``METHOD /template/``, of each vulnerability; one leak on one of them finds it."""
