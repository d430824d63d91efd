"""What of invitations is of no use any more."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.utils import timezone

from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.models import Invitation, InvitationStatus


def old_invitations() -> Any:
    """Return the invitations that ended longer ago than ``INVITATION_RETENTION``, as they were answered or expired."""
    before = timezone.now() - TenancySettings.INVITATION_RETENTION
    expired = Q(status=InvitationStatus.PENDING, expires_at__lt=before)
    return Invitation.objects.filter(expired | Q(answered_at__lt=before))
