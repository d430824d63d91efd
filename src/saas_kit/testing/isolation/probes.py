"""
What is tried on each route with keys of B's in the path and in headers, by outsiders, and with what is cached.

A probe is a request of somebody who has no business in B.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from saas_kit.testing.isolation.bodies import at, like, replaced
from saas_kit.testing.isolation.member_probes import places
from saas_kit.testing.isolation.oracle import Oracle, Tried, neutral
from saas_kit.testing.isolation.rows import undone
from saas_kit.testing.isolation.twins import Twin
from saas_kit.testing.isolation.world import unknown_like


def probe_path(oracle: Oracle, twin: Twin) -> None:
    """B's key at each place of the path in turn, and at all of them: the nested route that checks one only."""
    for keys in _foreign_paths(oracle, twin):
        known = twin.call.with_path(**keys)
        unknown = twin.call.with_path(**{name: unknown_like(value) for name, value in keys.items()})
        oracle.compare(twin, "path", oracle.attempt(known, twin.prepare), unknown)


def _foreign_paths(oracle: Oracle, twin: Twin) -> Iterator[dict[str, str]]:
    others = {name: oracle.world.counterpart(value) for name, value in twin.call.path.items()}
    known = {name: value for name, value in others.items() if value is not None}
    for name, value in known.items():
        yield {name: value}
    if len(known) > 1:
        yield known


def probe_outsiders(oracle: Oracle, twin: Twin) -> None:
    """The stranger, who is in no organization, and nobody at all, with B's keys."""
    others = {name: oracle.world.counterpart(value) or value for name, value in twin.call.path.items()}
    unknown_path = {
        name: unknown_like(value) if value != twin.call.path[name] else value
        for name, value in others.items()
    }
    for who in ("stranger", "anonymous"):
        known = twin.call.with_path(**others).with_body(_foreign_body(oracle, twin))
        tried = oracle.attempt(known, twin.prepare, who=who)
        if others == twin.call.path:
            oracle.judge(twin, who, tried, who=who)
        else:
            oracle.compare(twin, who, tried, known.with_path(**unknown_path), who=who)


def _foreign_body(oracle: Oracle, twin: Twin) -> Any:
    body = twin.call.body
    for path, value in places(oracle, twin, body):
        body = replaced(body, path, like(at(body, path), oracle.world.counterpart(value) or value))
    return body


def probe_headers(oracle: Oracle, twin: Twin) -> None:
    """Headers that name B: those that hosts resolve the organization from, and a method in disguise."""
    organization = oracle.world.b.organization
    slug = str(getattr(organization, "slug", organization.pk))
    for names, value in (
        (("X-Organization",), str(organization.pk)),
        (("X-Organization",), slug),
        (("X-Org-Id", "X-Tenant-ID"), str(organization.pk)),
    ):
        known = twin.call.with_headers(**dict.fromkeys(names, value))
        unknown = twin.call.with_headers(**dict.fromkeys(names, unknown_like(value)))
        oracle.compare(twin, "headers", oracle.attempt(known, twin.prepare), unknown)
    if twin.route.method == "POST" or not twin.call.path:
        return
    for keys in list(_foreign_paths(oracle, twin))[-1:]:
        disguised = (
            replace(twin.call, method="POST")
            .with_path(**keys)
            .with_headers(**{"X-HTTP-Method-Override": twin.route.method})
        )
        unknown = disguised.with_path(**{name: unknown_like(value) for name, value in keys.items()})
        oracle.compare(twin, "headers", oracle.attempt(disguised, twin.prepare), unknown)


def probe_cache(oracle: Oracle, twin: Twin) -> None:
    """The answer after B's owner asked for the same: what is cached for one must not be served to another."""
    if not twin.route.is_safe:
        return
    with undone(oracle.world.aliases):
        oracle.prepare(twin.prepare)
        oracle.sent("owner of b", twin.call)
        after = Tried(twin.call, oracle.sent("owner", twin.call), ())
    if oracle.judge(twin, "cache", after):
        return
    before = Tried(twin.call, twin.answer, ())
    if neutral(before) != neutral(after) and _is_stable(oracle, twin):
        oracle.leak(
            twin.route, "cache", "owner", "the answer is another one after B's owner asked", twin.call
        )


def _is_stable(oracle: Oracle, twin: Twin) -> bool:
    again = [Tried(twin.call, oracle.send(twin.call, twin.prepare), ()) for _ in range(2)]
    return neutral(again[0]) == neutral(again[1])
