"""The active organization: a request may be narrowed to one of the organizations that the caller is in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from saas_kit.api.schema import describe_collection_header
from saas_kit.api.views import run_after_authentication
from saas_kit.core import context
from saas_kit.core.context import Scope
from saas_kit.core.exceptions import NotFound
from saas_kit.tenancy.access import as_if_enrolled, get_access
from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.exceptions import MfaEnrollmentRequired
from saas_kit.tenancy.models import AbstractOrganization
from saas_kit.tenancy.resolvers import HEADER, named_organizations, resolve_organization
from saas_kit.tenancy.scoping import scope

_ATTRIBUTE = "_saas_kit_organization"


def enter_scope(request: Request) -> None:
    """
    Let the request touch what its caller may see, or the one organization that it is about.

    Raises:
        NotFound: There is no such organization, the caller is not in it, or the request names two.
        MfaEnrollmentRequired: It requires a second factor, and the caller has none.
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
        with as_if_enrolled(request.user) if _is_open_without_second_factor(request) else nullcontext():
            organization = resolve_organization(request, request.user)
    except (NotFound, MfaEnrollmentRequired) as error:
        if not _is_of_use_without_organization(request, error):
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


def refuse_closed(request: Request, find: Callable[[], Any]) -> None:
    """
    Refuse what was not found because it is closed to the caller until they have a second factor.

    It costs nothing, and does nothing, unless something is closed to them and the request is about no one
    organization.

    Args:
        find: Looks again. It is called as if the caller had a second factor, and returns None of what they could
            not see with one either.

    Raises:
        MfaEnrollmentRequired: It is there.
    """
    access = get_access(request.user)
    held = context.scope.get()
    whole = None if access.is_staff else access.organization_ids
    if not access.lacks_second_factor or held is None or held.organization_ids != whole:
        return
    if active_organization(request) is not None:
        return
    with nullcontext() if access.is_staff else scope(access.closed_ids), as_if_enrolled(request.user):
        found = find()
    if found is not None:
        raise MfaEnrollmentRequired


def _is_of_use_without_organization(request: Request, error: Exception) -> bool:
    """
    Tell whether a view serves somebody who has no use of the organization that their request is about.

    Their token is bound to one that they are no longer in, or they come to set up the second factor that it requires.
    """
    if not getattr(_view_of(request), "needs_no_organization", False):
        return False
    return isinstance(error, MfaEnrollmentRequired) or not named_organizations(request)


def _is_open_without_second_factor(request: Request) -> bool:
    view = _view_of(request)
    return getattr(view, "action_name", None) in getattr(view, "open_without_second_factor", ())


def _view_of(request: Request) -> Any:
    return (request.parser_context or {}).get("view")


run_after_authentication(enter_scope)
if "saas_kit.tenancy.resolvers.header" in TenancySettings.RESOLVERS:
    describe_collection_header(
        OpenApiParameter(
            HEADER,
            location=OpenApiParameter.HEADER,
            description="The id or the slug of an organization that the caller is in; narrows the request to it.",
        )
    )
