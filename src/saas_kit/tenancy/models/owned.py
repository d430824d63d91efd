"""What belongs to one organization: the base of every tenant-owned model."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from saas_kit.core.models import Identified, Timestamped
from saas_kit.tenancy.conf import organization_model
from saas_kit.tenancy.exceptions import OutOfScope
from saas_kit.tenancy.guard import ScopedQuerySet, require_in_scope
from saas_kit.tenancy.models.customers import AbstractOrganization, get_organization_model


class OrganizationOwnedQuerySet(ScopedQuerySet[Any]):
    """Rows that belong to an organization; they are found, changed and created within the scope only."""

    def in_organization(self, organization: AbstractOrganization) -> Self:
        """Keep the rows of one organization."""
        return self.filter(organization=organization)

    def visible_to(self, user: AbstractBaseUser, permission: str | None = None) -> Self:
        """Keep the rows of live organizations that a user has a role in; with a permission, one that grants it."""
        organizations = get_organization_model().objects.visible_to(user, permission)
        return self.filter(organization__in=organizations.values("pk"))


class OrganizationOwnedManager(models.Manager.from_queryset(OrganizationOwnedQuerySet)):
    """Finds rows in the scope. It is a class of its own so that a type checker lets a subclass replace it."""


class OrganizationOwned(Identified, Timestamped):
    """
    A row that belongs to one organization; hosts derive their tenant-owned models from it.

    Nothing reads or writes it without a scope. The organization of a new row is the scope's where that holds
    exactly one, and never changes.

    Name it first among the bases. A subclass that brings its own query set derives it from
    ``OrganizationOwnedQuerySet`` and says ``objects = models.Manager.from_queryset(ItsQuerySet)()``.
    ``all_objects`` is what relations and ``refresh_from_db()`` use; a soft-deletable model overrides it, as
    ``SoftDeletable`` says. ``manage.py saas_kit_check_isolation --write`` writes the migration that makes references
    to other tenant-owned models safe.
    """

    is_organization_owned: ClassVar[bool] = True

    unique_among_organizations: ClassVar[frozenset[str]] = frozenset()
    """The names of constraints that hold among all organizations on purpose, though a write can meet another's row."""

    organization = models.ForeignKey(
        organization_model(),
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("organization"),
        editable=False,
    )

    objects: ClassVar[models.Manager[Any]] = OrganizationOwnedManager()
    all_objects: ClassVar[models.Manager[Any]] = OrganizationOwnedManager()

    class Meta:
        abstract = True
        base_manager_name = "all_objects"

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """
        Remove the row.

        Raises:
            ScopeRequired: There is no scope.
            OutOfScope: It belongs to another organization.
        """
        require_in_scope(self)
        # Django deletes a lone row by its key, past every manager: the row must be what the instance says
        if not type(self)._base_manager.using(using or self._state.db).filter(pk=self.pk).exists():
            raise OutOfScope(type(self))
        return super().delete(using, keep_parents)
