"""The scope: which organizations the work at hand may read and write."""

from __future__ import annotations

import functools
import inspect
import logging
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import FrameType, TracebackType
from typing import Any, TypeVar, cast
from uuid import UUID

from saas_kit.core import context
from saas_kit.core.context import Scope
from saas_kit.tenancy.exceptions import ScopeRequired

logger = logging.getLogger("saas_kit.tenancy")

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def current_scope() -> Scope | None:
    """Return the scope of the work at hand; None where none was set."""
    return context.scope.get()


def require_scope(model: type[Any]) -> Scope:
    """
    Return the scope of the work at hand.

    Raises:
        ScopeRequired: None was set.
    """
    found = context.scope.get()
    if found is None:
        raise ScopeRequired(model)
    return found


class _ScopeManager:
    """
    Sets a scope for a block or for each call of a function, sync or async.

    It keeps nothing of its own, so that one instance may be used again, nested, and by many threads.
    """

    _scope: Scope

    def _enter(self, frame: FrameType) -> None:
        if frame.f_code.co_flags & _GENERATORS:
            raise TypeError(
                "A scope in a generator could reach whoever consumes it; set it where the generator is consumed, "
                "or in a function that the generator calls."
            )
        _push(self._scope)

    def __enter__(self) -> Scope:
        self._enter(sys._getframe(1))
        return self._scope

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _pop()

    async def __aenter__(self) -> Scope:
        self._enter(sys._getframe(1))
        return self._scope

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _pop()

    def __call__(self, function: FunctionT) -> FunctionT:
        return _decorated(function, lambda *args, **kwargs: self)


def _push(entered: Scope) -> None:
    context.scope.set(replace(entered, outer=context.scope.get()))


def _pop() -> None:
    left = context.scope.get()
    context.scope.set(None if left is None else left.outer)


def _decorated(function: FunctionT, manager_for: Callable[..., _ScopeManager]) -> FunctionT:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError("A generator runs after the call that made it; set the scope where it is consumed.")
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def in_scope_async(*args: Any, **kwargs: Any) -> Any:
            with manager_for(*args, **kwargs):
                return await function(*args, **kwargs)

        return cast("FunctionT", in_scope_async)

    @functools.wraps(function)
    def in_scope(*args: Any, **kwargs: Any) -> Any:
        with manager_for(*args, **kwargs):
            return function(*args, **kwargs)

    return cast("FunctionT", in_scope)


class scope(_ScopeManager):  # noqa: N801 - read as a statement, as contextlib's managers are
    """
    Let the block, or the decorated function, touch the rows of one organization or of several, and no others.

    A scope inside another replaces it until its block ends.

    Args:
        organizations: An organization or its key, or an iterable of such; an empty one finds nothing.

    Raises:
        TypeError: Something else was given, or the block is in a generator.
    """

    def __init__(self, organizations: Any) -> None:
        several = organizations if isinstance(organizations, Iterable) else (organizations,)
        self._scope = Scope(frozenset(_key_of(each) for each in several))

    def __repr__(self) -> str:
        keys = ", ".join(sorted(str(each) for each in self._scope.organization_ids or ()))
        return f"scope({keys})"


class unscoped(_ScopeManager):  # noqa: N801 - read as a statement, as contextlib's managers are
    """
    Let the block, or the decorated function, touch the rows of every organization.

    Each use is logged to ``saas_kit.tenancy`` with the reason and the line that entered it.

    Args:
        reason: Why all organizations are needed.

    Raises:
        ValueError: No reason was given.
        TypeError: The block is in a generator.
    """

    def __init__(self, *, reason: str) -> None:
        if not reason or not reason.strip():
            raise ValueError("unscoped() needs a reason, which is written to the log.")
        self._scope = Scope(None, reason)

    def _enter(self, frame: FrameType) -> None:
        super()._enter(frame)
        while frame.f_code.co_filename == __file__ and frame.f_back is not None:
            frame = frame.f_back
        place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        logger.info("Every organization is in scope: %s (%s)", self._scope.reason, place)

    def __repr__(self) -> str:
        return f"unscoped(reason={self._scope.reason!r})"


def within_organization(function: FunctionT) -> FunctionT:
    """
    Run a service in the scope of what its first argument is or belongs to.

    The argument is an organization, or a row with an ``organization_id``. Whoever has the object may act on it, so
    that a service can be called from a shell or a command without a scope, and cannot touch anything else.
    """
    first = next(iter(inspect.signature(function).parameters))
    return _decorated(function, lambda *args, **kwargs: scope(_place_of(args[0] if args else kwargs[first])))


def _place_of(subject: Any) -> Any:
    if getattr(subject, "is_organization", False) or not hasattr(subject, "organization_id"):
        return subject
    return subject.organization_id


def _key_of(organization: Any) -> UUID:
    key = organization.pk if getattr(organization, "is_organization", False) else organization
    if not isinstance(key, UUID):
        raise TypeError(f"A scope takes organizations or their keys, not {type(organization).__name__}.")
    return key
