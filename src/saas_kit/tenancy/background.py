"""What work in the background takes along: the scope, the actor and the request that it is done for."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast
from uuid import UUID

from django.apps import apps

from saas_kit.core import context
from saas_kit.core.context import Scope, fresh_context
from saas_kit.tenancy.conf import organization_model
from saas_kit.tenancy.scoping import require_scope, scope

logger = logging.getLogger("saas_kit.tenancy")

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

KEY = "saas_kit"
"""The name under which a message or a stored task keeps what it carries."""

_LONGEST_REQUEST_ID = 64
_LONGEST_ACTOR_ID = 255


def to_carry() -> dict[str, Any] | None:
    """Return the scope, the actor and the request of the work at hand, as JSON can hold them; None without any."""
    facts: dict[str, Any] = {}
    found = context.scope.get()
    if found is not None and found.organization_ids is None:
        facts["everywhere"] = found.reason
    elif found is not None:
        facts["organizations"] = sorted(each.hex for each in found.organization_ids or ())
    if actor := context.actor_id.get():
        facts["actor"] = actor
    if request := context.request_id.get():
        facts["request"] = request
    return facts or None


@contextmanager
def carrying(facts: Any, *, name: str) -> Iterator[None]:
    """
    Run the block in a context of its own, with what ``to_carry()`` returned elsewhere and nothing else.

    What cannot be read gives no scope. What was there before comes back after the block.

    Args:
        facts: What a message or a stored task holds, whoever wrote it.
        name: What is run, for the log.
    """
    try:
        read_scope, actor, request = _read(facts)
    except (TypeError, ValueError):
        logger.warning("What %s carries cannot be read; it runs without a scope.", name)
        read_scope = actor = request = None
    with fresh_context(request=request):
        context.scope.set(read_scope)
        context.actor_id.set(actor)
        if read_scope is not None and read_scope.organization_ids is None:
            logger.info("Every organization is in scope: %s (%s)", read_scope.reason, name)
        yield


def needs_organization(function: FunctionT) -> FunctionT:
    """
    Run a task for those organizations of its scope that are not deleted; skip it where none is left.

    It goes below the decorator that makes the task. What is skipped returns None and is logged. The look costs one
    query for each run; none is made where every organization is in scope.

    Raises:
        ScopeRequired: The task has no scope; nothing was asked of the database.
    """
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            asked = _asked_for(function)
            if asked is None:
                return await function(*args, **kwargs)
            left = frozenset([key async for key in _alive(asked)])
            if not left and asked:
                return _skip(function, asked)
            with scope(left):
                return await function(*args, **kwargs)

        return cast("FunctionT", run_async)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        asked = _asked_for(function)
        if asked is None:
            return function(*args, **kwargs)
        left = frozenset(_alive(asked))
        if not left and asked:
            return _skip(function, asked)
        with scope(left):
            return function(*args, **kwargs)

    return cast("FunctionT", run)


def _read(facts: Any) -> tuple[Scope | None, str | None, str | None]:
    if facts is None:
        return None, None, None
    if not isinstance(facts, dict) or {"everywhere", "organizations"} <= facts.keys():
        raise TypeError
    read: Scope | None = None
    if "everywhere" in facts:
        reason = _text(facts["everywhere"])
        if not reason or not reason.strip():
            raise ValueError
        read = Scope(None, reason)
    elif "organizations" in facts:
        if not isinstance(facts["organizations"], list | tuple):
            raise TypeError
        read = Scope(frozenset(UUID(_text(each)) for each in facts["organizations"]))
    actor = _text(facts.get("actor"), longest=_LONGEST_ACTOR_ID)
    return read, actor, _text(facts.get("request"), longest=_LONGEST_REQUEST_ID)


def _text(value: Any, *, longest: int | None = None) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError
    if value is not None and longest is not None and len(value) > longest:
        raise ValueError
    return value


def _asked_for(function: Callable[..., Any]) -> frozenset[UUID] | None:
    return require_scope(cast("type[Any]", function)).organization_ids


def _alive(keys: Iterable[UUID]) -> Any:
    organizations = cast("Any", apps.get_model(organization_model())).objects
    return organizations.filter(pk__in=keys).values_list("pk", flat=True)


def _skip(function: Callable[..., Any], asked: Iterable[UUID]) -> None:
    keys = ", ".join(sorted(str(each) for each in asked))
    logger.info("%s was skipped: there is no organization %s any more.", function.__qualname__, keys)
