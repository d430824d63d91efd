"""Domains of e-mail addresses, whose people may join by their address, and who may not."""

from __future__ import annotations

import secrets
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.validators import DomainNameValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from saas_kit.tenancy.models.customers import Membership, Status
from saas_kit.tenancy.models.owned import OrganizationOwned, OrganizationOwnedQuerySet

MAX_DOMAIN_LENGTH = 233
"""The 253 characters of a name in DNS (RFC 1035), less those in front of the domain where its proof is looked up."""

JOINING_ROLE = "member"
"""The role of whoever joins by their address, where nobody says otherwise."""

domain_validator = DomainNameValidator(accept_idna=False)


class Enrollment(models.TextChoices):
    """What somebody with an address in a proved domain can do."""

    OFF = "off", _("off")
    SUGGEST = "suggest", _("people may join")
    AUTOMATIC = "automatic", _("new people join automatically")


def new_proof() -> str:
    """Return what a domain is proved with; it is published in DNS, and nobody can guess it before."""
    return secrets.token_hex(16)


class EmailDomainQuerySet(OrganizationOwnedQuerySet):
    """Domains."""

    def verified(self) -> Self:
        """Keep the domains that were proved."""
        return self.filter(verified_at__isnull=False)

    def offered_to(self, user: AbstractBaseUser, *, domain: str) -> Self:
        """
        Keep the domain through which somebody with a proved address in it may join its organization: one at most.

        The organization is in use, they are not in it, and were not removed from it.
        """
        same_place: dict[str, Any] = {"organization": models.OuterRef("organization"), "user": user}
        return (
            self.verified()
            .exclude(enrollment=Enrollment.OFF)
            .filter(
                domain=domain,
                organization__deleted_at__isnull=True,
                organization__status=Status.ACTIVE,
                organization__account__status=Status.ACTIVE,
            )
            .exclude(models.Exists(Membership.objects.filter(**same_place)))
            .exclude(models.Exists(RemovedMember.objects.filter(**same_place)))
        )


class EmailDomain(OrganizationOwned):
    """
    A domain that an organization claims, and has once it is proved.

    Any number of organizations may claim a domain, and none learns of the others. One has it.

    Attributes:
        domain: As in DNS: ASCII, in lower case, without a dot at the end.
        enrollment: What people with an address there can do; it has effect once the domain is proved.
        role: The role of whoever joins by their address.
        proof: What has to be in DNS. It is no secret.
        verified_at: When it was found there; None until then.
        checked_at: When DNS was last asked for it; None of a claim.
        missing_since: When it was found to be there no longer; None while it is.
    """

    unique_among_organizations = frozenset({"saas_kit_tenancy_domain_verified"})

    domain = models.CharField(_("domain"), max_length=MAX_DOMAIN_LENGTH, validators=[domain_validator])
    enrollment = models.CharField(_("enrollment"), max_length=16, choices=Enrollment, default=Enrollment.OFF)
    role = models.CharField(_("role"), max_length=63, default=JOINING_ROLE)
    proof = models.CharField(_("proof"), max_length=32, default=new_proof, editable=False)
    verified_at = models.DateTimeField(_("verified at"), null=True, editable=False)
    checked_at = models.DateTimeField(_("checked at"), null=True, editable=False)
    missing_since = models.DateTimeField(_("missing since"), null=True, editable=False)

    objects = models.Manager.from_queryset(EmailDomainQuerySet)()
    all_objects = models.Manager.from_queryset(EmailDomainQuerySet)()

    class Meta:
        verbose_name = _("e-mail domain")
        verbose_name_plural = _("e-mail domains")
        constraints = (
            models.UniqueConstraint(
                fields=["organization", "domain"],
                name="saas_kit_tenancy_domain",
                violation_error_message=_("The organization has this domain already."),
            ),
            # among all organizations, on purpose: whoever meets it has proved that the domain is theirs
            models.UniqueConstraint(
                fields=["domain"],
                condition=models.Q(verified_at__isnull=False),
                name="saas_kit_tenancy_domain_verified",
                violation_error_message=_("Another organization has proved this domain."),
            ),
        )
        indexes = (
            models.Index(fields=["organization", "-id"], name="saas_kit_tenancy_domains"),
            models.Index(
                fields=["checked_at"],
                condition=models.Q(verified_at__isnull=False),
                name="saas_kit_tenancy_domains_due",
            ),
        )

    def __str__(self) -> str:
        return self.domain

    @property
    def is_verified(self) -> bool:
        """Whether it was proved."""
        return self.verified_at is not None


class RemovedMember(OrganizationOwned):
    """Somebody whom an organization removed: their address alone does not bring them back, an invitation does."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("person"),
    )

    class Meta:
        verbose_name = _("removed member")
        verbose_name_plural = _("removed members")
        constraints = (
            models.UniqueConstraint(
                fields=["organization", "user"],
                name="saas_kit_tenancy_removed_member",
            ),
        )

    def __str__(self) -> str:
        return str(self.user)
