"""What may be done in a library."""

from __future__ import annotations

from django.db import models

from saas_kit.core.permissions import Level, register


class LibraryPermission(models.TextChoices):
    """Permissions on folders, documents and comments."""

    VIEW = "library.view_document", "View documents"
    EDIT = "library.edit_document", "Create and change documents"
    DELETE = "library.delete_document", "Delete documents"


register(
    Level.ORGANIZATION,
    {
        LibraryPermission.VIEW: "viewer",
        LibraryPermission.EDIT: "member",
        LibraryPermission.DELETE: "admin",
    },
)
