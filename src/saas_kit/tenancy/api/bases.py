"""The bases of tenant-owned collections: what strangers cannot see, and what members may not do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from django.db.models import Q
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ErrorDetail, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from saas_kit.api.views import ApiViewSet, ModelViewSet
from saas_kit.audit.services import record
from saas_kit.core import context
from saas_kit.core.context import without_scope
from saas_kit.core.exceptions import NotFound
from saas_kit.tenancy.access import get_access
from saas_kit.tenancy.api.fields import OrganizationField
from saas_kit.tenancy.api.narrowing import active_organization, enter_scope, narrow_to, refuse_closed
from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.exceptions import MfaEnrollmentRequired, Suspended
from saas_kit.tenancy.models import AbstractOrganization, Account, Status, get_organization_model
from saas_kit.tenancy.permissions import OrganizationPermission
from saas_kit.tenancy.services import lock_account, lock_organization

_SAFE_METHODS = ("GET", "HEAD")


class TenantViewSet(ApiViewSet):
    """
    A collection in accounts or organizations.

    ``get_object()`` answers 404 for what the caller may not see and 403 for what they may not do. Writes to
    what is suspended are refused, and acts of platform staff are recorded. Whoever has not the second factor that an
    organization requires gets 403 for all that is in it, and lists leave that out.
    """

    open_without_second_factor: ClassVar[tuple[str, ...]] = ()
    """Actions that serve somebody also where an organization requires a second factor that they do not have."""

    def visible_permission(self) -> str | None:
        """Return the permission without which an object is hidden: that of ``list`` or else of ``retrieve``."""
        name = "list" if self.action_name == "list" else "retrieve"
        return self.required_permissions.get(name) or self.required_permissions.get("list")

    def find_object(self) -> Any:
        instance = super().find_object()
        if instance is None:
            refuse_closed(self.request, super().find_object)
        return instance

    def check_object_permissions(self, request: Request, obj: Any) -> None:
        place = self.place_of(obj)
        if isinstance(place, AbstractOrganization) and get_access(request.user).is_closed(place):
            raise MfaEnrollmentRequired
        super().check_object_permissions(request, obj)
        if context.staff_access.get():
            self.note_staff_access(request, obj)
        if request.method not in _SAFE_METHODS:
            _refuse_suspended(place, unless=obj if self.action_name == "restore" else None)
        if isinstance(place, AbstractOrganization):
            # what a body names must be there too, even for somebody who is in several organizations
            narrow_to(place)

    def require(self, request: Request, obj: Any) -> None:
        """Ask for the present action's permission on an object that was not found by ``get_object()``."""
        self.check_object_permissions(request, obj)

    def place_of(self, instance: Any) -> Any:
        """Return the account or the organization that something is, or is in; None of what is in none."""
        if isinstance(instance, Account | AbstractOrganization):
            return instance
        return getattr(instance, "organization", None)

    def hold(self, instance: Any) -> None:
        place = self.place_of(instance)
        if isinstance(place, Account):
            lock_account(place)
        elif place is not None:
            lock_organization(place)
        super().hold(instance)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List what the caller may see."""
        if get_access(request.user).is_staff:
            self.note_staff_access(request, request.user)
        queryset = self.filter_queryset(self.get_queryset())
        serializer = self.get_serializer(self.paginate_queryset(queryset), many=True)
        return self.get_paginated_response(serializer.data)

    def note_staff_access(self, request: Request, obj: Any) -> None:
        """Record that the caller acts as platform staff."""
        context.staff_access.set(True)
        changes = {"method": request.method, "path": request.path}
        record("staff.access", target=obj, actor=self.actor, changes=changes)


class ScopedViewMixin:
    """
    Gives a view that is REST framework's own, and not the kit's, the scope of its caller.

    Name it before the view's class. Models, related fields and validators then find what the caller may see, or the
    organization that the request names; whoever is not in that gets 404, and who has not the second factor that it
    requires, 403. Permissions are for the view to ask.
    """

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        with without_scope():
            return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        try:
            enter_scope(request)
        except NotFound as error:
            raise Http404(str(error)) from error
        except MfaEnrollmentRequired as error:
            raise PermissionDenied(str(error), error.code) from error


def _refuse_suspended(place: Any, *, unless: Any) -> None:
    places = [place, getattr(place, "account", None)]
    # a place that is suspended may be restored; what is in it may not
    if any(each not in (None, unless) and each.status == Status.SUSPENDED for each in places):
        raise Suspended


def restorable(queryset: Any) -> Any:
    """Keep what is alive, and what was deleted within the retention time."""
    since = timezone.now() - timedelta(days=TenancySettings.RETENTION_DAYS)
    return queryset.filter(Q(deleted_at__isnull=True) | Q(deleted_at__gte=since))


class OrganizationTargetMixin:
    """
    Creates things in an organization: the body's, else the active one, else the caller's only one.

    The serializer's ``create()`` gets ``organization`` and ``actor`` beside the fields.
    """

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Create one in an organization: the body's, else the active one, else the caller's only one."""
        self.organization = self.get_target_organization(request)
        self.require(request, self.organization)  # type: ignore[attr-defined]
        return super().create(request, *args, **kwargs)  # type: ignore[misc,no-any-return]

    def get_target_organization(self, request: Request) -> AbstractOrganization:
        """Return where the request wants to create something, whether or not the caller may."""
        active = active_organization(request)
        body = request.data if isinstance(request.data, Mapping) else {}
        if "organization" not in body:
            if active is not None:
                return active
            known: Any = get_organization_model().objects.known_to(self.actor)  # type: ignore[attr-defined]
            only = list(known.select_related("account")[:2])
            if len(only) != 1:
                raise field_required("organization")
            return only[0]  # type: ignore[no-any-return]
        organizations = get_organization_model().objects.select_related("account")
        if active is not None:
            organizations = organizations.filter(pk=active.pk)
        field = OrganizationField(queryset=organizations)
        field.bind("organization", self.get_input_serializer())  # type: ignore[attr-defined]
        organization: AbstractOrganization = field.run_as_body_field(body["organization"])
        return organization

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        serializer.save(organization=self.organization, actor=self.actor)  # type: ignore[attr-defined]


class OrganizationScopedViewSet(OrganizationTargetMixin, TenantViewSet, ModelViewSet):
    """
    A collection of rows that belong to an organization, across all organizations that the caller may see.

    A host derives the views of its own models from this: ``queryset``, ``serializer_class`` and
    ``required_permissions`` are all that a view needs. ``X-Organization`` narrows it to one organization.

    The serializer's ``create()`` and ``update()`` get ``actor`` beside the fields, and ``create()`` also
    ``organization``.
    """

    def get_queryset(self) -> Any:
        queryset: Any = super().get_queryset()
        if self.action_name == "restore":
            queryset = restorable(queryset.model.all_objects.all())
        queryset = queryset.visible_to(self.actor, self.visible_permission())
        organization = active_organization(self.request)
        if organization is not None:
            queryset = queryset.in_organization(organization)
        # decisions about one row need its organization; lists decide in the query
        return queryset.select_related("organization__account") if self.detail else queryset


class NestedViewSet(TenantViewSet):
    """
    A collection below an object: ``/organizations/{organization_id}/members/``.

    The object is found first, among what the caller may see; permissions are asked of it.
    """

    parent_kwarg: ClassVar[str]

    def get_parent_queryset(self) -> Any:
        """Return the objects that the caller may see."""
        raise NotImplementedError

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        parent = self._find_parent()
        if parent is None:
            refuse_closed(request, self._find_parent)
            raise NotFound
        self.parent = parent
        if self.detail is not True:
            self.require(request, parent)

    def _find_parent(self) -> Any:
        return self.get_parent_queryset().filter(pk=self.kwargs[self.parent_kwarg]).first()

    def check_object_permissions(self, request: Request, obj: Any) -> None:
        # a row below the parent is decided by the parent
        super().check_object_permissions(request, self.parent)

    def place_of(self, instance: Any) -> Any:
        return super().place_of(self.parent)


class OrganizationNestedViewSet(NestedViewSet):
    """
    A collection of what belongs to one organization, below it: ``/organizations/{organization_id}/members/``.

    Name it before the mixins that create and list.
    """

    parent_kwarg = "organization_id"

    def get_parent_queryset(self) -> Any:
        organizations = get_organization_model().objects.select_related("account")
        active = active_organization(self.request)
        if active is not None:
            organizations = organizations.filter(pk=active.pk)
        return organizations.visible_to(self.actor, OrganizationPermission.VIEW)

    def get_queryset(self) -> Any:
        queryset: Any = super().get_queryset()
        return queryset.filter(organization=self.parent)

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        serializer.save(organization=self.parent, actor=self.actor)


def field_required(field: str) -> ValidationError:
    """Return the error for a field that is missing from a body."""
    return ValidationError({field: [ErrorDetail(str(_("This field is required.")), code="required")]})
