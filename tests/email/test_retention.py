"""What is removed from the outbox: what is old, what is secret, and what is about somebody who is gone."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from saas_kit.auth.messages import ExistingAccount, VerifyEmail
from saas_kit.email.exceptions import NothingLeftToSend
from saas_kit.email.models import OPEN_STATES, OutboxMessage, State
from saas_kit.email.services import read_message, requeue, send
from saas_kit.email.tasks import purge

pytestmark = pytest.mark.django_db


@pytest.fixture
def make_message():
    """Write a message with a secret into the outbox, as it would be after some time."""

    def make(state: State, *, age: timedelta, since: timedelta | None = None, **values: Any) -> OutboxMessage:
        key = send(VerifyEmail(token="canary", link=""), to="ada@example.com", **values)
        row = OutboxMessage.objects.filter(pk=key)
        now = timezone.now()
        row.update(state=state, created_at=now - age, updated_at=now - (age if since is None else since))
        return row.get()

    return make


def run(*arguments: str) -> list[str]:
    output = StringIO()
    call_command("saas_kit_purge_mail", *arguments, stdout=output)
    return output.getvalue().splitlines()


class TestOldMessages:
    @pytest.mark.parametrize("state", list(State))
    def test_what_is_still_to_be_sent_stays(self, make_message, state):
        """I80: whatever its age; all others go after the retention time."""
        old, young = (make_message(state, age=timedelta(days=days)) for days in (91, 89))

        run()

        left = set(OutboxMessage.objects.all())
        assert left == ({old, young} if state in OPEN_STATES else {young})

    def test_retention_can_be_set(self, make_message, settings):
        settings.SAAS_KIT_EMAIL_RETENTION = timedelta(days=10)
        young, _ = (make_message(State.SENT, age=timedelta(days=days)) for days in (9, 11))

        run()

        assert list(OutboxMessage.objects.all()) == [young]

    def test_it_works_in_batches_and_says_how_far_it_is(self, make_message):
        for _ in range(5):
            make_message(State.SENT, age=timedelta(days=100))

        lines = run("--batch-size=2", "--verbosity=2")

        assert lines[:4] == [
            "messages: 2 removed so far",
            "messages: 4 removed so far",
            "messages: 5 removed so far",
            "messages: 5 removed",
        ]
        assert not OutboxMessage.objects.exists()

    def test_running_again_finds_nothing(self, make_message):
        make_message(State.SENT, age=timedelta(days=100))
        run()

        assert run() == ["messages: 0 removed", "secrets of messages: 0 removed"]

    def test_dry_run_removes_nothing_and_says_what_it_would(self, make_message):
        make_message(State.DEAD, age=timedelta(days=100))

        lines = run("--dry-run")

        assert lines == ["messages: 1 would be removed", "secrets of messages: 1 would be removed"]
        assert OutboxMessage.objects.get().secrets

    def test_size_of_batches_is_a_number_of_rows(self):
        with pytest.raises(CommandError, match="1 or more"):
            run("--batch-size=0")

    def test_task_does_the_same_and_logs_it(self, make_message, caplog):
        make_message(State.SENT, age=timedelta(days=100))
        caplog.set_level("INFO", "saas_kit.core")

        purge()

        assert not OutboxMessage.objects.exists()
        assert "messages: 1 removed" in caplog.messages


class TestSecrets:
    @pytest.mark.parametrize("state", [State.DEAD, State.SUPPRESSED, State.CANCELLED])
    def test_those_of_what_was_given_up_are_wiped_after_a_week(self, make_message, state):
        """I81: until then somebody can have it sent again."""
        old = make_message(state, age=timedelta(days=20), since=timedelta(days=8))
        young = make_message(state, age=timedelta(days=20), since=timedelta(days=6))

        run("--batch-size=1")

        old.refresh_from_db()
        young.refresh_from_db()
        assert old.secrets == ""
        assert read_message(young) == VerifyEmail(token="canary", link="")
        requeue(young)
        with pytest.raises(NothingLeftToSend):
            requeue(old)

    @pytest.mark.parametrize("state", OPEN_STATES)
    def test_those_of_what_is_still_to_be_sent_stay(self, make_message, state):
        row = make_message(state, age=timedelta(days=80))

        run()

        row.refresh_from_db()
        assert row.secrets


@pytest.mark.hosts("full", "default_user", "custom_organization")
class TestOrganizationThatIsGone:
    """I102: with an organization, what was written about it goes, whichever way it is purged."""

    @pytest.fixture
    def organizations(self, make_organization):
        """One that will be gone, and one that stays, with a message about each."""
        made = make_organization(), make_organization()
        for each in made:
            send(ExistingAccount(), to="ada@example.com", organization=each)
        send(ExistingAccount(), to="ada@example.com")
        return made

    @staticmethod
    def _told_of() -> set[Any]:
        return set(
            OutboxMessage.objects.filter(recipient="ada@example.com").values_list(
                "organization_id", flat=True
            )
        )

    def test_by_the_command(self, organizations, host_clock):
        from saas_kit.tenancy.services import delete_organization

        gone, kept = organizations
        delete_organization(gone, actor=None)
        call_command("saas_kit_purge", "--days=1")
        assert gone.pk in self._told_of()

        host_clock(timedelta(days=2))
        call_command("saas_kit_purge", "--days=1")

        assert self._told_of() == {kept.pk, None}

    def test_by_a_row_of_its_own_or_its_account(self, organizations):
        gone, kept = organizations
        gone.purge()
        assert self._told_of() == {kept.pk, None}

        kept.account.purge()
        assert self._told_of() == {None}


@pytest.fixture
def host_clock():
    """Let time go by for what was deleted."""
    from saas_kit.core.deletion import soft_deletable_models

    def go(by: timedelta) -> None:
        for model in soft_deletable_models():
            for row in model._base_manager.filter(deleted_at__isnull=False):
                model._base_manager.filter(pk=row.pk).update(deleted_at=row.deleted_at - by)

    return go


@pytest.mark.postgresql
@pytest.mark.hosts("full")
@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_each_row_is_removed_by_one(self, make_message, race):
        for _ in range(20):
            make_message(State.SENT, age=timedelta(days=100))

        outcomes = race(*[lambda: run("--batch-size=3")] * 3)

        counts = [int(lines[0].removeprefix("messages: ").removesuffix(" removed")) for lines in outcomes]
        assert sum(counts) == 20
