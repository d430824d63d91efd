"""What becomes of invitations on a schedule: people are reminded, and what is long over is removed."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from saas_kit.tenancy import scope, unscoped
from saas_kit.tenancy.models import Invitation, InvitationStatus
from saas_kit.tenancy.models.invitations import InvitationToken
from saas_kit.tenancy.services import invite, revoke_invitation
from saas_kit.tenancy.tasks import purge, remind_invited

pytestmark = [
    pytest.mark.hosts("full", "default_user", "custom_organization"),
    pytest.mark.django_db,
    pytest.mark.without_scope,
]


@pytest.fixture
def invitations(make_organization, number):
    """Make an invitation that ended so many days ago, as it was taken back, or expired."""

    def make(*, ended: int, is_answered: bool) -> Any:
        invitation, _ = invite(
            make_organization(), email=f"invited{next(number)}@example.com", role="member", actor=None
        )
        at = timezone.now() - timedelta(days=ended)
        with scope(invitation.organization_id):
            rows = Invitation.objects.filter(pk=invitation.pk)
            if is_answered:
                revoke_invitation(invitation, actor=None)
                rows.update(answered_at=at)
            else:
                rows.update(expires_at=at)
        return invitation

    return make


def kept() -> set[Any]:
    with unscoped(reason="a test"):
        return set(Invitation.objects.values_list("pk", flat=True))


@pytest.mark.parametrize("is_answered", [True, False], ids=["answered", "expired"])
class TestPurge:
    def test_what_ended_long_ago_goes(self, invitations, is_answered):
        """With its tokens, in every organization; what ended later, and what has not, stays."""
        old, older = (invitations(ended=days, is_answered=is_answered) for days in (91, 200))
        young, live = invitations(ended=89, is_answered=is_answered), invitations(ended=-1, is_answered=False)
        output = StringIO()

        call_command("saas_kit_purge", "--batch-size=1", "--verbosity=2", stdout=output)

        assert kept() == {young.pk, live.pk}
        with unscoped(reason="a test"):
            assert not InvitationToken.objects.filter(invitation_id__in=[old.pk, older.pk]).exists()
        label = Invitation._meta.label
        assert f"{label}: 1 rows removed so far" in output.getvalue()
        assert f"{label}: 2 rows removed, which were over" in output.getvalue()

    def test_retention_can_be_set(self, invitations, settings, is_answered):
        settings.SAAS_KIT_TENANCY_INVITATION_RETENTION = timedelta(days=10)
        invitations(ended=11, is_answered=is_answered)
        young = invitations(ended=9, is_answered=is_answered)

        purge()

        assert kept() == {young.pk}

    def test_dry_run_removes_nothing(self, invitations, is_answered):
        old = invitations(ended=91, is_answered=is_answered)
        output = StringIO()

        call_command("saas_kit_purge", "--dry-run", stdout=output)

        assert f"{Invitation._meta.label}: 1 would be removed, which are over" in output.getvalue()
        assert kept() == {old.pk}


class TestReminder:
    def test_task_and_command_remind_once(self, invitations):
        """Without a scope, as beat and cron call them."""
        invitation = invitations(ended=-1, is_answered=False)
        with scope(invitation.organization_id):
            Invitation.objects.update(sent_at=timezone.now() - timedelta(days=6))
        remind_invited()
        output = StringIO()

        call_command("saas_kit_remind_invited", stdout=output)

        assert output.getvalue() == "invitations: 0 people reminded\n"
        with scope(invitation.organization_id):
            found = Invitation.objects.get(status=InvitationStatus.PENDING)
        assert found.reminded_at is not None
