"""Runs the proof from the world to the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.core.cache import caches
from django.test.utils import override_settings
from django.urls import clear_url_caches, get_resolver

from saas_kit.auth import limits
from saas_kit.tenancy import limits as tenancy_limits
from saas_kit.tenancy import unscoped
from saas_kit.testing.isolation.bodies import Bodies
from saas_kit.testing.isolation.kit import with_kit
from saas_kit.testing.isolation.member_probes import probe_body
from saas_kit.testing.isolation.oracle import Oracle
from saas_kit.testing.isolation.others import probe_others
from saas_kit.testing.isolation.probes import probe_cache, probe_headers, probe_outsiders, probe_path
from saas_kit.testing.isolation.proof import IsolationProof
from saas_kit.testing.isolation.query_probes import probe_query
from saas_kit.testing.isolation.report import PROBES, Report
from saas_kit.testing.isolation.routes import Route, discover, read_document
from saas_kit.testing.isolation.rows import tables, undone
from saas_kit.testing.isolation.shapes import Shape, body_examples, body_shape, query_shapes
from saas_kit.testing.isolation.twins import Twin, Twins
from saas_kit.testing.isolation.world import World


def prove(proof: IsolationProof | None = None) -> Report:
    """
    Try to reach from one organization what belongs to another, on every route of the host.

    It needs a test database that it may write to; what it writes is undone.

    Args:
        proof: What the host says of itself; None where there is nothing to say.
    """
    proof = proof or IsolationProof()
    report = Report()
    with ExitStack() as stack:
        stack.enter_context(_settings(proof))
        stack.enter_context(unscoped(reason="the isolation prover looks at every row"))
        forget_caches = stack.enter_context(_own_caches())
        document, routes = read_document(proof.urlconf), discover(proof.urlconf, proof.prefix)
        proof = with_kit(proof, routes)
        stack.enter_context(undone(_aliases()))
        world = World(proof)
        for label, why in world.unmade.items():
            report.skip(label, "twin", why, proof.unexercised)
        oracle = Oracle(world, report, forget_caches)
        _run(proof, oracle, routes, document)
    return report


def assert_api_isolated(proof: IsolationProof | None = None, **overrides: Any) -> Report:
    """
    Prove that no route reaches across organizations.

    Args:
        proof: What the host says of itself.
        overrides: Fields of the proof that are to be others.

    Raises:
        AssertionError: Something leaks, or was not exercised and is not named with a reason; the message has the
            table, and each leak's request as a command line.
    """
    report = prove(replace(proof or IsolationProof(), **overrides))
    if not report.is_clean:
        raise AssertionError(f"The API is not proved to be isolated.\n\n{report.summary()}")
    return report


def _run(proof: IsolationProof, oracle: Oracle, routes: list[Route], document: dict[str, Any]) -> None:
    twins = Twins(proof, oracle.world, oracle.send, routes)
    reads: list[tuple[Twin, dict[str, Shape]]] = []
    for route in routes:
        bodies = Bodies(route, body_shape(route, document), body_examples(route, document), oracle.world.a)
        twin = twins.find(route, bodies)
        if not twin.is_there:
            continue
        shapes = query_shapes(route, document)
        _probe(proof, oracle, twin, shapes)
        if route.is_safe and twin.answer.ok and twin.answer.queried:
            reads.append((twin, shapes))
    probe_others(oracle, reads)
    for label, why in oracle.troubles.items():
        probe = why.partition(":")[0]
        oracle.report.skip(label, probe if probe in PROBES else "twin", why, proof.unexercised)


def _probe(proof: IsolationProof, oracle: Oracle, twin: Twin, shapes: dict[str, Shape]) -> None:
    label, report = twin.route.label, oracle.report
    if twin.why:
        report.skip(label, "twin", twin.why, proof.unexercised)
    else:
        oracle.judge(twin, "twin", oracle.attempt(twin.call, twin.prepare))
    probe_outsiders(oracle, twin)
    probe_cache(oracle, twin)
    if twin.answer.ok and not twin.answer.queried:
        return  # what never asks the database knows nothing of anybody's rows
    probe_path(oracle, twin)
    probe_query(oracle, twin, shapes)
    probe_headers(oracle, twin)
    refused = probe_body(oracle, twin)
    if refused and not twin.why:
        why = f"no key of the caller's own was accepted in the body: {', '.join(refused)}"
        report.skip(label, "body", why, proof.unexercised)


def _aliases() -> list[str]:
    return sorted({table.alias for table in tables()})


@contextmanager
def _settings(proof: IsolationProof) -> Iterator[None]:
    changed: dict[str, Any] = {
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
        # a slow machine must not outlive its tokens
        "SAAS_KIT_AUTH_ACCESS_TOKEN_LIFETIME": timedelta(days=1),
        # one caller asks more often than people do
        "SAAS_KIT_AUTH_RATE_LIMITS": dict.fromkeys(limits.DEFAULTS)
        if apps.is_installed("saas_kit.auth")
        else {},
        "SAAS_KIT_TENANCY_RATE_LIMITS": dict.fromkeys(tenancy_limits.DEFAULTS),
    }
    get_resolver().url_patterns  # noqa: B018 - the host's modules are loaded in the host's own order
    if proof.urlconf is not None:
        changed["ROOT_URLCONF"] = proof.urlconf
    with override_settings(**changed):
        clear_url_caches()
        yield
    clear_url_caches()


@contextmanager
def _own_caches() -> Iterator[Callable[[], None]]:
    """Let the host's caches be used under keys of one's own, and yield what makes them forget."""
    backends: list[Any] = caches.all()
    before = [backend.key_prefix for backend in backends]
    run, numbers = uuid4().hex, count()

    def forget() -> None:
        number = next(numbers)
        for backend, prefix in zip(backends, before, strict=True):
            backend.key_prefix = f"{prefix}{run}-{number}"

    forget()
    try:
        yield forget
    finally:
        for backend, prefix in zip(backends, before, strict=True):
            backend.key_prefix = prefix
