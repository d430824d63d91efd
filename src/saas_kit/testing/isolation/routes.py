"""The routes of the host: from its URL configuration and from its OpenAPI document."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.regex_helper import normalize
from django.views import View

from saas_kit.testing.isolation.proof import same_route

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

_CONVERTED = re.compile(r"<(?:(?P<converter>[^>:]+):)?(?P<name>[^>]+)>")
_PARAMETER = re.compile(r"\{([^}]*)\}")


@dataclass(frozen=True)
class Route:
    """
    A method of a path.

    Attributes:
        template: The path as in the OpenAPI document, or else as in the URL configuration.
        converters: What the URL configuration lets a parameter be, by its name; empty where it lets it be any text.
        view: The view's class; None where the view is a function, or only the document knows the route.
        action: The viewset's action; None where there is none.
        name: The name of the URL pattern.
        operation: What the OpenAPI document says of it; empty where it says nothing.
        certain: Whether the view is known to have the method; a function does not say.
    """

    method: str
    template: str
    converters: Mapping[str, str] = field(default_factory=dict)
    view: Any = None
    initkwargs: Mapping[str, Any] = field(default_factory=dict)
    action: str | None = None
    name: str = ""
    operation: Mapping[str, Any] = field(default_factory=dict)
    certain: bool = True

    @property
    def label(self) -> str:
        """The route as reports and proofs name it."""
        return f"{self.method} {self.template}"

    @property
    def parameters(self) -> list[str]:
        """The names of the path's parameters, in order."""
        return _PARAMETER.findall(self.template)

    @property
    def segments(self) -> list[str]:
        """The parts of the path between slashes."""
        return [part for part in self.template.split("/") if part]

    @property
    def takes_tokens(self) -> bool:
        """Whether the view takes the tokens of ``saas_kit.auth``."""
        classes = getattr(self.view, "authentication_classes", None) or ()
        return any(
            each.__module__ == "saas_kit.auth.api.authentication" for cls in classes for each in cls.__mro__
        )

    @property
    def is_safe(self) -> bool:
        """Whether the method only reads."""
        return self.method == "GET"


def discover(urlconf: str | None, prefix: str) -> list[Route]:
    """
    Return every route below a prefix, sorted by path and method.

    What the URL configuration and the OpenAPI document both have is one route, named as in the document; what only
    one of them has is a route too.
    """
    document = read_document(urlconf)
    operations = {
        same_route(f"{method.upper()} {template}"): (template, method.upper(), operation)
        for template, path in document.get("paths", {}).items()
        for method, operation in path.items()
        if method.upper() in METHODS
    }
    found: dict[str, Route] = {}
    for route in _routes_of_patterns(get_resolver(urlconf).url_patterns):
        if not route.template.startswith(prefix) or "format" in route.parameters:
            continue
        template, _method, operation = operations.pop(same_route(route.label), (route.template, "", {}))
        known = found.setdefault(same_route(route.label), _renamed(route, template, operation))
        if not known.certain and route.certain:
            found[same_route(route.label)] = _renamed(route, template, operation)
    for template, method, operation in operations.values():
        if template.startswith(prefix):
            found[same_route(f"{method} {template}")] = Route(method, template, operation=operation)
    return sorted(found.values(), key=lambda each: (each.template, METHODS.index(each.method)))


def _renamed(route: Route, template: str, operation: Mapping[str, Any]) -> Route:
    names = dict(zip(route.parameters, _PARAMETER.findall(template), strict=False))
    return Route(
        route.method,
        template,
        {names.get(name, name): converter for name, converter in route.converters.items()},
        route.view,
        route.initkwargs,
        route.action,
        route.name,
        operation,
        route.certain,
    )


def read_document(urlconf: str | None) -> dict[str, Any]:
    """Return the OpenAPI document that drf-spectacular makes; an empty one where it is not installed."""
    if not apps.is_installed("drf_spectacular"):
        return {}
    get_resolver(urlconf).url_patterns  # noqa: B018 - the host's modules are loaded in the host's own order
    from drf_spectacular.drainage import GENERATOR_STATS  # noqa: PLC0415 - a host may do without
    from drf_spectacular.generators import SchemaGenerator  # noqa: PLC0415 - the same

    with GENERATOR_STATS.silence():
        made = SchemaGenerator(urlconf=urlconf).get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    document: dict[str, Any] = made
    return document


def resolved(schema: Any, document: Mapping[str, Any]) -> Any:
    """Return a schema with what it refers to in the document put in its place."""
    while isinstance(schema, Mapping) and "$ref" in schema:
        found: Any = document
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _routes_of_patterns(
    patterns: list[Any], before: str = "/", converters: Mapping[str, str] | None = None
) -> Iterator[Route]:
    converters = converters or {}
    for each in patterns:
        for template, more in _templates_of(each.pattern):
            path = _joined(before, template)
            if isinstance(each, URLResolver):
                if each.app_name != "admin":
                    yield from _routes_of_patterns(each.url_patterns, path, {**converters, **more})
            elif isinstance(each, URLPattern):
                for method, action, certain in _methods_of(each.callback):
                    yield Route(
                        method,
                        path,
                        {**converters, **more},
                        _class_of(each.callback),
                        getattr(each.callback, "initkwargs", None)
                        or getattr(each.callback, "view_initkwargs", None)
                        or {},
                        action,
                        each.name or "",
                        {},
                        certain,
                    )


def _joined(before: str, after: str) -> str:
    return before + after.removeprefix("/") if before.endswith("/") else before + after


def _templates_of(pattern: Any) -> list[tuple[str, dict[str, str]]]:
    if hasattr(pattern, "_route"):
        route = str(pattern._route)
        names = {found["name"]: found["converter"] or "str" for found in _CONVERTED.finditer(route)}
        return [(_CONVERTED.sub(lambda found: f"{{{found['name']}}}", route), names)]
    if hasattr(pattern, "language_prefix"):
        return [(pattern.language_prefix, {})]
    # of a regular expression, a path that it matches
    for template, parameters in normalize(pattern._regex)[:1]:
        return [(template % {name: f"{{{name}}}" for name in parameters}, dict.fromkeys(parameters, ""))]
    return []


def _class_of(callback: Any) -> Any:
    return getattr(callback, "cls", None) or getattr(callback, "view_class", None)


def _methods_of(callback: Any) -> list[tuple[str, str | None, bool]]:
    actions = getattr(callback, "actions", None)
    if actions:
        cls: Any = _class_of(callback)
        allowed = {name.lower() for name in getattr(cls, "http_method_names", METHODS)}
        pairs = ((method.upper(), action) for method, action in actions.items() if method.lower() in allowed)
        return [(method, action, True) for method, action in pairs if method in METHODS]
    cls = _class_of(callback)
    if inspect.isclass(cls) and issubclass(cls, View):
        allowed = {name.lower() for name in cls.http_method_names}
        return [
            (method, None, True)
            for method in METHODS
            if method.lower() in allowed and hasattr(cls, method.lower())
        ]
    declared = _declared_methods(callback)
    if declared is not None:
        return [(method, None, True) for method in METHODS if method in declared]
    return [(method, None, False) for method in METHODS]


def _declared_methods(callback: Callable[..., Any] | None) -> set[str] | None:
    """Return what ``require_http_methods`` and its like let through; None where a function has none of them."""
    while callback is not None:
        names = getattr(getattr(callback, "__code__", None), "co_freevars", ())
        cells = getattr(callback, "__closure__", None) or ()
        for name, cell in zip(names, cells, strict=False):
            if name == "request_method_list":
                return {str(method).upper() for method in cell.cell_contents}
        callback = getattr(callback, "__wrapped__", None)
    return None
