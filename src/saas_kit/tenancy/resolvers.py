"""
Which organization a request is about.

A resolver takes a request, Django's or REST framework's, and returns the id or the slug of an organization, or None
where the request names none. It decides nothing: what it names is looked up among the organizations that the caller is
in. ``SAAS_KIT_TENANCY_RESOLVERS`` lists those that are asked. Where several name an organization, it must be the same
one, so that another resolver can only narrow a request, and never move it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.urls import Resolver404, resolve
from django.utils.module_loading import import_string

from saas_kit.core.exceptions import NotFound
from saas_kit.tenancy.access import get_access
from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.exceptions import MfaEnrollmentRequired
from saas_kit.tenancy.models import AbstractOrganization, get_organization_model

HEADER = "X-Organization"

Name: TypeAlias = str | UUID
Resolver: TypeAlias = Callable[[Any], Name | None]


def header(request: Any) -> str | None:
    """Return what the header ``X-Organization`` says."""
    value: str | None = request.headers.get(HEADER)
    return value


def subdomain(request: Any) -> str | None:
    """
    Return what stands before ``SAAS_KIT_TENANCY_BASE_DOMAIN`` in the ``Host`` header.

    The base domain itself, its ``SAAS_KIT_TENANCY_RESERVED_SUBDOMAINS`` and hosts outside of it name none. Of a
    nested subdomain everything is returned, which is no slug, and so not found.

    Raises:
        ImproperlyConfigured: There is no base domain.
    """
    base = TenancySettings.BASE_DOMAIN.lower()
    if not base:
        raise ImproperlyConfigured("The resolver of subdomains needs SAAS_KIT_TENANCY_BASE_DOMAIN.")
    host = request.get_host().lower().partition(":")[0].removesuffix(".")
    label: str = host.removesuffix(f".{base}")
    return None if label == host or label in TenancySettings.RESERVED_SUBDOMAINS else label


def path(request: Any) -> Name | None:
    """Return the argument of the URL that ``SAAS_KIT_TENANCY_PATH_ARGUMENT`` names."""
    match = request.resolver_match
    if match is None:  # a middleware may ask before Django has resolved the URL
        try:
            match = resolve(request.path_info, getattr(request, "urlconf", None))
        except Resolver404:
            return None
    value: Name | None = match.kwargs.get(TenancySettings.PATH_ARGUMENT)
    return value


def claim(request: Any) -> Name | None:
    """
    Return the claim ``SAAS_KIT_TENANCY_CLAIM`` of the token of a sign-in that is not the kit's.

    ``request.auth`` has to be a mapping of claims, or have one as its ``payload``. The tokens of ``saas_kit.auth``
    need no resolver: what they are bound to is heeded always.
    """
    auth = getattr(request, "auth", None)
    claims = getattr(auth, "payload", auth)
    value: Name | None = claims.get(TenancySettings.CLAIM) if isinstance(claims, Mapping) else None
    return value


def bound_organization(request: Any) -> str | None:
    """Return the organization that the token of the request is bound to; None where it is bound to none."""
    value: str | None = getattr(getattr(request, "auth", None), "bound_organization", None)
    return value


def named_organizations(request: Any) -> list[Name]:
    """
    Return what the resolvers of ``SAAS_KIT_TENANCY_RESOLVERS`` name.

    Raises:
        TypeError: One returned something that can be no id and no slug.
    """
    found = []
    for resolver in _resolvers(tuple(TenancySettings.RESOLVERS)):
        name = resolver(request)
        if name is None:
            continue
        if not isinstance(name, str | UUID):
            raise TypeError(
                f"{resolver!r} returned {type(name).__name__}, not the id or the slug of an organization."
            )
        found.append(name)
    return found


def resolve_organization(request: Any, user: Any) -> AbstractOrganization | None:
    """
    Return the organization that a request is about, with its account; None where the request names none.

    It takes one statement at most, and none where no organization is named. Somebody who is not signed in has none.

    Raises:
        NotFound: There is no such organization, the user is not in it, or two different ones are named.
        MfaEnrollmentRequired: It requires a second factor, and the user has none.
    """
    if not user.is_authenticated:
        return None
    bound = bound_organization(request)
    names = [*([] if bound is None else [bound]), *named_organizations(request)]
    if not names:
        return None
    first, *others = map(_parsed, names)
    organization = _find(user, first)
    if organization is None or not all(_is_named(organization, other) for other in others):
        raise NotFound
    if get_access(user).is_closed(organization):
        raise MfaEnrollmentRequired
    return organization


@lru_cache(maxsize=8)
def _resolvers(paths: tuple[str, ...]) -> tuple[Resolver, ...]:
    return tuple(import_string(each) for each in paths)


def _parsed(name: Name) -> Name:
    try:
        return name if isinstance(name, UUID) else UUID(name)
    except ValueError:
        return name


def _find(user: Any, name: Name) -> AbstractOrganization | None:
    organizations = get_organization_model().objects.known_to(user).select_related("account")
    if isinstance(name, UUID):
        return organizations.filter(pk=name).first()
    # what cannot be printed, as NUL and lone surrogates, cannot be sent to a database either
    return organizations.filter(slug__iexact=name).first() if name.isprintable() else None


def _is_named(organization: AbstractOrganization, name: Name) -> bool:
    if isinstance(name, UUID):
        return bool(organization.pk == name)
    return organization.slug.lower() == name.lower()
