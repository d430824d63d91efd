"""The active organization: a request may be narrowed to one of the organizations that the caller is in."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from saas_kit.api.schema import describe_collection_header
from saas_kit.api.views import run_after_authentication
from saas_kit.core import context
from saas_kit.core.exceptions import NotFound
from saas_kit.tenancy.models import AbstractOrganization, get_organization_model

HEADER = "X-Organization"
_ATTRIBUTE = "_saas_kit_organization"


def narrow(request: Request) -> None:
    """
    Find the organization that ``X-Organization`` names, by id or by slug.

    Raises:
        NotFound: There is none, or the caller is not in it.
    """
    name = request.headers.get(HEADER)
    if name is None or not request.user.is_authenticated:
        return
    organizations = get_organization_model().objects.visible_to(request.user).select_related("account")
    try:
        organization = organizations.filter(pk=UUID(name)).first()
    except ValueError:
        organization = None if "\x00" in name else organizations.filter(slug__iexact=name).first()
    if organization is None:
        raise NotFound
    setattr(request._request, _ATTRIBUTE, organization)
    context.organization_id.set(organization.pk)


def active_organization(request: Request) -> AbstractOrganization | None:
    """Return the organization that the request was narrowed to; None where it names none."""
    return getattr(request._request, _ATTRIBUTE, None)


run_after_authentication(narrow)
describe_collection_header(
    OpenApiParameter(
        HEADER,
        location=OpenApiParameter.HEADER,
        description="The id or the slug of an organization that the caller is in; narrows the request to it.",
    )
)
