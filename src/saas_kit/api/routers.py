"""Routers whose parts a host can replace by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter


class Router:
    """
    An ordered set of routes, each with a name.

    ``replacing(organization=MyViewSet)`` gives a router that serves another class under the same routes; the
    names are those of ``register()`` and ``view()``, with underscores for dashes.
    """

    def __init__(self) -> None:
        self._routes: dict[str, tuple[str, Any, bool]] = {}

    def register(self, prefix: str, viewset: Any, *, basename: str) -> None:
        """Add a viewset; ``prefix`` may have path converters, for collections below an object."""
        self._routes[basename] = (prefix, viewset, True)

    def view(self, route: str, view: Any, *, name: str) -> None:
        """Add a plain view."""
        self._routes[name] = (route, view, False)

    @classmethod
    def merged(cls, routers: Iterable[Router]) -> Self:
        """
        Return the routes of several routers; of two with one name the first counts, in the place of the last.

        The place matters where a path with a parameter comes after those that it would also match.
        """
        router = cls()
        for each in reversed(list(routers)):
            router._routes.update(each._routes)
        return router

    def replacing(self, **classes: Any) -> Self:
        """
        Return a router that serves other classes under the same routes.

        Raises:
            ImproperlyConfigured: There is no route of that name.
        """
        router = self.merged([self])
        names = {name.replace("-", "_"): name for name in self._routes}
        for key, replacement in classes.items():
            if key not in names:
                raise ImproperlyConfigured(
                    f"There is no route {key!r}. There are: {', '.join(sorted(names))}."
                )
            prefix, _, is_viewset = self._routes[names[key]]
            router._routes[names[key]] = (prefix, replacement, is_viewset)
        return router

    @property
    def urls(self) -> list[URLPattern | URLResolver]:
        """The URL patterns, for ``include()``."""
        patterns: list[URLPattern | URLResolver] = []
        for name, (route, view, is_viewset) in self._routes.items():
            if is_viewset:
                router = SimpleRouter(use_regex_path=False)
                router.register(route, view, basename=name)
                patterns.extend(router.urls)
            else:
                patterns.append(path(route, view.as_view(), name=name))
        return patterns
