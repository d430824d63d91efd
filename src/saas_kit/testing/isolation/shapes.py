"""What a request's body and query look like: from the OpenAPI document and from serializers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.request import Request

from saas_kit.testing.isolation.routes import Route, resolved

MODEL = "x-model"
"""Where a shape names the model whose rows' keys are meant."""

Shape = dict[str, Any]

_JSON = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")


def body_shape(route: Route, document: Mapping[str, Any]) -> Shape | None:
    """Return the shape of a route's body as JSON schema, with models where they are known; None of no body."""
    from_document = _document_shape(route, document)
    if from_document is None and route.operation:
        return None  # the document says that there is no body
    from_serializer = _serializer_shape(route)
    if from_document is None:
        return from_serializer
    if from_serializer is None:
        return from_document
    return _merged(from_document, from_serializer)


def body_examples(route: Route, document: Mapping[str, Any]) -> list[Any]:
    """Return the examples of a route's body in the OpenAPI document."""
    content = route.operation.get("requestBody", {}).get("content", {})
    found = []
    for kind in _JSON[:1]:
        media = content.get(kind, {})
        if "example" in media:
            found.append(media["example"])
        found.extend(each["value"] for each in media.get("examples", {}).values() if "value" in each)
    return found


def query_shapes(route: Route, document: Mapping[str, Any]) -> dict[str, Shape]:
    """Return the query parameters that the document, or the view's filters, declare."""
    found: dict[str, Shape] = {}
    for each in route.operation.get("parameters", ()):
        parameter = resolved(each, document)
        if parameter.get("in") == "query":
            found[parameter["name"]] = dict(resolved(parameter.get("schema", {}), document))
    filters = getattr(getattr(route.view, "filterset_class", None), "base_filters", {})
    model = view_model(route)
    for name, each in filters.items():
        shape = found.setdefault(name, {"type": "string"})
        queryset = (getattr(each, "extra", None) or {}).get("queryset")
        target = getattr(queryset, "model", None) or _target(model, str(getattr(each, "field_name", "")))
        if target is not None:
            shape[MODEL] = target
    fields = getattr(route.view, "filterset_fields", ())
    for name in fields if isinstance(fields, list | tuple | Mapping) else ():
        found.setdefault(str(name), {"type": "string"})
    return found


def view_model(route: Route) -> Any:
    """Return the model whose rows a view is about; None where it does not say."""
    queryset = getattr(route.view, "queryset", None)
    if queryset is not None:
        return queryset.model
    if getattr(route.view, "model", None) is not None:
        return route.view.model
    meta = getattr(getattr(route.view, "serializer_class", None), "Meta", None)
    return getattr(meta, "model", None)


def _target(model: Any, path: str) -> Any:
    """Return what the last foreign key of a lookup points at; None where it ends elsewhere."""
    target = None
    for part in path.split("__"):
        if model is None:
            return None
        names = {each.name: each for each in model._meta.get_fields()}
        names.update({each.attname: each for each in model._meta.concrete_fields})
        each = names.get(part)
        if part in ("id", "pk", "in", "exact") or each is None:
            return target
        model = target = getattr(each, "related_model", None)
    return target


def _document_shape(route: Route, document: Mapping[str, Any]) -> Shape | None:
    content = route.operation.get("requestBody", {}).get("content", {})
    for kind in _JSON:
        if kind in content:
            return _flat(content[kind].get("schema", {}), document)
    return None


def _flat(schema: Any, document: Mapping[str, Any], depth: int = 0) -> Shape:
    """Return a schema without references and without choices between shapes."""
    shape = dict(resolved(schema, document))
    for each in shape.pop("allOf", ()):
        shape = {**_flat(each, document, depth), **shape}
    for name in ("oneOf", "anyOf"):
        options = [resolved(each, document) for each in shape.pop(name, ())]
        real = [each for each in options if each.get("type") != "null" and each.get("enum") != [""]]
        if real:
            shape = {**_flat(real[0], document, depth), **shape}
    if isinstance(shape.get("type"), list):
        kinds = [kind for kind in shape["type"] if kind != "null"]
        shape["type"], shape["nullable"] = kinds[0] if kinds else "null", "null" in shape["type"]
    if depth < 6 and "properties" in shape:
        shape["properties"] = {
            name: _flat(each, document, depth + 1) for name, each in shape["properties"].items()
        }
    if depth < 6 and isinstance(shape.get("items"), Mapping):
        shape["items"] = _flat(shape["items"], document, depth + 1)
    return shape


def _merged(shape: Shape, more: Shape) -> Shape:
    merged = {**more, **shape}
    if "properties" in shape and "properties" in more:
        merged["properties"] = {
            **more["properties"],
            **{
                name: _merged(each, more["properties"].get(name, {}))
                for name, each in shape["properties"].items()
            },
        }
    if isinstance(shape.get("items"), dict) and isinstance(more.get("items"), dict):
        merged["items"] = _merged(shape["items"], more["items"])
    return merged


def _serializer_shape(route: Route) -> Shape | None:
    if route.view is None or route.is_safe or route.method == "DELETE":
        return None
    try:
        serializer = _serializer_of(route)
    except Exception:  # noqa: BLE001 - views of hosts may need what only a request has
        serializer = None
    if serializer is None:
        return None
    return _shape_of(serializer, partial=route.method == "PATCH")


def _serializer_of(route: Route) -> Any:
    view = route.view(**route.initkwargs)
    raw = HttpRequest()
    raw.method = route.method
    view.request, view.args, view.kwargs, view.format_kwarg = Request(raw), (), {}, None
    if route.action is not None:
        view.action = route.action
        view.action_map = {route.method.lower(): route.action}
    declared = getattr(view, "input_serializer_classes", {})
    name = {"partial_update": "update"}.get(route.action or "", route.action or route.method.lower())
    if name in declared and declared[name] is None:
        return None
    for method in ("get_input_serializer", "get_serializer"):
        if hasattr(view, method):
            return getattr(view, method)()
    cls = getattr(view, "serializer_class", None)
    return None if cls is None else cls()


def _shape_of(field: Any, *, partial: bool = False) -> Shape:
    """Return the JSON schema of a serializer or of one of its fields."""
    if isinstance(field, serializers.ListSerializer):
        return {"type": "array", "items": _shape_of(field.child, partial=partial)}
    if isinstance(field, serializers.ListField):
        return {"type": "array", "items": _shape_of(field.child), "minItems": 0 if field.allow_empty else 1}
    if isinstance(field, serializers.ManyRelatedField):
        return {"type": "array", "items": _shape_of(field.child_relation)}
    if isinstance(field, serializers.BaseSerializer):
        fields = {
            name: each for name, each in getattr(field, "fields", {}).items() if not _is_read_only(each)
        }
        required = [] if partial else [name for name, each in fields.items() if each.required]
        shapes = {name: _shape_of(each) for name, each in fields.items()}
        return {"type": "object", "properties": shapes, "required": required}
    return _leaf_shape(field)


def _is_read_only(field: Any) -> bool:
    return bool(field.read_only) or isinstance(field, serializers.HiddenField)


def _leaf_shape(field: Any) -> Shape:
    kinds: tuple[tuple[Any, Shape], ...] = (
        (serializers.RelatedField, {"type": "string"}),
        (serializers.UUIDField, {"type": "string", "format": "uuid"}),
        (serializers.EmailField, {"type": "string", "format": "email"}),
        (serializers.URLField, {"type": "string", "format": "uri"}),
        (serializers.BooleanField, {"type": "boolean"}),
        (serializers.IntegerField, {"type": "integer"}),
        (serializers.FloatField, {"type": "number"}),
        (serializers.DecimalField, {"type": "string", "format": "decimal"}),
        (serializers.DateTimeField, {"type": "string", "format": "date-time"}),
        (serializers.DateField, {"type": "string", "format": "date"}),
        (serializers.TimeField, {"type": "string", "format": "time"}),
        (serializers.DictField, {"type": "object"}),
        (serializers.JSONField, {"type": "object"}),
        (serializers.FileField, {"type": "string", "format": "binary"}),
    )
    shape: Shape = dict(next((each for cls, each in kinds if isinstance(field, cls)), {"type": "string"}))
    if isinstance(field, serializers.ChoiceField):
        shape["enum"] = list(field.choices)
    if isinstance(field, serializers.RelatedField):
        _note_relation(field, shape)
    if getattr(field, "max_length", None):
        shape["maxLength"] = field.max_length
    if getattr(field, "min_value", None) is not None:
        shape["minimum"] = field.min_value
    if getattr(field, "allow_null", False):
        shape["nullable"] = True
    return shape


def _note_relation(field: Any, shape: Shape) -> None:
    model = getattr(field.queryset, "model", None)
    if model is None:
        return
    shape[MODEL] = model
    shape["x-attribute"] = getattr(field, "slug_field", None) or "pk"
    if isinstance(model._meta.pk, models.IntegerField):
        shape["type"] = "integer"
