"""Messages on their way, until what became of them is of no interest any more."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from saas_kit.core.models import Identified, Timestamped


class State(models.TextChoices):
    """Where a message is."""

    QUEUED = "queued", _("queued")
    SENDING = "sending", _("being sent")
    SENT = "sent", _("sent")
    DELIVERED = "delivered", _("delivered")
    BOUNCED = "bounced", _("bounced")
    COMPLAINED = "complained", _("reported as spam")
    DEAD = "dead", _("given up")
    SUPPRESSED = "suppressed", _("not sent: the address is suppressed")
    CANCELLED = "cancelled", _("cancelled")


OPEN_STATES = (State.QUEUED, State.SENDING)
"""Those in which a message is still to be sent."""


class OutboxQuerySet(models.QuerySet["OutboxMessage"]):
    """Messages on their way."""

    def open(self) -> Self:
        """Keep those that are still to be sent."""
        return self.filter(state__in=OPEN_STATES)

    def due(self) -> Self:
        """Keep those that may be sent now, by the database's clock: also those that somebody took and did not send."""
        return self.open().filter(due_at__lte=Now())


class OutboxMessage(Identified, Timestamped):
    """
    A message that was written together with what it tells of, and is delivered after it.

    Attributes:
        kind: The name of its class.
        organization_id: The organization that it is about, without a foreign key, as the record outlives it.
        cause: Of messages of one kind to one address, only one is written for one cause; empty where any number may be.
        context: The values that it shows, but for the secret ones.
        secrets: Those, encrypted; empty once it was sent.
        message_id: Its ``Message-ID``, the same for every attempt (RFC 5322, section 3.6.4).
        due_at: When it may be sent; of one that is being sent, when whoever has taken it loses it.
        lease: Names who has taken it.
        provider_id: What the provider calls it.
    """

    kind = models.CharField(_("kind"), max_length=100)
    recipient = models.CharField(_("recipient"), max_length=320)
    organization_id = models.UUIDField(_("organization"), null=True)
    cause = models.CharField(_("cause"), max_length=200, blank=True)
    context = models.JSONField(_("values"), default=dict)
    secrets = models.TextField(blank=True, editable=False)
    language = models.CharField(_("language"), max_length=16)
    message_id = models.CharField("Message-ID", max_length=320)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    due_at = models.DateTimeField(_("due at"), db_default=Now())
    lease = models.UUIDField(null=True, editable=False)
    last_error = models.CharField(_("last error"), max_length=500, blank=True)
    sent_at = models.DateTimeField(_("sent at"), null=True)
    opened_at = models.DateTimeField(_("opened at"), null=True)
    provider_id = models.CharField(_("provider's id"), max_length=320, blank=True)

    objects = OutboxQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("outbox")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["kind", "recipient", "cause"],
                condition=~models.Q(cause=""),
                name="saas_kit_email_cause",
            ),
        )
        indexes = (
            models.Index(
                fields=["due_at"], condition=models.Q(state__in=OPEN_STATES), name="saas_kit_email_due"
            ),
            models.Index(fields=["recipient", "-id"], name="saas_kit_email_recipient"),
            models.Index(fields=["organization_id", "-id"], name="saas_kit_email_by_org"),
            models.Index(fields=["state", "-id"], name="saas_kit_email_state"),
            models.Index(fields=["provider_id"], name="saas_kit_email_provider"),
            models.Index(fields=["created_at"], name="saas_kit_email_created"),
        )

    def __str__(self) -> str:
        return f"{self.kind} → {self.recipient}"

    @property
    def is_open(self) -> bool:
        """Whether it is still to be sent."""
        return self.state in OPEN_STATES


class SuppressionReason(models.TextChoices):
    """Why no mail goes to an address."""

    BOUNCED = "bounced", _("it does not exist")
    COMPLAINED = "complained", _("its owner reported a message as spam")
    UNSUBSCRIBED = "unsubscribed", _("its owner unsubscribed")
    STAFF = "staff", _("somebody here entered it")


class SuppressionQuerySet(models.QuerySet["Suppression"]):
    """Addresses that no mail goes to."""

    def concerning(self, topic: str) -> Self:
        """Keep those that stop messages of a topic: those that stop all, and those that stop the topic."""
        return self.filter(topic__in={"", topic})


class Suppression(Identified, Timestamped):
    """
    An address that no mail goes to.

    Attributes:
        topic: The topic of the messages that are stopped; empty where all are.
    """

    email = models.CharField(_("address"), max_length=320)
    topic = models.CharField(_("topic"), max_length=50, blank=True)
    reason = models.CharField(_("reason"), max_length=16, choices=SuppressionReason)
    detail = models.CharField(_("what the provider said"), max_length=500, blank=True)

    objects = SuppressionQuerySet.as_manager()

    class Meta:
        verbose_name = _("suppressed address")
        verbose_name_plural = _("suppressed addresses")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["email", "topic"],
                name="saas_kit_email_suppressed",
                violation_error_message=_("This address is suppressed already."),
            ),
        )

    def __str__(self) -> str:
        return self.email
