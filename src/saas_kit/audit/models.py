"""The table of the audit log."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _

from saas_kit.core.models import Identified


class EventQuerySet(models.QuerySet["Event"]):
    """Rows of the audit log; they are added and read, never changed."""

    def in_organization(self, organization: models.Model) -> EventQuerySet:
        """Keep what happened in one organization."""
        return self.filter(organization_id=organization.pk)

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("The audit log is append-only.")

    def delete(self) -> NoReturn:
        raise TypeError("The audit log is append-only.")


class Event(Identified):
    """
    Who did what to which object, when, from where and in which organization.

    The object, the account and the organization are named without foreign keys, so that the record outlives them.
    """

    action = models.CharField(_("action"), max_length=100)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("actor"),
        db_index=False,
    )
    actor_label = models.CharField(_("actor's name"), max_length=254, blank=True)
    account_id = models.UUIDField(_("account"), null=True)
    organization_id = models.UUIDField(_("organization"), null=True)
    target_type = models.CharField(_("kind of object"), max_length=100)
    target_id = models.CharField(_("object's id"), max_length=64)
    target_label = models.CharField(_("object's name"), max_length=254, blank=True)
    changes = models.JSONField(_("changes"), default=dict, blank=True, encoder=DjangoJSONEncoder)
    staff_access = models.BooleanField(_("staff access"), default=False)
    ip_address = models.GenericIPAddressField(_("IP address"), null=True)
    request_id = models.CharField(_("request id"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=["organization_id", "-id"], name="saas_kit_audit_by_org"),
            models.Index(fields=["actor", "-id"], name="saas_kit_audit_by_actor"),
            models.Index(fields=["target_type", "target_id", "-id"], name="saas_kit_audit_by_target"),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.target_label}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("The audit log is append-only.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("The audit log is append-only.")
