"""The secrets of invitations: they are in messages only, and their hashes tell which invitation they are about."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from saas_kit.core.exceptions import NotFound
from saas_kit.email.services import cancel_message
from saas_kit.tenancy.models import Invitation, InvitationToken
from saas_kit.tenancy.scoping import unscoped

_BYTES = 32  # of randomness; OWASP ASVS 5.0 11.5.1 wants 128 bits at least


@sensitive_variables("token")
def issue_token(invitation: Invitation) -> str:
    """Make a token, the only place where it can be had; those before it stay good."""
    token = secrets.token_urlsafe(_BYTES)
    InvitationToken.objects.create(
        organization_id=invitation.organization_id, invitation=invitation, token_hash=_hash(token)
    )
    return token


def replace_tokens(invitation: Invitation) -> None:
    """Let the tokens of an invitation be of no use any more, as another is to take their place."""
    _good(invitation).update(replaced_at=timezone.now())
    cancel_mail(invitation)


def cancel_mail(invitation: Invitation) -> None:
    """Let no message about an invitation be sent any more, as nothing can be done with what it brings."""
    for key in (invitation.mail_id, invitation.reminder_id):
        if key is not None:
            cancel_message(key)


@sensitive_variables("token")
def invitation_of(token: str) -> tuple[Invitation, bool]:
    """
    Return the invitation that a token is about, wherever that is, and whether the token is good.

    Raises:
        NotFound: There is no such token.
    """
    with unscoped(reason="finding where the token of an invitation belongs"):
        rows = InvitationToken.objects.select_related("invitation__organization", "invitation__invited_by")
        found: InvitationToken | None = rows.filter(token_hash=_hash(token)).first()
    if found is None:
        raise NotFound
    return found.invitation, found.replaced_at is None


@sensitive_variables("token")
def is_good(token: str, invitation: Invitation) -> bool:
    """Tell whether a token is one of an invitation that is good; it is so while the invitation is held."""
    return bool(_good(invitation).filter(token_hash=_hash(token)).exists())


def _good(invitation: Invitation) -> QuerySet[Any, Any]:
    return InvitationToken.objects.filter(invitation=invitation, replaced_at__isnull=True)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
