"""Teams and who is in them."""

from __future__ import annotations

from typing import Any, Self

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from saas_kit.core.models import AliveManager, SoftDeletable, SoftDeletableQuerySet
from saas_kit.core.permissions import Level
from saas_kit.tenancy.models import Membership, OrganizationOwned, OrganizationOwnedQuerySet, slug_validator
from saas_kit.tenancy.roles import Role, get_role


class TeamQuerySet(SoftDeletableQuerySet[Any], OrganizationOwnedQuerySet):  # type: ignore[override]
    """Teams."""

    def with_member(self, user: AbstractBaseUser) -> Self:
        """Keep the teams that a person is in."""
        return self.filter(team_memberships__membership__user=user)

    def with_member_count(self) -> Self:
        """Add ``member_count``, the number of people in the team."""
        members = TeamMembership.objects.filter(team=models.OuterRef("pk")).order_by().values("team")
        count = members.annotate(count=models.Count("pk")).values("count")
        return self.annotate(member_count=models.functions.Coalesce(models.Subquery(count), 0))


class Team(OrganizationOwned, SoftDeletable):
    """A named group of an organization's members."""

    name = models.CharField(_("name"), max_length=120)
    slug = models.CharField(_("slug"), max_length=63, validators=[slug_validator])
    description = models.TextField(_("description"), max_length=2000, blank=True, default="")

    objects = AliveManager.from_queryset(TeamQuerySet)()
    all_objects = models.Manager.from_queryset(TeamQuerySet)()

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        constraints = (
            models.UniqueConstraint(
                "organization",
                Lower("name"),
                condition=models.Q(deleted_at__isnull=True),
                name="saas_kit_teams_team_name",
                violation_error_message=_("A team of this name exists already."),
            ),
            models.UniqueConstraint(
                "organization",
                Lower("slug"),
                condition=models.Q(deleted_at__isnull=True),
                name="saas_kit_teams_team_slug",
                violation_error_message=_("This slug is taken."),
            ),
        )
        indexes = (models.Index(fields=["organization", "-id"], name="saas_kit_teams_by_org"),)

    def __str__(self) -> str:
        return self.name


class TeamMembership(OrganizationOwned):
    """A member of the organization in one of its teams; it ends with the membership."""

    team = models.ForeignKey(
        Team,
        on_delete=models.CASCADE,
        related_name="team_memberships",
        verbose_name=_("team"),
        db_index=False,
    )
    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="team_memberships", verbose_name=_("member")
    )
    role = models.CharField(_("role"), max_length=63)

    class Meta:
        verbose_name = _("team membership")
        verbose_name_plural = _("team memberships")
        constraints = (
            models.UniqueConstraint(
                fields=["team", "membership"],
                name="saas_kit_teams_member",
                violation_error_message=_("This person is in the team already."),
            ),
        )
        indexes = (models.Index(fields=["team", "-id"], name="saas_kit_teams_members"),)

    def __str__(self) -> str:
        return f"{self.membership} · {self.role}"

    def get_role(self) -> Role:
        """Return the role with what it grants."""
        return get_role(self.role, level=Level.TEAM)
