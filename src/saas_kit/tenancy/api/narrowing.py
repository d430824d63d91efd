"""The active organization: a request may be narrowed to one of the organizations that the caller is in."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from saas_kit.api.schema import describe_collection_header
from saas_kit.api.views import run_after_authentication
from saas_kit.core import context
from saas_kit.core.context import Scope
from saas_kit.core.exceptions import NotFound
from saas_kit.tenancy.access import get_access
from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.models import AbstractOrganization
from saas_kit.tenancy.resolvers import HEADER, named_organizations, resolve_organization

_ATTRIBUTE = "_saas_kit_organization"


def enter_scope(request: Request) -> None:
    """
    Let the request touch what its caller may see, or the one organization that it is about.

    Raises:
        NotFound: There is no such organization, the caller is not in it, or the request names two.
    """
    if not request.user.is_authenticated:
        return
    access = get_access(request.user)
    context.actor_id.set(str(request.user.pk))
    if access.is_staff:
        context.scope.set(Scope(None, "platform staff"))
    else:
        context.scope.set(Scope(access.organization_ids))
    try:
        organization = resolve_organization(request, request.user)
    except NotFound:
        if not _is_of_use_without_organization(request):
            raise
        context.scope.set(Scope(frozenset()))
        return
    if organization is not None:
        setattr(request._request, _ATTRIBUTE, organization)
        context.organization_id.set(organization.pk)
        narrow_to(organization)


def narrow_to(organization: AbstractOrganization) -> None:
    """Let the rest of the request touch one organization only."""
    held = context.scope.get()
    # the block that it is done in, if any, ends as it would have
    outer = None if held is None else held.outer
    context.scope.set(Scope(frozenset((organization.pk,)), outer=outer))


def active_organization(request: Request) -> AbstractOrganization | None:
    """Return the organization that the request was narrowed to; None where it names none."""
    return getattr(request._request, _ATTRIBUTE, None)


def _is_of_use_without_organization(request: Request) -> bool:
    """Tell whether a view serves somebody whose token is bound to an organization that they are no longer in."""
    view = (request.parser_context or {}).get("view")
    return getattr(view, "needs_no_organization", False) and not named_organizations(request)


run_after_authentication(enter_scope)
if "saas_kit.tenancy.resolvers.header" in TenancySettings.RESOLVERS:
    describe_collection_header(
        OpenApiParameter(
            HEADER,
            location=OpenApiParameter.HEADER,
            description="The id or the slug of an organization that the caller is in; narrows the request to it.",
        )
    )
