"""The scope: set, nested, restored, and never carried over."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from saas_kit.core.context import fresh_context
from saas_kit.tenancy.scoping import current_scope, scope, unscoped, within_organization

pytestmark = pytest.mark.without_scope

A, B = uuid4(), uuid4()


def ids() -> frozenset[UUID] | None:
    found = current_scope()
    return frozenset() if found is None else found.organization_ids


class TestScope:
    def test_holds_one_or_several_and_ends(self):
        """A block has its scope; before and after it there is none."""
        assert current_scope() is None
        with scope(A):
            assert ids() == {A}
        with scope([A, B]):
            assert ids() == {A, B}
        assert current_scope() is None

    def test_nests(self):
        """The inner block's scope replaces the outer one's until it ends."""
        with scope(A):
            with scope(B):
                assert ids() == {B}
            with unscoped(reason="counting all"):
                assert ids() is None
            assert ids() == {A}

    def test_is_restored_after_an_exception(self):
        """An error does not leave a scope behind."""
        with scope(A):
            with pytest.raises(KeyError), scope(B):
                raise KeyError
            assert ids() == {A}
        assert current_scope() is None

    def test_one_instance_may_be_entered_again(self):
        """A scope keeps no state of its own."""
        a = scope(A)
        with a, scope(B), a:
            assert ids() == {A}
        assert current_scope() is None

    def test_decorates_functions(self):
        """Each call has the scope, and only the call."""

        @scope(A)
        def find() -> frozenset[UUID] | None:
            return ids()

        assert find() == {A}
        assert current_scope() is None

    def test_decorates_coroutine_functions(self):
        """The scope lasts until the coroutine ends, not until it is made."""

        @scope(A)
        async def find() -> frozenset[UUID] | None:
            await asyncio.sleep(0)
            return ids()

        assert asyncio.run(find()) == {A}

    def test_tasks_of_one_loop_do_not_mix(self):
        """Two hundred interleaved coroutines each see their own scope."""

        async def find(key: UUID) -> bool:
            async with scope(key):
                for _ in range(5):
                    await asyncio.sleep(0)
                    if ids() != {key}:
                        return False
            return current_scope() is None

        async def run() -> list[bool]:
            return await asyncio.gather(*(find(uuid4()) for _ in range(200)))

        assert all(asyncio.run(run()))

    def test_threads_do_not_mix(self):
        """One instance used by eight threads at once gives each its own scope, and leaves none."""
        shared = scope(A)

        def find(number: int) -> bool:
            if current_scope() is not None:
                return False
            key = uuid4()
            with shared, scope(key):
                mine = ids() == {key}
            return mine and current_scope() is None

        with scope(B), ThreadPoolExecutor(8) as pool:
            assert all(pool.map(find, range(2000)))

    def test_does_not_reach_into_a_fresh_context(self):
        """A request begins without a scope whatever was there, and gives it back."""
        with scope(A):
            with fresh_context():
                assert current_scope() is None
            assert ids() == {A}

    @pytest.mark.parametrize(
        "wrong",
        [None, 1, "a", b"a", [None], object()],
        ids=["none", "number", "text", "bytes", "list", "object"],
    )
    def test_refuses_what_is_no_organization(self, wrong):
        """A scope of nothing in particular is a mistake."""
        with pytest.raises(TypeError):
            scope(wrong)

    @pytest.mark.parametrize("manager", [scope(A), unscoped(reason="all")], ids=["scope", "unscoped"])
    def test_refuses_generators(self, manager):
        """A scope around a yield would reach the consumer."""

        def rows():
            with manager:
                yield 1

        async def async_rows():
            async with manager:
                yield 1

        with pytest.raises(TypeError, match="generator"):
            next(rows())
        with pytest.raises(TypeError, match="generator"):
            asyncio.run(anext(async_rows()))
        for function in (rows, async_rows):
            with pytest.raises(TypeError, match="generator"):
                manager(function)
        assert current_scope() is None


class TestUnscoped:
    @pytest.mark.parametrize("reason", ["", "  ", None])
    def test_needs_a_reason(self, reason):
        """Why all organizations are needed is part of the log."""
        with pytest.raises(ValueError, match="reason"):
            unscoped(reason=reason)

    def test_is_logged_with_its_caller(self, caplog):
        """The log has the reason and the line, of a block and of a decorated function's call."""
        caplog.set_level(logging.INFO, "saas_kit.tenancy")

        @unscoped(reason="nightly report")
        def report() -> None:
            assert ids() is None

        with unscoped(reason="count all"):
            pass
        report()

        assert [each.args[0] for each in caplog.records] == ["count all", "nightly report"]
        assert all("test_scoping.py:" in each.getMessage() for each in caplog.records)


def test_takes_organizations_only():
    """Whatever else has a key is refused, so that a mistake does not become a scope that finds nothing."""
    from saas_kit.tenancy.models import Account

    for wrong in (Account(name="x"), "acme", [Account(name="x")], None):
        with pytest.raises(TypeError):
            scope(wrong)


def test_a_service_needs_an_organization():
    """A row without an organization gives none; an organization, and a row of one, do."""
    from saas_kit.tenancy.models import Membership, get_organization_model

    @within_organization
    def look(subject):
        return current_scope().only

    organization = get_organization_model()(name="x")
    assert look(organization) == organization.pk
    assert look(Membership(organization=organization)) == organization.pk
    assert look(subject=organization) == organization.pk
    with pytest.raises(TypeError):
        look(Membership())


@pytest.mark.hosts("full", "default_user", "custom_organization")
def test_a_request_that_narrows_inside_a_block_gives_the_scope_back():
    """What a view sets around finding its object ends where the block ends."""
    from saas_kit.tenancy.api.narrowing import narrow_to
    from saas_kit.tenancy.models import get_organization_model

    organization = get_organization_model()(name="x")
    with scope([A, B]):
        with unscoped(reason="test"):
            narrow_to(organization)
            assert ids() == {organization.pk}
        assert ids() == {A, B}
    assert current_scope() is None
