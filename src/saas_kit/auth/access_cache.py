"""
Finds the session of a token, its person and what decisions know of them: in the database, or in the shared cache.

An entry of the cache carries two versions that were read before the database was: one of its person, one of
everybody. It counts only while both are the present ones. Whatever changes what entries hold removes a version once it
is committed, and the next reader makes a new one at random. So an entry that was written late, by a reader that had
seen the state before, never counts.

Entries are JSON, signed with ``SECRET_KEY``: who can write to the cache cannot become somebody else by it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth import get_user_model
from django.core import signing
from django.db import connections, models, router, transaction
from django.utils import timezone

from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.models import Session
from saas_kit.caching import shared_cache
from saas_kit.core import caller, caller_changes
from saas_kit.core.caller_changes import Observer, People
from saas_kit.core.lookups import CompiledLookup

logger = logging.getLogger("saas_kit.auth")

_EVERYBODY = "access:v"
_VERSION_SECONDS = 24 * 60 * 60
_SALT = "saas_kit.auth.access_cache"
# of use to rotation only, which reads the row anew
_OF_ROTATION = frozenset({"refresh_id", "previous_refresh_id", "rotated_at", "password_fingerprint"})


@dataclass(frozen=True, slots=True)
class Found:
    """
    A session with its person.

    Attributes:
        is_live: What ``session.is_live`` said. It asks the database where the session came from the cache, which has
            no passwords.
    """

    session: Session
    is_live: bool


def find_session(session_id: UUID, user_id: str) -> Found | None:
    """
    Return a session of a person with what decisions know of them; None where the person has no such session.

    It takes one statement; where the host caches access, one round trip to the cache and, if that does not know,
    the statement. A cache that cannot be asked is done without.
    """
    if not AuthSettings.CACHE_ACCESS or _is_changing():
        return _load(session_id, user_id, router.db_for_read(Session))
    # what will be believed for a while is not read from a replica, which may lag behind
    using = router.db_for_write(Session)
    own, of_versions = f"access:s:{session_id}", (_EVERYBODY, _version_key(user_id))
    try:
        present = shared_cache.get_many([own, *of_versions])
        versions = [present.get(key) for key in of_versions]
        session = _read(present.get(own), versions, session_id, user_id, using)
        if session is None:
            versions = [_settle(key, present) for key in of_versions]
    except Exception:  # each backend raises what its client raises
        logger.warning("Who is calling was asked of the database, as the cache failed.", exc_info=True)
        return _load(session_id, user_id, using)
    if session is not None:
        return Found(session, is_live=True)
    found = _load(session_id, user_id, using)
    if found is not None and found.is_live and None not in versions:
        _keep(own, found.session, versions, using)
    return found


def connect() -> None:
    """Have everything that entries hold watched, once the models are loaded."""
    caller_changes.watch(Session, "user")
    caller_changes.watch(get_user_model(), "pk")
    caller_changes.add_observer(Observer(is_on=lambda: AuthSettings.CACHE_ACCESS, tell=forget))


def forget(people: People, using: str) -> None:
    """Let no entry of these people, or of anybody, count any more once the transaction is committed."""
    connection = transaction.get_connection(using)
    if not connection.in_atomic_block:
        _Forgetting(people)()
        return
    savepoints = set(connection.savepoint_ids)
    for inside, hook, *_ in connection.run_on_commit:
        # what is rolled back together is forgotten together
        if isinstance(hook, _Forgetting) and inside == savepoints:
            hook.add(people)
            return
    transaction.on_commit(_Forgetting(people), using, robust=True)


class _Forgetting:
    """What is due at a commit: people whose entries are of no use from then on."""

    def __init__(self, people: People) -> None:
        self.people = people

    def add(self, people: People) -> None:
        self.people = None if self.people is None or people is None else self.people | people

    def __call__(self) -> None:
        keys = [_EVERYBODY] if self.people is None else [_version_key(each) for each in self.people]
        try:
            # removed and not replaced, which a cache without free memory takes as well
            shared_cache.delete_many(keys)
        except Exception:
            logger.exception(
                "The cache did not learn of a change: what it has is believed for up to %d seconds.",
                AuthSettings.CACHE_ACCESS_SECONDS,
            )


def _is_changing() -> bool:
    """Tell whether this transaction changed what entries hold, so that only its own connection knows the truth."""
    return any(
        isinstance(hook, _Forgetting)
        for connection in connections.all(initialized_only=True)
        for _, hook, *_ in connection.run_on_commit
    )


def _version_key(user_id: Any) -> str:
    return f"{_EVERYBODY}:{user_id}"


def _settle(key: str, present: Mapping[str, object]) -> str | None:
    """Return the present version, made now where there is none; None where another reader was faster."""
    version = present.get(key)
    if isinstance(version, str):
        return version
    made = uuid4().hex
    if key not in present:
        return made if shared_cache.add(key, made, timeout=_VERSION_SECONDS) else None
    shared_cache.set(key, made, timeout=_VERSION_SECONDS)  # what is there is no version
    return made


@cache
def _sessions(using: str, parts: tuple[str, ...]) -> CompiledLookup:
    sessions = Session.objects.using(using).select_related("user")
    return CompiledLookup(caller.annotate_parts(sessions, user="user_id"))


def _load(session_id: UUID, user_id: str, using: str) -> Found | None:
    session = _sessions(using, caller.part_names()).get(session_id)
    if session is None or str(session.user_id) != user_id:
        return None
    caller.take_parts(session, session.user)
    return Found(session, session.is_live)


def _keep(key: str, session: Session, versions: Sequence[str | None], using: str) -> None:
    """Write the entry of a live session, unless something of it does not survive the way through JSON."""
    entry = {
        "shape": _sessions(using, caller.part_names()).shape,
        "versions": versions,
        "session": _values(session, _OF_ROTATION),
        "user": _values(session.user, _secrets()),
        "parts": caller.get_parts(session.user),
    }
    try:
        text = signing.dumps(entry, salt=_SALT, compress=True)
        back = _read(text, versions, session.pk, str(session.user_id), using)
    except (TypeError, ValueError):
        back = None
    if back is None or not (_is_same(back, session) and _is_same(back.user, session.user)):
        logger.warning("%s has a field that cannot be cached.", session.user._meta.label)
        return
    try:
        shared_cache.set(key, text, timeout=AuthSettings.CACHE_ACCESS_SECONDS)
    except Exception:
        logger.warning("Who is calling could not be cached.", exc_info=True)


def _read(
    text: object, versions: Sequence[object], session_id: UUID, user_id: str, using: str
) -> Session | None:
    """Return the session of an entry that counts; anything else is none."""
    if not isinstance(text, str):
        return None
    try:
        entry = signing.loads(text, salt=_SALT, max_age=AuthSettings.CACHE_ACCESS_SECONDS)
    except signing.BadSignature:
        return None
    shape = _sessions(using, caller.part_names()).shape
    if entry["shape"] != shape or entry["versions"] != list(versions):
        return None
    session: Session = _instance(Session, entry["session"], using)
    if session.pk != session_id or str(session.user_id) != user_id or not session.expires_at > timezone.now():
        return None
    session.user = _instance(get_user_model(), entry["user"], using)
    caller.set_parts(session.user, entry["parts"])
    return session


def _secrets() -> frozenset[str]:
    return frozenset({"password", *AuthSettings.CACHE_ACCESS_SECRETS})


def _values(instance: models.Model, left_out: frozenset[str]) -> dict[str, Any]:
    return {
        field.attname: _plain(field, instance)
        for field in instance._meta.concrete_fields
        if field.name not in left_out
    }


def _plain(field: Any, instance: models.Model) -> Any:
    value = field.value_from_object(instance)
    return value if value is None or type(value) in (bool, int, str) else field.value_to_string(instance)


def _instance(model: type[models.Model], values: dict[str, Any], using: str) -> Any:
    fields = [field for field in model._meta.concrete_fields if field.attname in values]
    names = [field.attname for field in fields]
    found = [None if (plain := values[field.attname]) is None else field.to_python(plain) for field in fields]
    return model.from_db(using, names, found)


def _is_same(back: models.Model, original: models.Model) -> bool:
    return all(
        getattr(back, field.attname) == getattr(original, field.attname)
        for field in original._meta.concrete_fields
        if field.attname not in back.get_deferred_fields()
    )
