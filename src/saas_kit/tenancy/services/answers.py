"""What the invited person does with an invitation: looks at it, accepts it, declines it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from saas_kit.audit.services import record
from saas_kit.core.addresses import normalize_email
from saas_kit.core.changes import apply_changes
from saas_kit.core.events import send_on_commit
from saas_kit.core.exceptions import NotAuthenticated, NotFound
from saas_kit.core.verified_email import has_verified_email
from saas_kit.tenancy import signals
from saas_kit.tenancy.access import forget_access
from saas_kit.tenancy.exceptions import (
    EmailMismatch,
    EmailUnverified,
    InvitationExpired,
    InvitationRevoked,
    Suspended,
)
from saas_kit.tenancy.models import (
    AbstractOrganization,
    Invitation,
    InvitationQuerySet,
    InvitationStatus,
    Membership,
)
from saas_kit.tenancy.people import email_of
from saas_kit.tenancy.placements import place_in_teams
from saas_kit.tenancy.roles import get_role
from saas_kit.tenancy.scoping import scope
from saas_kit.tenancy.services.invitation_tokens import cancel_mail, invitation_of, is_good
from saas_kit.tenancy.services.invitations import is_suspended, require_pending, stands
from saas_kit.tenancy.services.members import join_organization
from saas_kit.tenancy.services.organizations import lock_organization


def received_invitations(user: AbstractBaseUser) -> InvitationQuerySet:
    """
    Return what somebody's address was invited to, whatever became of it, but in organizations that are deleted.

    They are of several organizations, so the query is made in ``unscoped()``.

    Raises:
        EmailUnverified: The person did not prove that the address is theirs.
    """
    if not has_verified_email(user):
        raise EmailUnverified
    received: InvitationQuerySet = Invitation.objects.to_address(email_of(user))
    return received.filter(organization__deleted_at__isnull=True)


@sensitive_variables("token")
def find_invitation(token: str) -> Invitation:
    """
    Return the invitation that a token is about, to look at, whatever became of it.

    Raises:
        NotFound: There is no such token.
        InvitationRevoked: Another token took its place, the organization is deleted, or whoever answers for it may
            not invite to that role any more.
    """
    invitation, good = invitation_of(token)
    organization = invitation.organization
    if not good or organization.is_deleted:
        raise InvitationRevoked
    with scope(organization):
        if invitation.status == InvitationStatus.PENDING and not stands(invitation, organization):
            raise InvitationRevoked
    return invitation


@sensitive_variables("token")
def check_invitation(token: str, *, email: str) -> Invitation:
    """
    Return an invitation that somebody who is signing up can accept, as it stands now.

    Whoever has the token has the mailbox: a sign-up that goes on to accept it, in one transaction, may take the address
    as proved. Nothing is held, as the person comes before the organization and is not there yet.

    Raises:
        NotFound: There is no such token.
        AlreadyAccepted: It was accepted before.
        Gone: It has expired, was declined, taken back or replaced, or is void.
        EmailMismatch: It is for another address.
        Suspended: The organization or its account is suspended.
    """
    invitation = find_invitation(token)
    require_pending(invitation)
    if invitation.is_expired:
        raise InvitationExpired
    if invitation.email != normalize_email(email):
        raise EmailMismatch
    _refuse_suspended(invitation.organization)
    return invitation


# "args" is what ``transaction.atomic`` calls what it passes on
@sensitive_variables("subject", "token", "args", "kwds")
@transaction.atomic
def accept_invitation(
    subject: Invitation | str, user: AbstractBaseUser, *, within: AbstractOrganization | None = None
) -> Membership:
    """
    Make the invited person a member, in the role and the teams that they were offered; it is done once.

    Args:
        subject: The token from the message; or the invitation itself, for somebody who was shown it as their own.
        within: The one organization that may be meant, where it has to be that.

    Raises:
        NotFound: There is no such token, or it is of another organization than ``within``.
        AlreadyAccepted: It was accepted before.
        Gone: It has expired, was declined, taken back or replaced; its organization is deleted; or whoever answers for
            it may not invite to that role any more.
        EmailMismatch: It is for another address than the person's.
        EmailUnverified: The person did not prove that the address is theirs.
        Suspended: The organization or its account is suspended.
        AlreadyMember: The person is a member by another way.
        NoSeatsLeft: The organization may have no more members.
    """
    person = _hold_person(user)
    found, token = _locate(subject, within)
    with scope(found.organization_id):
        organization, invitation = _hold(found, token)
        _require_recipient(invitation, person)
        _require_good(organization, invitation)
        answered = {"answered_at": timezone.now(), "accepted_by_id": person.pk}
        # before anything else, as what is still pending would hold a seat beside the member's
        apply_changes(invitation, {"status": InvitationStatus.ACCEPTED.value, **answered})
        cancel_mail(invitation)
        role = get_role(invitation.role, organization=organization)
        membership = join_organization(
            organization, person, role, actor=person, inviter=invitation.invited_by
        )
        place_in_teams(membership, [UUID(each) for each in invitation.team_ids])
        changes = {"role": [None, role.key], "membership": [None, str(membership.pk)]}
        record("invitation.accepted", target=invitation, actor=person, changes=changes)
        send_on_commit(
            signals.invitation_accepted,
            sender=Invitation,
            invitation=invitation,
            membership=membership,
            actor=person,
        )
    forget_access(user)
    return membership


@sensitive_variables("subject", "token", "args", "kwds")
@transaction.atomic
def decline_invitation(
    subject: Invitation | str, user: AbstractBaseUser, *, within: AbstractOrganization | None = None
) -> None:
    """
    Decline an invitation, which only the person can do that it is for.

    Args:
        subject: The token from the message; or the invitation itself, for somebody who was shown it as their own.
        within: The one organization that may be meant, where it has to be that.

    Raises:
        NotFound: There is no such token, or it is of another organization than ``within``.
        AlreadyAccepted: It was accepted.
        Gone: It has expired, was declined, taken back or replaced, or its organization is deleted.
        EmailMismatch: It is for another address than the person's.
        EmailUnverified: The person did not prove that the address is theirs.
    """
    person = _hold_person(user)
    found, token = _locate(subject, within)
    with scope(found.organization_id):
        _, invitation = _hold(found, token)
        _require_recipient(invitation, person)
        answered = {"status": InvitationStatus.DECLINED.value, "answered_at": timezone.now()}
        apply_changes(invitation, answered)
        cancel_mail(invitation)
        record("invitation.declined", target=invitation, actor=person)
        send_on_commit(signals.invitation_declined, sender=Invitation, invitation=invitation, actor=person)


def _hold_person(user: AbstractBaseUser) -> Any:
    # read anew, and before the organization, so that the address stays what it is until the end
    people: Any = get_user_model()._base_manager.select_for_update(no_key=True)
    person = people.filter(pk=user.pk).first()
    if person is None or not person.is_active:
        raise NotAuthenticated
    return person


@sensitive_variables("subject", "token", "args")
def _locate(subject: Invitation | str, within: AbstractOrganization | None) -> tuple[Invitation, str | None]:
    found, token = (invitation_of(subject)[0], subject) if isinstance(subject, str) else (subject, None)
    if within is not None and found.organization_id != within.pk:
        raise NotFound
    return found, token


@sensitive_variables("token")
def _hold(found: Invitation, token: str | None) -> tuple[AbstractOrganization, Invitation]:
    """Hold an invitation that can be answered, and its organization before it."""
    try:
        organization = lock_organization(found.organization)
    except NotFound:
        raise InvitationRevoked from None  # the organization is deleted, and may come back
    rows = Invitation.objects.select_for_update(of=("self",)).select_related("invited_by")
    invitation: Invitation | None = rows.filter(pk=found.pk).first()
    if invitation is None:
        raise NotFound
    if token is not None and not is_good(token, invitation):
        raise InvitationRevoked
    require_pending(invitation)
    if invitation.is_expired:
        raise InvitationExpired
    return organization, invitation


def _require_recipient(invitation: Invitation, person: Any) -> None:
    if invitation.email != email_of(person):
        raise EmailMismatch
    if not has_verified_email(person):
        raise EmailUnverified


def _require_good(organization: AbstractOrganization, invitation: Invitation) -> None:
    _refuse_suspended(organization)
    if not stands(invitation, organization):
        raise InvitationRevoked


def _refuse_suspended(organization: AbstractOrganization) -> None:
    if is_suspended(organization):
        raise Suspended
