"""Folders, documents and comments belong to organizations; labels are everybody's."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from saas_kit.core.models import Identified, Timestamped
from saas_kit.tenancy.models import OrganizationOwned


class Label(Identified, Timestamped):
    """A word of the vocabulary that all organizations share."""

    name = models.CharField(max_length=120, unique=True)

    def __str__(self) -> str:
        return self.name


class LibraryRow(OrganizationOwned):
    """What careless hosts add to a guarded model: a second manager that nothing guards."""

    everything: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta(OrganizationOwned.Meta):
        abstract = True
        default_manager_name = "objects"


class Folder(LibraryRow):
    """A folder."""

    name = models.CharField(max_length=120)

    def __str__(self) -> str:
        return self.name


class Document(LibraryRow):
    """A document in a folder, with one of the labels that all share."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="documents")
    label = models.ForeignKey(Label, on_delete=models.PROTECT, related_name="documents")
    title = models.CharField(max_length=120)
    size = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return self.title


class Comment(LibraryRow):
    """What somebody says about a document."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="comments")
    text = models.CharField(max_length=500)

    def __str__(self) -> str:
        return self.text
