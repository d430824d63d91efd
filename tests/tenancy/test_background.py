"""What work in the background carries, and what is done where its organization is gone."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
from importlib.util import find_spec
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import async_to_sync

from saas_kit.core import context
from saas_kit.core.context import fresh_context
from saas_kit.tenancy import current_scope, scope, unscoped
from saas_kit.tenancy.background import carrying, needs_organization, to_carry
from saas_kit.tenancy.exceptions import ScopeRequired

pytestmark = pytest.mark.without_scope

A, B = UUID("01920000-0000-7000-8000-00000000000a"), UUID("01920000-0000-7000-8000-00000000000b")


class TestCarrying:
    def test_goes_through_json(self):
        """The scope, the actor and the request come out as they went in."""
        with fresh_context(request="request-1"), scope([A, B]):
            context.actor_id.set("7")
            facts = json.loads(json.dumps(to_carry()))

        with carrying(facts, name="a task"):
            found = current_scope()
            assert found is not None
            assert found.organization_ids == {A, B}
            assert context.actor_id.get() == "7"
            assert context.request_id.get() == "request-1"
        assert current_scope() is None

    def test_every_organization(self, caplog):
        """The reason goes along, and is logged where it is used again."""
        with unscoped(reason="counting all"):
            facts = to_carry()

        with caplog.at_level(logging.INFO, "saas_kit.tenancy"), carrying(facts, name="a task"):
            found = current_scope()
            assert found is not None
            assert (found.organization_ids, found.reason) == (None, "counting all")
        assert caplog.messages[-1] == "Every organization is in scope: counting all (a task)"

    def test_nothing(self):
        """Without anything at hand nothing is carried, and what is at hand elsewhere does not come in."""
        assert to_carry() is None
        with fresh_context(request="request-1", ip="192.0.2.1"), scope(A):
            with carrying(None, name="a task"):
                assert to_carry() is None
                assert context.ip_address.get() is None
            assert context.ip_address.get() == "192.0.2.1"

    def test_what_cannot_be_read_is_logged(self, caplog):
        """It gives no scope and no error."""
        with carrying({"organizations": "all", "actor": "7"}, name="a task"):
            assert to_carry() is None
        assert caplog.messages == ["What a task carries cannot be read; it runs without a scope."]


@needs_organization
def find() -> Any:
    """Return the scope that a task has."""
    found = current_scope()
    assert found is not None
    return found.organization_ids


@needs_organization
async def find_async() -> Any:
    """Return the scope that a task has."""
    await asyncio.sleep(0)
    found = current_scope()
    assert found is not None
    return found.organization_ids


def find_in_loop() -> Any:
    return async_to_sync(find_async)()


@pytest.mark.parametrize("run", [find, find_in_loop], ids=["sync", "async"])
class TestNeedsOrganization:
    def test_raises_before_any_query(self, run):
        """I16: without a scope it is an error, and the database, which this test may not use, is not asked."""
        with pytest.raises(ScopeRequired, match="find"):
            run()

    def test_asks_nothing_where_all_are_meant(self, run):
        """Every organization in scope is a scope."""
        with unscoped(reason="counting all"):
            assert run() is None

    @pytest.mark.django_db
    def test_is_skipped_where_the_organization_is_deleted(self, run, make_organization, caplog):
        """I16: the task of a deleted organization is a no-op that is logged; that of another runs."""
        from saas_kit.tenancy.services import delete_organization

        deleted, kept = make_organization(), make_organization()
        delete_organization(deleted, actor=None)

        with caplog.at_level(logging.INFO, "saas_kit.tenancy"):
            with scope(deleted):
                assert run() is None
            assert f"there is no organization {deleted.pk} any more" in caplog.messages[-1]
            with scope(uuid4()):
                assert run() is None
        with scope(kept):
            assert run() == {kept.pk}
        with scope([deleted, kept]):
            assert run() == {kept.pk}
        with scope([]):
            assert run() == frozenset()


@pytest.mark.django_db
def test_look_costs_one_query(make_organization, django_assert_num_queries):
    """The price of the look is one query for each run."""
    kept = make_organization()
    with scope(kept), django_assert_num_queries(1):
        find()


@pytest.mark.skipif(find_spec("django.tasks") is None, reason="this version of Django has no tasks")
class TestDjangoTasks:
    @pytest.fixture(autouse=True)
    def tasks(self, settings) -> Any:
        """The tasks of a host."""
        settings.TASKS = {
            "default": {"BACKEND": "tests.tenancy.background_tasks.ScopedImmediateBackend"},
            "stored": {"BACKEND": "tests.tenancy.background_tasks.ScopedStoringBackend"},
            "plain": {"BACKEND": "tests.tenancy.background_tasks.StoringBackend"},
        }
        from tests.tenancy import background_tasks

        return background_tasks

    def test_immediate_task_has_the_scope_of_its_caller(self, tasks):
        """It has what a worker's would have, sync or async, with the context of the task or without."""
        with fresh_context(request="request-1", ip="192.0.2.1"), scope(A):
            context.actor_id.set("7")
            results = [tasks.report.enqueue(), asyncio.run(tasks.report_async.aenqueue())]
            with_context = tasks.report_with_context.enqueue(word="hello")
            assert context.ip_address.get() == "192.0.2.1"

        expected = [[str(A)], "7", "request-1"]
        assert [each.return_value for each in results] == [expected] * 2
        assert with_context.return_value == [1, "hello", *expected]
        assert tasks.report.enqueue().return_value == [None, None, None]

    def test_worker_keeps_nothing(self, tasks):
        """T9: each of the tasks that one worker runs has its own scope, after others that failed or left theirs."""
        with scope(A):
            tasks.report_later.enqueue("a")
            tasks.leave_scope_open.enqueue()
            tasks.fail.enqueue()
        tasks.report_later.enqueue("none")
        with scope(B):
            tasks.report_later.enqueue(word="b")
        with unscoped(reason="counting all"):
            tasks.report_later.enqueue()

        outcomes = tasks.work("stored")

        assert isinstance(outcomes.pop(2), LookupError)
        assert outcomes == [
            ["a", [str(A)], None, None],
            None,
            ["none", None, None, None],
            ["b", [str(B)], None, None],
            ["", ["everywhere"], None, None],
        ]

    @pytest.mark.hosts("full")
    @pytest.mark.django_db
    def test_task_without_a_scope_raises(self, tasks):
        """T9: what touches rows of organizations needs a scope."""
        tasks.count_widgets.enqueue()

        assert [type(each) for each in tasks.work("stored")] == [ScopeRequired]

    def test_other_backends(self, tasks):
        """A task that was declared for a backend without scopes runs on any, without one."""
        with scope(A):
            tasks.report_plainly.enqueue()
            tasks.report_plainly.using(backend="stored").enqueue()
            tasks.report_later.using(backend="plain").enqueue()

        assert tasks.work("plain") == [[None, None, None], ["", None, None, None]]
        assert tasks.work("stored") == [[None, None, None]]

    def test_direct_call(self, tasks):
        """A task that is called directly is a function of its caller's."""
        with scope(A):
            assert tasks.report.call() == [[str(A)], None, None]

    def test_task_can_be_pickled(self, tasks):
        """As Django's own can."""
        assert pickle.loads(pickle.dumps(tasks.report_later)) == tasks.report_later
