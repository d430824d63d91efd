"""Serializers that say what is wrong with a body instead of ignoring it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

_MAX_JSON_DEPTH = 16
_MAX_JSON_SIZE = 16 * 1024


class StrictFieldsMixin:
    """
    Refuses unknown fields, and changes to fields that can be written on creation only.

    Read-only fields in a body are ignored, so that what was read can be sent back; those that the object has and
    this serializer has not are named in ``read_only_names``. Fields that may only be written on creation are named
    in ``Meta.create_only_fields``.
    """

    read_only_names: ClassVar[tuple[str, ...]] = ()

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()  # type: ignore[misc]
        if getattr(self, "instance", None) is not None:
            for name in getattr(getattr(self, "Meta", None), "create_only_fields", ()):
                fields[name].required = False
        return fields

    def to_internal_value(self, data: Any) -> Any:
        errors: dict[str, Any] = {}
        if isinstance(data, Mapping):
            for name in data:
                if name not in self.fields and name not in self.read_only_names:  # type: ignore[attr-defined]
                    errors[str(name)] = [ErrorDetail(str(_("There is no such field.")), code="unknown")]
            data = self._without_unchanged(data)
        try:
            values = super().to_internal_value(data)  # type: ignore[misc]
        except ValidationError as error:
            raise ValidationError({**errors, **error.detail}) from error  # type: ignore[dict-item]
        if errors:
            raise ValidationError(errors)
        return self._without_create_only(values)

    def _without_unchanged(self, data: Mapping[Any, Any]) -> Mapping[Any, Any]:
        # whoever may change an organization need not be in its account, and so could not name that anew
        instance = getattr(self, "instance", None)
        names = getattr(getattr(self, "Meta", None), "create_only_fields", ()) if instance is not None else ()
        unchanged = set()
        for name in names:
            field = self.fields[name]  # type: ignore[attr-defined]
            if name in data and data[name] == str(field.to_representation(field.get_attribute(instance))):
                unchanged.add(name)
        return {name: value for name, value in data.items() if name not in unchanged} if unchanged else data

    def _without_create_only(self, values: dict[str, Any]) -> dict[str, Any]:
        instance = getattr(self, "instance", None)
        if instance is None:
            return values
        errors = {}
        for name in getattr(getattr(self, "Meta", None), "create_only_fields", ()):
            source = self.fields[name].source  # type: ignore[attr-defined]
            if source in values and values.pop(source) != getattr(instance, source):
                errors[name] = [ErrorDetail(str(_("This cannot be changed.")), code="immutable")]
        if errors:
            raise ValidationError(errors)
        return values


class Serializer(StrictFieldsMixin, serializers.Serializer):  # type: ignore[type-arg]
    """A serializer that is strict about its fields."""


class UTCDateTimeField(serializers.DateTimeField):
    """A time as RFC 3339 in UTC, whatever the host's time zone."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("default_timezone", UTC)
        super().__init__(**kwargs)


class ModelSerializer(StrictFieldsMixin, serializers.ModelSerializer):  # type: ignore[type-arg]
    """
    A model's serializer that is strict about its fields; uniqueness is for the services to say.

    ``create()`` and ``update()`` get ``actor``, who acts, beside the fields. They save the row; a subclass whose
    model has services calls one instead.
    """

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: UTCDateTimeField,
    }

    def get_validators(self) -> list[Any]:
        return []

    def create(self, validated_data: dict[str, Any]) -> Any:
        return super().create({name: value for name, value in validated_data.items() if name != "actor"})

    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        values = {name: value for name, value in validated_data.items() if name != "actor"}
        return super().update(instance, values)


class JSONObjectField(serializers.JSONField):
    """A JSON object of bounded size (16 KiB as text) and depth (16 levels), for data that only the client reads."""

    default_error_messages = {
        "not_an_object": _("Enter a JSON object."),
        "too_large": _("This is too large: at most 16 KiB of JSON."),
        "too_deep": _("This is nested too deeply: at most 16 levels."),
    }

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            self.fail("not_an_object")
        if _depth(data) > _MAX_JSON_DEPTH:
            self.fail("too_deep")
        if len(json.dumps(data, ensure_ascii=False).encode()) > _MAX_JSON_SIZE:
            self.fail("too_large")
        return super().to_internal_value(data)


def _depth(value: Any) -> int:
    level, depth = [value], 0
    while level and depth <= _MAX_JSON_DEPTH:
        depth += 1
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        level = [child for child in level if isinstance(child, dict | list)]
    return depth


class ProblemErrorSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """What is wrong with one field of the input."""

    field = serializers.CharField(
        allow_null=True, help_text="The field as a dotted path; null for the whole."
    )
    code = serializers.CharField(help_text="What is wrong, for programs.")
    detail = serializers.CharField(help_text="What is wrong, for people.")


class ProblemSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """A problem document as in RFC 9457."""

    type = serializers.CharField(help_text="`about:blank`: the status says it.")
    title = serializers.CharField(help_text="The phrase of the status.")
    status = serializers.IntegerField(help_text="The HTTP status.")
    detail = serializers.CharField(help_text="What went wrong, for people.")
    code = serializers.CharField(help_text="What went wrong, for programs; stable.")
    request_id = serializers.CharField(allow_null=True, help_text="Names the request in the logs.")
    errors = ProblemErrorSerializer(  # type: ignore[assignment]
        many=True, required=False, help_text="With 400: each fault of the input."
    )
