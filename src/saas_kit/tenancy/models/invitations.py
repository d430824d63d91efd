"""Invitations: what somebody offers the owner of an address, and the secrets that go there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from saas_kit.core.addresses import normalize_email
from saas_kit.email.models import OutboxMessage, State
from saas_kit.tenancy.models.owned import OrganizationOwned, OrganizationOwnedQuerySet

MESSAGE_MAX_LENGTH = 2000
EXPIRED = "expired"


class InvitationStatus(models.TextChoices):
    """What became of an invitation, as it is stored."""

    PENDING = "pending", _("pending")
    ACCEPTED = "accepted", _("accepted")
    DECLINED = "declined", _("declined")
    REVOKED = "revoked", _("revoked")


INVITATION_STATUSES = [*InvitationStatus.choices, (EXPIRED, _("expired"))]
"""What an invitation can be seen to be: one that nobody answered in time is expired, without a write."""

DELIVERY_STATUSES = [("queued", _("queued")), ("sent", _("sent")), ("bounced", _("bounced"))]
"""What can have become of a message about an invitation."""

_DELIVERY: dict[str | None, str] = {
    **dict.fromkeys((State.QUEUED, State.SENDING), "queued"),
    **dict.fromkeys((State.BOUNCED, State.DEAD, State.SUPPRESSED, State.CANCELLED), "bounced"),
}


class InvitationQuerySet(OrganizationOwnedQuerySet):
    """Invitations; the app's clock decides what has expired."""

    def pending(self) -> Self:
        """Keep those that nobody answered or took back, the expired too."""
        return self.filter(status=InvitationStatus.PENDING)

    def live(self) -> Self:
        """Keep those that can still be answered; they hold seats."""
        return self.pending().filter(expires_at__gt=timezone.now())

    def to_address(self, email: str) -> Self:
        """Keep those to an address, however it is written."""
        return self.filter(email=normalize_email(email))

    def received_by(self, user: AbstractBaseUser, addresses: Iterable[str]) -> Self:
        """Keep those to somebody, who proved some addresses, and may have had another when they accepted one."""
        return self.filter(models.Q(email__in=addresses) | models.Q(accepted_by=user))

    def with_delivery(self) -> Self:
        """Add ``mail_state``, the state of its message in the outbox."""
        mail = OutboxMessage.objects.filter(pk=models.OuterRef("mail_id"))
        return self.annotate(mail_state=models.Subquery(mail.values("state")[:1]))

    def with_status(self, status: str) -> Self:
        """Keep those that are seen to be in a status, ``expired`` being one."""
        if status == InvitationStatus.PENDING:
            return self.live()
        if status == EXPIRED:
            return self.pending().filter(expires_at__lte=timezone.now())
        return self.filter(status=status)


class Invitation(OrganizationOwned):
    """
    A role in an organization, offered to whoever owns an address.

    Attributes:
        email: The address, normalized.
        team_ids: The teams that the person is to be in, by their keys; tenancy does not know teams.
        invited_by: Who answers for it: it is void once they may not invite to the role any more.
        by_system: Whether nobody answers for it; else one without ``invited_by`` is void.
        sent_at: When its clock was started last.
        reminded_at: When the person was reminded; None until then.
        mail_id: The key of its message in the outbox, of the last one where it was sent again.
        reminder_id: The key of the reminder of that message in the outbox; what becomes of it is not told.
        mail_state: The state of its message, of a row that was read ``with_delivery()``.
    """

    email = models.EmailField(_("email address"))
    role = models.CharField(_("role"), max_length=63)
    message = models.TextField(_("message"), max_length=MESSAGE_MAX_LENGTH, blank=True, default="")
    team_ids = models.JSONField(_("teams"), default=list, blank=True)
    status = models.CharField(
        _("status"), max_length=16, choices=InvitationStatus, default=InvitationStatus.PENDING
    )
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        related_name="+",
        null=True,
        verbose_name=_("invited by"),
    )
    by_system = models.BooleanField(_("invited by the system"), default=False)
    sent_at = models.DateTimeField(_("sent at"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires at"))
    reminded_at = models.DateTimeField(_("reminded at"), null=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        related_name="+",
        null=True,
        verbose_name=_("accepted by"),
    )
    answered_at = models.DateTimeField(_("answered or revoked at"), null=True)
    mail_id = models.UUIDField(null=True, editable=False)
    reminder_id = models.UUIDField(null=True, editable=False)
    mail_state: str | None

    objects = models.Manager.from_queryset(InvitationQuerySet)()
    all_objects = models.Manager.from_queryset(InvitationQuerySet)()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints = (
            models.UniqueConstraint(
                fields=["organization", "email"],
                condition=models.Q(status=InvitationStatus.PENDING),
                name="saas_kit_tenancy_invitation_pending",
                violation_error_message=_("This address is invited already."),
            ),
        )
        indexes = (
            models.Index(fields=["organization", "-id"], name="saas_kit_tenancy_invitations"),
            # somebody's own, across all organizations
            models.Index(fields=["email"], name="saas_kit_tenancy_invited"),
            # who is to be reminded
            models.Index(
                fields=["expires_at"],
                condition=models.Q(status=InvitationStatus.PENDING, reminded_at__isnull=True),
                name="saas_kit_tenancy_inv_expiry",
            ),
        )

    def __str__(self) -> str:
        return f"{self.email} · {self.role}"

    @property
    def is_expired(self) -> bool:
        """Whether nobody answered it in time."""
        return self.status == InvitationStatus.PENDING and self.expires_at <= timezone.now()

    @property
    def visible_status(self) -> str:
        """What it is seen to be: its status, or ``expired``."""
        return EXPIRED if self.is_expired else self.status

    @property
    def delivery_status(self) -> str:
        """
        What became of its message, of a row that was read ``with_delivery()``.

        The outbox forgets what it is done with for long: of a message that is gone from there it is ``sent``, whatever
        became of it.
        """
        return _DELIVERY.get(self.mail_state, "sent")


class InvitationToken(OrganizationOwned):
    """
    The secret in one message about an invitation.

    A reminder has another than the message before it, and both are good. One that was replaced is kept, so that whoever
    comes with it is told that it is gone.

    Attributes:
        token_hash: SHA-256 of the secret; the secret itself is not stored. It tells the organization.
        replaced_at: When the invitation was sent again with another; None of those that are good.
    """

    invitation = models.ForeignKey(
        Invitation,
        on_delete=models.CASCADE,
        related_name="tokens",
        verbose_name=_("invitation"),
        db_index=False,
    )
    token_hash = models.CharField(max_length=64, editable=False)
    replaced_at = models.DateTimeField(_("replaced at"), null=True)

    class Meta:
        verbose_name = _("invitation token")
        verbose_name_plural = _("invitation tokens")
        indexes = (
            models.Index(fields=["token_hash"], name="saas_kit_tenancy_inv_hashes"),
            models.Index(fields=["invitation"], name="saas_kit_tenancy_inv_tokens"),
        )

    def __str__(self) -> str:
        return str(self.invitation_id)
