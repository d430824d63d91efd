"""The prover finds everything that is planted in the seeded host, and reports nothing of its clean twin."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.hosts.seeded.seeds import SEEDS

pytestmark = pytest.mark.hosts("seeded")


def _same(route: str) -> str:
    # what the parameters are called is the router's business
    return re.sub(r"\{[^}]*\}", "{}", route)


def _routes_of(names: Any) -> set[str]:
    return {_same(route) for name in names for route in SEEDS[name]}


def _prove(urlconf: str, blocker: Any) -> Any:
    from saas_kit.testing.isolation import IsolationProof, prove

    with blocker.unblock():
        return prove(IsolationProof(urlconf=f"tests.hosts.seeded.{urlconf}"))


@pytest.fixture(scope="module")
def leaky(django_db_setup: None, django_db_blocker: Any) -> Any:
    """What the prover says of the leaky twin."""
    return _prove("urls", django_db_blocker)


@pytest.fixture(scope="module")
def clean(django_db_setup: None, django_db_blocker: Any) -> Any:
    """What the prover says of the clean twin."""
    return _prove("urls_clean", django_db_blocker)


@pytest.mark.parametrize("seed", list(SEEDS))
def test_each_seed_is_found(seed: str, leaky: Any) -> None:
    found = [leak for leak in leaky.leaks if _same(leak.route) in _routes_of([seed])]

    assert found, leaky.table()
    for leak in found:
        assert leak.evidence
        assert leak.curl.startswith("curl ")


def test_no_leak_is_reported_where_none_is_planted(leaky: Any) -> None:
    planted = _routes_of(SEEDS)

    assert [leak for leak in leaky.leaks if _same(leak.route) not in planted] == []


def test_the_leaky_twin_is_exercised_as_a_whole(leaky: Any) -> None:
    assert leaky.unexercised == []
    assert not leaky.is_clean


def test_the_clean_twin_has_no_leak_and_every_route_is_exercised(clean: Any) -> None:
    assert clean.leaks == []
    assert clean.unexercised == []
    assert clean.is_clean, clean.table()


@pytest.mark.django_db
def test_nothing_of_a_proof_is_left(clean: Any) -> None:
    from tests.hosts.seeded.library.models import Comment, Document, Folder, Label

    assert [model.objects.count() for model in (Comment, Document, Folder, Label)] == [0, 0, 0, 0]
