"""Signals that tell what happened, once it is certain."""

from __future__ import annotations

import logging
from uuid import uuid4

import pytest
from django.db import transaction
from django.dispatch import Signal

from saas_kit.core.events import send_on_commit
from saas_kit.tenancy import current_scope, scope
from saas_kit.tenancy.models import Account

painted = Signal()


@pytest.mark.django_db(transaction=True)
def test_signal_is_sent_after_the_commit_and_not_before(catch_signal):
    """A receiver can rely on what it is told."""
    with catch_signal(painted) as sent:
        with transaction.atomic():
            send_on_commit(painted, sender=Account, colour="red")
            assert sent == []
        assert sent == [{"sender": Account, "colour": "red"}]


@pytest.mark.django_db(transaction=True)
def test_signal_is_not_sent_after_a_rollback(catch_signal):
    """What did not happen is not told."""
    with catch_signal(painted) as sent:
        with transaction.atomic():
            send_on_commit(painted, sender=Account, colour="red")
            transaction.set_rollback(True)
        assert sent == []


@pytest.mark.django_db
def test_failing_receiver_stops_nobody(on_commit, catch_signal, caplog):
    """What a receiver raises is logged with its traceback, and the others are told all the same."""

    def fail(**arguments):
        raise RuntimeError("the receiver's own fault")

    painted.connect(fail)
    try:
        with catch_signal(painted) as sent, caplog.at_level(logging.ERROR), on_commit():
            send_on_commit(painted, sender=Account, colour="red")
    finally:
        painted.disconnect(fail)

    assert [each["colour"] for each in sent] == ["red"]
    [record] = [each for each in caplog.records if each.exc_info]
    assert "the receiver's own fault" in str(record.exc_info[1])


@pytest.mark.django_db
def test_the_fixture_lets_signals_happen_at_the_end_of_its_block(on_commit, catch_signal):
    """`on_commit`, which hosts can use, stands in for the commit that a test's transaction never has."""
    with catch_signal(painted) as sent:
        with on_commit():
            send_on_commit(painted, sender=Account)
            assert sent == []
        assert len(sent) == 1
        send_on_commit(painted, sender=Account)
        assert len(sent) == 1
    with on_commit():
        send_on_commit(painted, sender=Account)
    assert len(sent) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.without_scope
def test_receivers_run_in_the_scope_of_the_sender():
    """What a service tells of its organization can be looked at, although its scope has ended by then."""
    seen, organization = [], uuid4()

    def look(**arguments):
        seen.append(current_scope())

    painted.connect(look)
    try:
        with transaction.atomic():
            with scope(organization):
                send_on_commit(painted, sender=Account)
            send_on_commit(painted, sender=Account)
    finally:
        painted.disconnect(look)

    assert [each and each.only for each in seen] == [organization, None]
    assert current_scope() is None
