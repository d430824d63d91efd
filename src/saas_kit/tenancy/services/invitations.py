"""Writes to invitations by the organization that invites; what the invited person does is in ``answers``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from saas_kit.audit.services import record
from saas_kit.core import context
from saas_kit.core.addresses import has_dns_form, normalize_email
from saas_kit.core.changes import apply_changes
from saas_kit.core.events import send_on_commit
from saas_kit.core.exceptions import InvalidInput, NotFound, SaasKitError
from saas_kit.core.permissions import has_permission
from saas_kit.core.tasks import asks_to_end
from saas_kit.email.links import frontend_link
from saas_kit.email.services import send
from saas_kit.tenancy import signals
from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.exceptions import (
    AlreadyAccepted,
    AlreadyMember,
    InvitationDeclined,
    InvitationRevoked,
    RoleTooHigh,
    UnknownRole,
)
from saas_kit.tenancy.limits import TABLE as LIMITS
from saas_kit.tenancy.messages import InvitationMessage, InvitationReminder, OrganizationInvitation
from saas_kit.tenancy.models import (
    MESSAGE_MAX_LENGTH,
    AbstractOrganization,
    Invitation,
    InvitationStatus,
    Membership,
    Status,
)
from saas_kit.tenancy.people import name_of
from saas_kit.tenancy.permissions import OrganizationPermission
from saas_kit.tenancy.placements import check_teams
from saas_kit.tenancy.roles import Role, get_role
from saas_kit.tenancy.scoping import scope, unscoped, within_organization
from saas_kit.tenancy.services.invitation_tokens import cancel_mail, issue_token, replace_tokens
from saas_kit.tenancy.services.members import require_dominance
from saas_kit.tenancy.services.organizations import lock_organization
from saas_kit.tenancy.services.seats import require_seats, revoke

logger = logging.getLogger("saas_kit.tenancy")

MAX_TEAMS = 20


@transaction.atomic
@within_organization
def invite(
    organization: AbstractOrganization,
    *,
    email: str,
    role: str,
    message: str = "",
    team_ids: Sequence[UUID] = (),
    expires_at: datetime | None = None,
    actor: AbstractBaseUser | None,
) -> tuple[Invitation, bool]:
    """
    Offer whoever owns an address a role in an organization, by a message with a link.

    An address that is invited already gets the new offer in place of the one before, whose link is of no use any more.
    Nothing depends on whether somebody has an account with the address.

    Args:
        message: What the inviter has to say.
        team_ids: The teams that the person is to be in.
        expires_at: Until when it can be answered; after ``INVITATION_LIFETIME`` where it is left out.

    Returns:
        The invitation, and whether it is a new one.

    Raises:
        InvalidInput: The address is none, the message too long, or the time past or too far away.
        UnknownRole: The organization has no such role.
        UnknownTeam: The organization has no such team.
        NotAllowed: The actor may not put people into one of the teams.
        RoleTooHigh: The actor holds less than the role grants.
        AlreadyMember: A member has the address.
        NoSeatsLeft: The organization may have no more members.
        RateLimited: The organization or its account invited too many, or the address too often.
    """
    email, now = clean_address(email), timezone.now()
    offer = {
        "role": role,
        "message": _clean_message(message),
        "team_ids": _clean_teams(team_ids),
        "sent_at": now,
        "expires_at": _clean_end(expires_at, now),
    }
    organization = lock_organization(organization)
    require_dominance(actor, organization, get_role(role, organization=organization))
    check_teams(organization, team_ids, actor)
    _refuse_member(organization, email)
    pending = Invitation.objects.in_organization(organization).pending().to_address(email).first()
    if pending is not None:
        require_dominance(actor, organization, *_offered_by(pending))
        _renew(organization, pending, offer, actor)
        return pending, False
    LIMITS.count("invitation_address", str(organization.pk), email)
    LIMITS.count("invitations", str(organization.pk))
    LIMITS.count("invitations_account", str(organization.account_id))
    invitation = Invitation(organization=organization, email=email, **offer, **_answering(actor))
    invitation.save(force_insert=True)
    require_seats(organization)
    apply_changes(invitation, {"mail_id": _mail(organization, invitation, OrganizationInvitation)})
    record("invitation.created", target=invitation, actor=actor, changes={"role": [None, role]})
    send_on_commit(signals.invitation_created, sender=Invitation, invitation=invitation, actor=actor)
    return invitation, True


@transaction.atomic
@within_organization
def resend_invitation(invitation: Invitation, *, actor: AbstractBaseUser | None) -> Invitation:
    """
    Send an invitation again, with another link, for as long as it was to last before.

    The one before is of no use any more, and the actor is who answers for the invitation.

    Raises:
        AlreadyAccepted: It was accepted.
        Gone: It was declined or taken back.
        UnknownRole: There is no such role any more.
        RoleTooHigh: The actor holds less than the role grants.
        AlreadyMember: A member has the address.
        NoSeatsLeft: It had expired, and the organization may have no more members.
        RateLimited: It was sent too often, or the organization invited the address too often.
    """
    organization = lock_organization(invitation.organization)
    invitation = _reread(invitation)
    require_pending(invitation)
    require_dominance(actor, organization, get_role(invitation.role, organization=organization))
    _refuse_member(organization, invitation.email)
    sent_at = timezone.now()
    lifetime = invitation.expires_at - invitation.sent_at
    _renew(organization, invitation, {"sent_at": sent_at, "expires_at": sent_at + lifetime}, actor)
    return invitation


@transaction.atomic
@within_organization
def revoke_invitation(invitation: Invitation, *, actor: AbstractBaseUser | None) -> None:
    """
    Take an invitation back.

    Raises:
        AlreadyAccepted: It was accepted.
        Gone: It was declined or taken back.
        RoleTooHigh: The actor holds less than the role grants.
    """
    organization = lock_organization(invitation.organization)
    invitation = _reread(invitation)
    require_pending(invitation)
    require_dominance(actor, organization, *_offered_by(invitation))
    revoke(invitation, actor=actor)


@transaction.atomic
@within_organization
def delete_invitation(invitation: Invitation, *, actor: AbstractBaseUser | None) -> None:
    """
    Remove an invitation for good, with its tokens, whatever became of it; mail about it that waits is not sent.

    Raises:
        NotFound: It is gone already.
    """
    lock_organization(invitation.organization)
    invitation = _reread(invitation)
    cancel_mail(invitation)
    record("invitation.deleted", target=invitation, actor=actor)
    invitation.delete()


def remind_invitations(*, batch_size: int = 100) -> int:
    """
    Remind people of invitations that end soon and that they did not answer, once of each; return of how many.

    Nobody is reminded of what they could not accept, as the organization or its account is suspended.

    A reminder has a link of its own, which is good beside the one before, as only one of the two may arrive; the end
    stays as it is. What goes wrong with one is logged and stops no other.
    """
    before = TenancySettings.INVITATION_REMINDER
    if not before:
        return 0
    reminded, last = 0, None
    while keys := _due_for_reminder(before, after=last, count=batch_size):
        for key, organization_id in keys:
            try:
                with scope(organization_id):
                    reminded += _remind(key)
            except Exception as error:
                if asks_to_end(error):
                    raise
                logger.exception("Nobody could be reminded of the invitation %s.", key)
        last = keys[-1][0]
    return reminded


def _due_for_reminder(before: timedelta, *, after: UUID | None, count: int) -> list[tuple[UUID, UUID]]:
    now = timezone.now()
    with unscoped(reason="reminding people of invitations"):
        due = Invitation.objects.live().filter(
            reminded_at__isnull=True,
            expires_at__lte=now + before,
            sent_at__lte=now - before,
            organization__deleted_at__isnull=True,
            organization__status=Status.ACTIVE,
            organization__account__status=Status.ACTIVE,
        )
        if after is not None:
            due = due.filter(pk__gt=after)
        return list(due.order_by("pk").values_list("pk", "organization_id")[:count])


@transaction.atomic
def _remind(key: UUID) -> bool:
    found = Invitation.objects.select_related("organization").get(pk=key)
    organization = lock_organization(found.organization)
    invitation = Invitation.objects.live().filter(pk=key, reminded_at__isnull=True).first()
    if invitation is None or is_suspended(organization):
        return False  # since the keys were read
    apply_changes(invitation, {"reminded_at": timezone.now()})
    if not stands(invitation, organization):
        return False
    apply_changes(invitation, {"reminder_id": _mail(organization, invitation, InvitationReminder)})
    record("invitation.reminded", target=invitation, actor=None)
    return True


def stands(invitation: Invitation, organization: AbstractOrganization) -> bool:
    """Tell whether the role of an invitation is still there, and whoever answers for it may still invite to it."""
    try:
        offered = get_role(invitation.role, organization=organization)
    except UnknownRole:
        return False
    if invitation.by_system:
        return True
    inviter = invitation.invited_by
    if inviter is None:
        return False
    staff_access = context.staff_access.get()
    try:
        require_dominance(inviter, organization, offered)
        return has_permission(inviter, OrganizationPermission.MANAGE_INVITATIONS, organization)
    except RoleTooHigh:
        return False
    finally:
        context.staff_access.set(staff_access)  # the inviter is asked about, and is not who acts


def is_suspended(organization: AbstractOrganization) -> bool:
    """Tell whether an organization or its account is suspended, so that nobody can join it."""
    return Status.SUSPENDED in (organization.status, organization.account.status)


def require_pending(invitation: Invitation) -> None:
    """
    Refuse an invitation that was answered or taken back.

    Raises:
        AlreadyAccepted: It was accepted.
        InvitationDeclined: It was declined.
        InvitationRevoked: It was taken back.
    """
    errors: dict[str, type[SaasKitError]] = {
        InvitationStatus.ACCEPTED: AlreadyAccepted,
        InvitationStatus.DECLINED: InvitationDeclined,
        InvitationStatus.REVOKED: InvitationRevoked,
    }
    if invitation.status in errors:
        raise errors[invitation.status]


def clean_address(email: str) -> str:
    """
    Return an address as it is stored.

    Raises:
        InvalidInput: It is not one that mail can be sent to.
    """
    address = normalize_email(email)
    try:
        if has_dns_form(address):
            Invitation._meta.get_field("email").clean(address, None)
            return address
    except ValidationError:
        pass
    raise InvalidInput(EmailValidator.message, field="email")


def _clean_message(message: str) -> str:
    if len(message) > MESSAGE_MAX_LENGTH:
        raise InvalidInput(_("The message is too long."), field="message")
    return message.strip()


def _clean_teams(team_ids: Sequence[UUID]) -> list[str]:
    chosen = dict.fromkeys(team_ids)
    if len(chosen) > MAX_TEAMS:
        raise InvalidInput(_("These are too many teams."), field="teams")
    return [str(each) for each in chosen]


def _clean_end(expires_at: datetime | None, now: datetime) -> datetime:
    if expires_at is None:
        return now + TenancySettings.INVITATION_LIFETIME
    if expires_at <= now:
        raise InvalidInput(_("This time is past."), field="expires_at")
    if expires_at > now + TenancySettings.INVITATION_MAX_LIFETIME:
        raise InvalidInput(_("An invitation cannot last that long."), field="expires_at")
    return expires_at


def _answering(actor: AbstractBaseUser | None) -> dict[str, Any]:
    return {"invited_by_id": None if actor is None else actor.pk, "by_system": actor is None}


def _offered_by(invitation: Invitation) -> tuple[Role, ...]:
    try:
        return (get_role(invitation.role, organization=invitation.organization),)
    except UnknownRole:
        return ()  # a role that the host has since removed grants nothing


def _refuse_member(organization: AbstractOrganization, email: str) -> None:
    field = get_user_model().get_email_field_name()
    members = Membership.objects.in_organization(organization)
    if members.filter(**{f"user__{field}__iexact": email}).exists():
        raise AlreadyMember


def _reread(invitation: Invitation) -> Invitation:
    rows = Invitation.objects.select_for_update(of=("self",))
    held: Invitation | None = rows.filter(pk=invitation.pk).first()
    if held is None:
        raise NotFound
    return held


def _renew(
    organization: AbstractOrganization,
    invitation: Invitation,
    offer: dict[str, Any],
    actor: AbstractBaseUser | None,
) -> None:
    LIMITS.count("invitation_resend", str(invitation.pk))
    LIMITS.count("invitation_address", str(organization.pk), invitation.email)
    held_no_seat = invitation.is_expired
    changes = apply_changes(invitation, {**offer, **_answering(actor), "reminded_at": None})
    if held_no_seat:
        require_seats(organization)
    replace_tokens(invitation)
    mail_id = _mail(organization, invitation, OrganizationInvitation)
    apply_changes(invitation, {"mail_id": mail_id, "reminder_id": None})
    told = {name: change for name, change in changes.items() if name in ("role", "team_ids", "expires_at")}
    record("invitation.resent", target=invitation, actor=actor, changes=told)
    send_on_commit(signals.invitation_resent, sender=Invitation, invitation=invitation, actor=actor)


@sensitive_variables("token")
def _mail(
    organization: AbstractOrganization, invitation: Invitation, kind: type[InvitationMessage]
) -> UUID | None:
    token = issue_token(invitation)
    inviter = invitation.invited_by
    message = kind(
        organization=organization.name,
        inviter="" if inviter is None else name_of(inviter),
        role=str(get_role(invitation.role, organization=organization).label),
        message=invitation.message,
        expires_at=invitation.expires_at,
        token=token,
        link=frontend_link(TenancySettings.INVITATION_LINK, token=token),
    )
    return send(message, to=invitation.email, organization=organization)
