"""OpenAPI that says what the views do: summaries, permissions, and every error."""

from __future__ import annotations

import inspect
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_media_type_object
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer
from rest_framework.mixins import ListModelMixin
from rest_framework.viewsets import ViewSetMixin

from saas_kit.api.parsers import JSONParser
from saas_kit.api.problems import CONTENT_TYPE, phrase_of
from saas_kit.api.serializers import ProblemSerializer
from saas_kit.core.permissions import Access

_SUMMARIES = {
    "list": "List {plural}",
    "retrieve": "Get {singular}",
    "create": "Create {singular}",
    "update": "Replace {singular}",
    "partial_update": "Change {singular}",
    "destroy": "Delete {singular}",
    "restore": "Restore {singular}",
}

_ERRORS: dict[int, tuple[str, str, str]] = {
    400: ("The input is not valid; `errors` names each fault.", "invalid", "The input is not valid."),
    401: ("Nobody is signed in, or the token is of no use.", "not_authenticated", "You are not signed in."),
    403: (
        "The caller may see it, and may not do this.",
        "permission_denied",
        "You do not have permission to do this.",
    ),
    404: ("There is no such thing, or the caller may not know of it.", "not_found", "Not found."),
    405: ("The path does not have this method.", "method_not_allowed", 'Method "TRACE" not allowed.'),
    406: ("Only JSON can be had here.", "not_acceptable", "Could not satisfy the request Accept header."),
    409: ("The present state does not allow it.", "conflict", "The present state does not allow this."),
    410: ("It was there and will not come back.", "gone", "This is no longer available."),
    412: (
        "`If-Match` names a version that is no longer the present one.",
        "stale",
        "It was changed since you read it.",
    ),
    413: ("The body is too large.", "body_too_large", "The request body is too large."),
    415: ("Only JSON is understood here.", "unsupported_media_type", "Unsupported media type in request."),
    429: ("Too many requests.", "throttled", "Request was throttled."),
    503: (
        "A service that this needs is out of reach.",
        "unavailable",
        "The service is not available right now.",
    ),
}

_SINGLE_OBJECT_ACTIONS = ("create", "retrieve", "update", "partial_update", "restore")
# the actions that a view of one object, which is no viewset, has its methods run
_SINGLE_OBJECT_METHODS = {"get": "retrieve", "put": "update", "patch": "partial_update"}

_IF_MATCH = OpenApiParameter(
    "If-Match",
    location=OpenApiParameter.HEADER,
    description="The `ETag` of the version that is meant; of several, parted by commas, any; `*` is whichever it is.",
)
_ETAG = OpenApiParameter(
    "ETag",
    location=OpenApiParameter.HEADER,
    response=[200, 201],
    description="The version of the object, for `If-Match`.",
)

_collection_headers: list[OpenApiParameter] = []


def describe_collection_header(header: OpenApiParameter) -> None:
    """Describe a header at every collection that needs somebody signed in; for apps that hear one there."""
    if header not in _collection_headers:
        _collection_headers.append(header)


class ApiSchema(AutoSchema):
    """
    Describes an operation from what the view declares.

    A view may add, by action (or method): ``summaries`` and ``descriptions``; ``extra_parameters``;
    ``extra_errors``, statuses that only some of its actions answer; ``input_serializer_classes`` and
    ``output_serializer_classes``, None where there is no body; ``other_output_serializer_classes``, the shapes that
    an answer can have instead.
    """

    @property
    def _action(self) -> str:
        if getattr(self.view, "action_map", None):
            return getattr(self.view, "action", None) or ""
        return self.method.lower()

    def get_operation_id(self) -> str:
        name = getattr(self.view, "basename", None)
        if name is None:
            name = getattr(self.view, "operation_name", None)
            return f"{name}_{self.method.lower()}" if name else super().get_operation_id()
        return f"{name}_{self._action}".replace("-", "_")

    def get_tags(self) -> list[str]:
        return list(getattr(self.view, "tags", ())) or super().get_tags()

    def get_summary(self) -> str | None:
        summaries = getattr(self.view, "summaries", {})
        if self._action in summaries:
            return str(summaries[self._action])
        if self._action in _SUMMARIES:
            return _SUMMARIES[self._action].format(singular=self._noun(), plural=self._noun(plural=True))
        method = getattr(self.view, self._action, None)
        return (inspect.getdoc(method) or "").split("\n")[0].rstrip(".") or None

    def _noun(self, *, plural: bool = False) -> str:
        queryset = getattr(self.view, "queryset", None)
        singular = getattr(self.view, "noun", None) or (
            queryset.model._meta.verbose_name if queryset is not None else "it"
        )
        if plural:
            return str(getattr(self.view, "noun_plural", None) or f"{singular}s")
        return f"{'an' if str(singular)[0] in 'aeio' else 'a'} {singular}"

    def get_description(self) -> str:  # type: ignore[override]
        parts = []
        own = getattr(self.view, "descriptions", {}).get(self._action)
        if own is None and self._action not in _SUMMARIES:
            own = inspect.getdoc(getattr(self.view, self._action, None))
        parts.append(str(own or inspect.getdoc(type(self.view)) or ""))
        required = self._required()
        if required is Access.PUBLIC:
            parts.append("Open to anybody.")
        elif required is Access.AUTHENTICATED:
            parts.append("Needs somebody who is signed in.")
        elif required:
            parts.append(f"Needs the permission `{required}`.")
        return "\n\n".join(part for part in parts if part)

    def get_override_parameters(self) -> list[Any]:
        parameters = [
            *super().get_override_parameters(),
            *getattr(self.view, "extra_parameters", {}).get(self._action, ()),
        ]
        is_narrowed = self._action in getattr(self.view, "narrowed_actions", ()) or not getattr(
            self.view, "needs_no_organization", False
        )
        if isinstance(self.view, ViewSetMixin) and is_narrowed and self._required() is not Access.PUBLIC:
            parameters += _collection_headers
        if 412 in self._error_statuses():
            parameters.append(_IF_MATCH)
        if self._answers_single_object():
            parameters.append(_ETAG)
        return parameters

    def _answers_single_object(self) -> bool:
        if isinstance(self.view, ViewSetMixin):
            return self._action in _SINGLE_OBJECT_ACTIONS
        return hasattr(self.view, _SINGLE_OBJECT_METHODS.get(self._action, ""))

    def _required(self) -> str | None:
        declared = getattr(self.view, "required_permissions", {})
        return declared.get("update" if self._action == "partial_update" else self._action)

    def _is_list_view(self, serializer: Any = None) -> bool:
        if getattr(self.view, "action_map", None):
            return self._action == "list" and isinstance(self.view, ListModelMixin)
        return bool(super()._is_list_view(serializer))

    def get_request_serializer(self) -> Any:
        if self._action == "restore":
            return None
        declared = getattr(self.view, "input_serializer_classes", {})
        name = "update" if self._action == "partial_update" else self._action
        return declared[name] if name in declared else super().get_request_serializer()

    def _get_request_body(self, direction: Any = "request") -> Any:
        base: Any = super()  # it has no types, and knows no DELETE with a body
        if not self._is_delete_with_body():
            return base._get_request_body(direction)
        serializer = self.get_request_serializer()
        schema, is_required = base._get_request_for_media_type(serializer, direction)
        examples = base._get_examples(serializer, direction, JSONParser.media_type)
        content = {JSONParser.media_type: build_media_type_object(schema, examples)}
        return {"content": content, **({"required": True} if is_required else {})}

    def _is_delete_with_body(self) -> bool:
        return self.method == "DELETE" and self._action in getattr(self.view, "input_serializer_classes", {})

    def get_response_serializers(self) -> Any:
        declared = getattr(self.view, "output_serializer_classes", {})
        if self._action not in declared:
            return super().get_response_serializers()
        if declared[self._action] is None:
            return {204: None}
        others = getattr(self.view, "other_output_serializer_classes", {}).get(self._action, ())
        if not others:
            return declared[self._action]
        return PolymorphicProxySerializer(
            component_name=f"{self.get_operation_id()}_answer".title().replace("_", ""),
            serializers=[declared[self._action], *others],
            resource_type_field_name=None,
        )

    def _get_examples(
        self, serializer: Any, direction: Any, media_type: Any, status_code: Any = None, extras: Any = None
    ) -> dict[str, Any]:
        shapes = (
            serializer.serializers if isinstance(serializer, PolymorphicProxySerializer) else [serializer]
        )
        found: dict[str, Any] = {}
        for number, shape in enumerate(shapes):
            shown = shape() if isinstance(shape, type) else shape
            examples = super()._get_examples(  # type: ignore[no-untyped-call]
                shown, direction, media_type, status_code, extras
            )
            # those of several shapes may have one name
            found |= {f"{name}{number or ''}": value for name, value in examples.items()}
        return found

    def get_auth(self) -> list[dict[str, Any]]:
        ways: list[dict[str, Any]] = super().get_auth()
        # who is signed in is known there, and need not be
        return [*ways, {}] if ways and self._required() is Access.PUBLIC else ways

    def _error_statuses(self) -> list[int]:
        statuses = {405, 406, 429, 503, *getattr(self.view, "extra_errors", {}).get(self._action, ())}
        has_body = self.method in ("POST", "PUT", "PATCH") or self._is_delete_with_body()
        if self._required() is not Access.PUBLIC:
            statuses |= {401, 403, 404}
        if has_body:
            statuses |= {400, 413, 415}
        if self._is_list_view():
            statuses.add(400)
        if has_body or self.method == "DELETE":
            statuses.add(409)
        if self.method in ("PUT", "PATCH", "DELETE"):
            statuses.add(412)
        return sorted(statuses)

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        component = self.resolve_serializer(ProblemSerializer(), direction)
        for status in self._error_statuses():
            description, code, detail = _ERRORS[status]
            example = {
                "type": "about:blank",
                "title": phrase_of(status),
                "status": status,
                "detail": detail,
                "code": code,
                "request_id": "01920000-0000-7000-8000-000000000000",
            }
            if status == 400:
                example["errors"] = [
                    {"field": "name", "code": "required", "detail": "This field is required."}
                ]
            bodies[str(status)] = {
                "description": description,
                "content": {CONTENT_TYPE: {"schema": component.ref, "example": example}},
            }
        return bodies
