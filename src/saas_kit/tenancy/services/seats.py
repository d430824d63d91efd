"""What holds the seats of an organization: its members, and invitations until they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.utils.module_loading import import_string

from saas_kit.audit.services import record
from saas_kit.core.changes import apply_changes
from saas_kit.core.events import send_on_commit
from saas_kit.tenancy import signals
from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.exceptions import NoSeatsLeft
from saas_kit.tenancy.models import AbstractOrganization, Invitation, InvitationStatus, Membership
from saas_kit.tenancy.people import email_of
from saas_kit.tenancy.services.invitation_tokens import cancel_mail


def require_seats(organization: AbstractOrganization) -> None:
    """
    Refuse what has just taken a seat in an organization, whose row is held, where there are not as many.

    Raises:
        NoSeatsLeft: More are taken than there are.
    """
    if not TenancySettings.SEAT_LIMIT:
        return
    limit_of: Callable[[Any], int | None] = import_string(TenancySettings.SEAT_LIMIT)
    limit = limit_of(organization)
    if limit is None:
        return
    members = Membership.objects.in_organization(organization).count()
    invited = Invitation.objects.in_organization(organization).live().count()
    if members + invited > limit:
        raise NoSeatsLeft


def revoke(invitation: Invitation, *, actor: AbstractBaseUser | None) -> None:
    """End a pending invitation, which is held, so that it cannot be accepted any more."""
    apply_changes(invitation, {"status": InvitationStatus.REVOKED.value, "answered_at": timezone.now()})
    cancel_mail(invitation)
    record("invitation.revoked", target=invitation, actor=actor)
    send_on_commit(signals.invitation_revoked, sender=Invitation, invitation=invitation, actor=actor)


def revoke_needless(
    organization: AbstractOrganization, user: AbstractBaseUser, *, actor: AbstractBaseUser | None
) -> None:
    """End what invites somebody to an organization, whose row is held, that they are joining by another way."""
    pending = Invitation.objects.in_organization(organization).pending()
    for invitation in pending.to_address(email_of(user)):
        revoke(invitation, actor=actor)
