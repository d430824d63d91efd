"""The organization that a member of staff chose to work on in the admin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from saas_kit.audit.services import record
from saas_kit.tenancy.guard import is_owned
from saas_kit.tenancy.models import AbstractOrganization, get_organization_model
from saas_kit.tenancy.scoping import scope, unscoped

EVERY = "*"
"""What stands for all organizations in the session and in the form."""

SESSION_KEY = "saas_kit_tenancy_admin_organization"
URL_NAME = "saas_kit_tenancy_choose_organization"
_ATTRIBUTE = "_saas_kit_organization_choice"


@dataclass(frozen=True)
class Choice:
    """
    What a member of staff chose.

    Attributes:
        organization: The organization; None where all were chosen.
    """

    organization: AbstractOrganization | None

    @property
    def key(self) -> str:
        """The choice as the session and the forms hold it."""
        return EVERY if self.organization is None else str(self.organization.pk)

    def scope(self, user: Any) -> scope | unscoped:
        """Return what sets the scope that was chosen; all organizations are logged with the person's name."""
        if self.organization is None:
            return unscoped(reason=f"admin: {user.get_username()}")
        return scope(self.organization)


def needs_choice(model_admin: Any) -> bool:
    """Tell whether pages of the admin show what was chosen, and nothing before."""
    return is_owned(model_admin.model) or getattr(model_admin, "needs_organization_choice", False)


def find_choice(key: object) -> Choice | None:
    """Return the choice that a key stands for; None where its organization is not there, or deleted."""
    if key == EVERY:
        return Choice(None)
    try:
        organization = get_organization_model().objects.filter(pk=UUID(str(key))).first()
    except ValueError:
        return None
    return None if organization is None else Choice(organization)


def is_chosen(request: HttpRequest) -> bool:
    """Tell whether the session holds a choice, whatever has become of its organization."""
    return SESSION_KEY in request.session


def load_choice(request: HttpRequest) -> Choice | None:
    """Read the choice of the session, and keep it with the request."""
    choice = find_choice(request.session[SESSION_KEY]) if is_chosen(request) else None
    setattr(request, _ATTRIBUTE, choice)
    return choice


def present_choice(request: HttpRequest) -> Choice | None:
    """Return the choice that the request is answered with; None where there is none."""
    return getattr(request, _ATTRIBUTE, None)


def keep_choice(request: HttpRequest, choice: Choice) -> None:
    """Keep a choice for the rest of the session, on record."""
    user: Any = request.user
    with choice.scope(user):
        if choice.organization is None:
            record("staff.all_organizations_chosen", target=user, actor=user)
        else:
            key = choice.organization.pk
            record("staff.organization_chosen", target=choice.organization, actor=user, organization_id=key)
    request.session[SESSION_KEY] = choice.key


def drop_choice(request: HttpRequest) -> None:
    """Forget what was chosen."""
    request.session.pop(SESSION_KEY, None)


def choice_url(request: HttpRequest, *, after: str) -> str:
    """Return the address of the page of the choice, which leads to another one afterwards."""
    match = request.resolver_match
    try:
        address = reverse(f"{match.namespace}:{URL_NAME}" if match else f"admin:{URL_NAME}")
    except NoReverseMatch:
        # a site of the host's own, on which accounts are not registered
        address = reverse(f"admin:{URL_NAME}")
    return f"{address}?{urlencode({'next': after})}"


def redirect_to_choice(request: HttpRequest) -> HttpResponseRedirect:
    """Lead to the page of the choice, and from there back to where the request came to."""
    return HttpResponseRedirect(choice_url(request, after=request.get_full_path()))


def address_after(request: HttpRequest, *, otherwise: str) -> str:
    """Return where ``next`` leads, if that is on this site."""
    wanted: str = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if safe else otherwise
