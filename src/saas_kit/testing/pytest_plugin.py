"""
Fixtures for a host's tests, on top of pytest-django.

A host names this module in the ``conftest.py`` at the root of its tests:
``pytest_plugins = ["saas_kit.testing.pytest_plugin"]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

import pytest
from django.dispatch import Signal

from saas_kit.tenancy import unscoped


@pytest.fixture
def on_commit(
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[list[Callable[[], Any]]]],
) -> Callable[[], AbstractContextManager[list[Callable[[], Any]]]]:
    """
    Let the kit's signals, and all else that waits for the commit, happen inside a test's transaction.

    A test that is wrapped in a transaction never commits. What waits for it runs at the end of the block::

        with on_commit():
            create_team(organization, name="Design", actor=None)
    """
    return partial(django_capture_on_commit_callbacks, execute=True)


@pytest.fixture
def catch_signal() -> Callable[[Signal], AbstractContextManager[list[dict[str, Any]]]]:
    """
    Collect what a signal is sent with, as one dictionary of arguments (``sender`` among them) for each time::

        with catch_signal(team_created) as sent, on_commit():
            team = create_team(organization, name="Design", actor=None)
        assert sent[0]["team"] == team
    """

    @contextmanager
    def catch(signal: Signal) -> Iterator[list[dict[str, Any]]]:
        sent: list[dict[str, Any]] = []

        def receive(signal: Signal, **arguments: Any) -> None:
            sent.append(arguments)

        signal.connect(receive)
        try:
            yield sent
        finally:
            signal.disconnect(receive)

    return catch


@pytest.fixture
def prove_isolation(db: None) -> Callable[..., Any]:
    """
    Prove that no route of the API reaches across organizations, and return the report::

        def test_no_route_reaches_across(prove_isolation):
            prove_isolation(unexercised={"POST /api/v1/imports/": "it takes a file"})

    It takes what ``assert_api_isolated()`` takes: an ``IsolationProof``, or its fields. What leaks, or was not
    exercised and is not named with a reason, fails the test.
    """
    from saas_kit.testing.isolation import assert_api_isolated  # noqa: PLC0415 - models are loaded by now

    return assert_api_isolated


@pytest.fixture
def every_organization() -> Iterator[None]:
    """
    Let the test itself look at the rows of every organization.

    Requests that it makes, and threads and tasks that it starts, have a context of their own, and no scope from
    here. A host may use it for all of its tests: ``pytestmark = pytest.mark.usefixtures("every_organization")``.
    """
    with ExitStack() as everywhere:
        everywhere.enter_context(unscoped(reason="a test looks at all rows"))
        yield
