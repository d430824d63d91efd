"""Locks that let work be done by one process at a time."""

from __future__ import annotations

import functools
import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger("saas_kit.core")

FunctionT = TypeVar("FunctionT", bound=Callable[..., None])

# The transaction that holds a lock does nothing else, so that what ends idle ones must leave it alone. A machine that
# is gone, and with it whoever says so, is noticed within a minute.
_SESSION = {
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}

_held: set[str] = set()
_held_guard = threading.Lock()


@contextmanager
def try_lock(name: str) -> Iterator[bool]:
    """
    Try to take a lock for the block, without waiting; gives whether it was free.

    On PostgreSQL no two processes have it, whichever machines they are on. It is held by a transaction on a connection
    of its own, through PgBouncer too; where the process dies the server frees it, and so it does where that connection
    breaks. On other databases it is of this process only.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "postgresql":
        with _locked_there(connection, name) as is_taken:
            yield is_taken
    else:
        with _locked_here(name) as is_taken:
            yield is_taken


def one_at_a_time(function: FunctionT) -> FunctionT:
    """
    Let a task end at once where it is being done already; it goes below ``background_task``.

    The lock has the name of the function's dotted path.
    """
    name = f"{function.__module__}.{function.__qualname__}"

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        with try_lock(name) as is_taken:
            if is_taken:
                function(*args, **kwargs)
            else:
                logger.info("%s is being done already, and was left out.", name)

    return cast("FunctionT", run)


@contextmanager
def _locked_there(connection: BaseDatabaseWrapper, name: str) -> Iterator[bool]:
    own = connection.copy()
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            for parameter, value in _SESSION.items():
                cursor.execute(
                    "SELECT set_config(name, %s, true) FROM pg_settings WHERE name = %s", [value, parameter]
                )
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_key(name)])
            [is_taken] = cursor.fetchone()
        yield is_taken
    finally:
        _close(own, name)


def _close(connection: BaseDatabaseWrapper, name: str) -> None:
    try:
        connection.rollback()
    except DatabaseError:
        logger.warning("The connection that held the lock %s was lost.", name)
    finally:
        with suppress(DatabaseError):
            connection.close()


@contextmanager
def _locked_here(name: str) -> Iterator[bool]:
    with _held_guard:
        is_taken = name not in _held
        _held.add(name)
    try:
        yield is_taken
    finally:
        if is_taken:
            with _held_guard:
                _held.discard(name)


def _key(name: str) -> int:
    digest = hashlib.sha256(f"saas_kit:{name}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
