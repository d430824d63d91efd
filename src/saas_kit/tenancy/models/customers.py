"""Accounts, organizations and who belongs to them."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.apps import apps
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from saas_kit.core.caller_changes import WatchedQuerySet
from saas_kit.core.models import AliveManager, Identified, SoftDeletable, SoftDeletableQuerySet, Timestamped
from saas_kit.core.permissions import Level
from saas_kit.tenancy.access import get_access
from saas_kit.tenancy.conf import organization_model
from saas_kit.tenancy.guard import GuardedQuerySet
from saas_kit.tenancy.roles import OWNER, Role, get_role, roles_granting

slug_validator = RegexValidator(
    r"\A[a-z0-9]+(?:-[a-z0-9]+)*\Z", _("Use lower-case letters, digits and single dashes."), "invalid_slug"
)


def get_organization_model() -> type[AbstractOrganization]:
    """
    Return the organization model that the host chose.

    Raises:
        ImproperlyConfigured: The setting is missing or names no installed model.
    """
    name = organization_model()
    try:
        return apps.get_model(name, require_ready=False)
    except LookupError as error:
        raise ImproperlyConfigured(
            f"SAAS_KIT_TENANCY_ORGANIZATION_MODEL names {name!r}, which is not an installed model."
        ) from error


class Status(models.TextChoices):
    """Whether an account or an organization may be used."""

    ACTIVE = "active", _("active")
    SUSPENDED = "suspended", _("suspended")


class AccountQuerySet(SoftDeletableQuerySet["Account"], GuardedQuerySet["Account"]):  # type: ignore[override]
    """Accounts."""

    def visible_to(self, user: AbstractBaseUser, permission: str | None = None) -> Self:
        """Keep the accounts that a user has a role in; with a permission, a role that grants it."""
        if get_access(user).is_staff:
            return self
        memberships = AccountMembership.objects.filter(user=user)
        if permission is not None:
            memberships = memberships.filter(role__in=roles_granting(permission, level=Level.ACCOUNT))
        return self.filter(pk__in=memberships.values("account"))


class Account(Identified, Timestamped, SoftDeletable):
    """The customer: the boundary of billing and ownership."""

    name = models.CharField(_("name"), max_length=120)
    slug = models.CharField(_("slug"), max_length=63, validators=[slug_validator])
    status = models.CharField(_("status"), max_length=16, choices=Status.choices, default=Status.ACTIVE)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)

    objects = AliveManager.from_queryset(AccountQuerySet)()
    all_objects = models.Manager.from_queryset(AccountQuerySet)()

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        constraints = (
            models.UniqueConstraint(
                Lower("slug"),
                condition=models.Q(deleted_at__isnull=True),
                name="saas_kit_tenancy_account_slug",
                violation_error_message=_("This slug is taken."),
            ),
        )

    def __str__(self) -> str:
        return self.name


class AccountMembershipQuerySet(WatchedQuerySet["AccountMembership"], GuardedQuerySet["AccountMembership"]):  # type: ignore[override]
    """People's roles in accounts."""

    def owners(self) -> Self:
        """Keep the owners."""
        return self.filter(role=OWNER)


class AccountMembership(Identified, Timestamped):
    """A person's role in an account."""

    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="memberships",
        verbose_name=_("account"),
        db_index=False,
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="account_memberships",
        verbose_name=_("person"),
    )
    role = models.CharField(_("role"), max_length=63)

    objects = AccountMembershipQuerySet.as_manager()

    class Meta:
        verbose_name = _("account membership")
        verbose_name_plural = _("account memberships")
        constraints = (
            models.UniqueConstraint(
                fields=["account", "user"],
                name="saas_kit_tenancy_account_member",
                violation_error_message=_("This person is a member already."),
            ),
        )
        indexes = (models.Index(fields=["account", "-id"], name="saas_kit_tenancy_acc_members"),)

    def __str__(self) -> str:
        return f"{self.user} · {self.role}"

    @property
    def is_owner(self) -> bool:
        """Whether the person owns the account."""
        return self.role == OWNER

    def get_role(self) -> Role:
        """Return the role with what it grants."""
        return get_role(self.role, level=Level.ACCOUNT)


class OrganizationQuerySet(SoftDeletableQuerySet[Any], WatchedQuerySet[Any], GuardedQuerySet[Any]):  # type: ignore[override]
    """Organizations."""

    def in_account(self, account: Account) -> Self:
        """Keep the organizations of one account."""
        return self.filter(account=account)

    def visible_to(self, user: AbstractBaseUser, permission: str | None = None) -> Self:
        """
        Keep the organizations that a user has a role in, of their own or through the account.

        With a permission, keep those where the role grants it. Those that require a second factor are left out for
        somebody without one.
        """
        known = self.known_to(user, permission)
        return known.filter(require_mfa=False) if get_access(user).lacks_second_factor else known

    def known_to(self, user: AbstractBaseUser, permission: str | None = None) -> Self:
        """
        Keep what ``visible_to()`` keeps, and what is closed to a user until they have a second factor.

        It is for telling somebody that an organization is there, and not for what is in it.
        """
        access = get_access(user)
        if access.is_staff:
            return self
        memberships = Membership.objects.filter(user=user)
        if permission is not None:
            memberships = memberships.filter(role__in=roles_granting(permission, level=Level.ORGANIZATION))
        reachable = models.Q(pk__in=memberships.values("organization"))
        account_roles = access.account_roles_granting(permission)
        if account_roles:
            accounts = AccountMembership.objects.filter(user=user, role__in=account_roles).values("account")
            through_account = self.model._base_manager.filter(account__in=accounts).values("pk")
            own = memberships.values("organization")
            reachable = models.Q(pk__in=own.union(through_account))
        return self.filter(reachable)


class AbstractOrganization(Identified, Timestamped, SoftDeletable):
    """
    The boundary of isolation, to be subclassed by a host that needs fields of its own.

    Point ``SAAS_KIT_TENANCY_ORGANIZATION_MODEL`` to the subclass before the first migration.
    """

    is_organization: ClassVar[bool] = True

    account = models.ForeignKey(
        "saas_kit_tenancy.Account",
        on_delete=models.CASCADE,
        related_name="organizations",
        verbose_name=_("account"),
    )
    name = models.CharField(_("name"), max_length=120)
    slug = models.CharField(_("slug"), max_length=63, validators=[slug_validator])
    status = models.CharField(_("status"), max_length=16, choices=Status.choices, default=Status.ACTIVE)
    require_mfa = models.BooleanField(
        _("requires a second factor"),
        default=False,
        help_text=_("Members without a second factor, its owners too, can do nothing in it but leave."),
    )
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)

    objects = AliveManager.from_queryset(OrganizationQuerySet)()
    all_objects = models.Manager.from_queryset(OrganizationQuerySet)()

    class Meta:
        abstract = True
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")
        constraints: ClassVar[Any] = [
            models.UniqueConstraint(
                Lower("slug"),
                condition=models.Q(deleted_at__isnull=True),
                name="%(app_label)s_%(class)s_slug",
                violation_error_message=_("This slug is taken."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Organization(AbstractOrganization):
    """The boundary of isolation, as the kit brings it."""

    class Meta(AbstractOrganization.Meta):
        swappable = "SAAS_KIT_TENANCY_ORGANIZATION_MODEL"


class MembershipQuerySet(WatchedQuerySet["Membership"], GuardedQuerySet["Membership"]):  # type: ignore[override]
    """People's roles in organizations."""

    def owners(self) -> Self:
        """Keep the owners."""
        return self.filter(role=OWNER)

    def in_organization(self, organization: AbstractOrganization) -> Self:
        """Keep the members of one organization."""
        return self.filter(organization=organization)

    def visible_to(self, user: AbstractBaseUser, permission: str | None = None) -> Self:
        """Keep the members of the organizations that a user has a role in."""
        organizations = get_organization_model().objects.visible_to(user, permission)
        return self.filter(organization__in=organizations)


class Membership(Identified, Timestamped):
    """A person's role in an organization."""

    organization = models.ForeignKey(
        organization_model(),
        on_delete=models.CASCADE,
        related_name="memberships",
        verbose_name=_("organization"),
        db_index=False,
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="memberships",
        verbose_name=_("person"),
    )
    role = models.CharField(_("role"), max_length=63)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = (
            models.UniqueConstraint(
                fields=["organization", "user"],
                name="saas_kit_tenancy_member",
                violation_error_message=_("This person is a member already."),
            ),
        )
        indexes = (models.Index(fields=["organization", "-id"], name="saas_kit_tenancy_members"),)

    def __str__(self) -> str:
        return f"{self.user} · {self.role}"

    @property
    def is_owner(self) -> bool:
        """Whether the person owns the organization."""
        return self.role == OWNER

    def get_role(self) -> Role:
        """Return the role with what it grants."""
        return get_role(self.role, organization=self.organization)
