"""The shapes that both twins share."""

from __future__ import annotations

from rest_framework import serializers

from saas_kit.api.serializers import ModelSerializer
from saas_kit.tenancy.api.fields import OrganizationField, VisibleRelatedField
from tests.hosts.seeded.library.models import Comment, Document, Folder


class FolderSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A folder."""

    class Meta:
        model = Folder
        fields = ("id", "name", "created_at")


class DocumentSerializer(ModelSerializer):
    """A document; each twin says how its folder is found."""

    organization = OrganizationField(required=False)

    class Meta:
        model = Document
        fields = ("id", "organization", "folder", "label", "title", "size", "created_at")
        create_only_fields = ("organization",)


class DocumentInFolderSerializer(ModelSerializer):
    """A document, where the path says in which folder it is."""

    class Meta:
        model = Document
        fields = ("id", "label", "title", "size", "created_at")


class DocumentTitleSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A document in a list of many."""

    class Meta:
        model = Document
        fields = ("id", "title", "size")


class RankedDocumentSerializer(DocumentTitleSerializer):
    """A document with its place in the ranking, from 1."""

    place = serializers.SerializerMethodField()

    class Meta(DocumentTitleSerializer.Meta):
        fields = ("id", "title", "size", "place")  # type: ignore[assignment]

    def get_place(self, document: Document) -> int:
        places: dict[object, int] = self.context["places"]
        return places[document.pk]


class CommentSerializer(ModelSerializer):
    """A comment; it stays with its document."""

    document = VisibleRelatedField(queryset=Document.objects.all())

    class Meta:
        model = Comment
        fields = ("id", "document", "text", "created_at")
        create_only_fields = ("document",)


class BulkDeleteSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """The documents to delete."""

    ids = serializers.ListField(child=serializers.UUIDField(), allow_empty=False, max_length=100)


class DeletedSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """How many documents were deleted."""

    deleted = serializers.IntegerField()


class DashboardSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """What one sees first."""

    latest_titles = serializers.ListField(child=serializers.CharField())
    folders = serializers.IntegerField()
