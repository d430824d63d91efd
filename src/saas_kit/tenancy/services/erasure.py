"""Forgetting somebody who is erased, where no membership of theirs tells of them."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from saas_kit.audit.services import record_each
from saas_kit.tenancy.models import Invitation, RemovedMember
from saas_kit.tenancy.people import email_of
from saas_kit.tenancy.scoping import unscoped


@transaction.atomic
@unscoped(reason="forgetting somebody who is erased")
def forget_person(user: AbstractBaseUser, *, addresses: Collection[str]) -> None:
    """
    Remove all invitations to somebody, whatever became of them, and that organizations removed them.

    What they invited others to stays, and is void once they may not invite any more.

    Args:
        user: The person, who is anonymous by now: the audit log is told no other name.
        addresses: Those that they proved, normalized. One that they did not may be somebody else's.
    """
    # held, so that none is sent again meanwhile
    rows = Invitation.objects.select_for_update(of=("self",))
    received = list(rows.received_by(user, addresses).order_by("pk"))
    for invitation in received:
        invitation.email = email_of(user)
    record_each("invitation.deleted", received, actor=None)
    Invitation.objects.filter(pk__in=[each.pk for each in received]).delete()
    RemovedMember.objects.filter(user=user).delete()
