"""Typed settings that are read when they are used."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import types
import typing
from typing import Any, ClassVar

from django.conf import settings

import saas_kit


class _Setting:
    """Reads one name from Django's settings, or gives its default."""

    def __init__(self, name: str, default: Any) -> None:
        self.name = name
        self.default = default

    def __get__(self, instance: object | None, owner: type[AppSettings]) -> Any:
        return getattr(settings, self.name, self.default)


class AppSettings:
    """
    The settings of one app.

    A subclass names its ``prefix`` and declares each setting as an annotated attribute with its default and
    a docstring below it. Values are read from Django's settings on every access, so ``override_settings``
    works.
    """

    prefix: ClassVar[str]
    registry: ClassVar[list[type[AppSettings]]] = []
    declared: ClassVar[dict[str, _Setting]] = {}

    def __init_subclass__(cls) -> None:
        cls.declared = {}
        for name in cls.__annotations__:
            if name.isupper():
                descriptor = _Setting(cls.prefix + name, cls.__dict__[name])
                cls.declared[name] = descriptor
                setattr(cls, name, descriptor)
        AppSettings.registry.append(cls)

    @classmethod
    def types(cls) -> dict[str, Any]:
        """Return the declared type of each setting, keyed by its full name."""
        hints = typing.get_type_hints(cls)
        return {setting.name: hints[name] for name, setting in cls.declared.items()}


class CoreSettings(AppSettings):
    """The settings that concern every app."""

    prefix = "SAAS_KIT_CORE_"

    TRUSTED_PROXIES: int = 0
    """
    How many proxies in front of the server append the address that they saw to ``X-Forwarded-For``.

    The client's address is then the entry that the outermost of them wrote: the first from the right with 1, the
    second with 2. What clients write themselves stands left of it and is not read. With 0 the header is not read, and
    the address is ``REMOTE_ADDR``; so it is where there are fewer entries, or something else than an address.
    """

    CELERY_APP: str = ""
    """
    Where the project's Celery app is, such as ``config.celery.app``: work in the background is handed over to its
    workers. Left empty, it goes to ``SAAS_KIT_CORE_TASK_BACKEND``, and without that it is done at once, by whoever
    caused it.
    """

    TASK_BACKEND: str = ""
    """The alias of a backend in Django's ``TASKS`` that work in the background is handed over to; needs Django 6.0."""


def all_settings() -> list[type[AppSettings]]:
    """Return the settings classes of every app of the kit, whether or not it is installed."""
    for module in pkgutil.iter_modules(saas_kit.__path__, "saas_kit."):
        if module.ispkg and importlib.util.find_spec(f"{module.name}.conf") is not None:
            importlib.import_module(f"{module.name}.conf")
    return [cls for cls in AppSettings.registry if cls.__module__.startswith("saas_kit.")]


def matches(value: object, annotation: Any) -> bool:
    """Tell whether a value is of an annotated type; unions, literals, tuples, lists and mappings are looked into."""
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if annotation is Any:
        return True
    if annotation is None or annotation is type(None):
        return value is None
    if origin in (typing.Union, types.UnionType):
        return any(matches(value, argument) for argument in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is tuple:
        # a settings file may say [] where () is meant; both are read alike
        return isinstance(value, tuple | list) and all(matches(item, arguments[0]) for item in value)
    if origin is not None:
        return isinstance(value, origin)
    if annotation in (int, float) and isinstance(value, bool):
        return False
    if annotation is float:
        return isinstance(value, int | float)
    return isinstance(value, annotation)
