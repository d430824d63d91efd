"""Middleware that sets the scope for pages of people who are signed in with a session, and for the admin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import LazyObject
from django.utils.translation import gettext as _

from saas_kit.core import context
from saas_kit.core.exceptions import NotFound
from saas_kit.tenancy.choice import (
    choice_url,
    drop_choice,
    is_chosen,
    load_choice,
    needs_choice,
    present_choice,
    redirect_to_choice,
)
from saas_kit.tenancy.exceptions import MfaEnrollmentRequired, ScopeRequired
from saas_kit.tenancy.resolvers import resolve_organization
from saas_kit.tenancy.scoping import scope

_VARIABLES: tuple[Any, ...] = (context.scope, context.organization_id, context.actor_id)


class OrganizationMiddleware:
    """
    Set the scope of each request of somebody who is signed in with a session; it ends with the request.

    A page may touch the organization that the request names, and nothing where it names none. Whoever is not in
    that organization gets 404, and who has not the second factor that it requires, 403. ``request.organization`` is
    the organization, or None.

    In the admin, the scope is what the member of staff chose there: one organization, or all. Until they have
    chosen, the pages of tenant-owned models lead to the choice.

    Views of an API find out for themselves who calls, and set their own scope.
    """

    sync_capable = True
    async_capable = True

    def __init__(
        self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
    ) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._call_async(request)
        with _taken_back():
            return self.get_response(request)

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        with _taken_back():
            response: HttpResponseBase = await self.get_response(request)  # type: ignore[misc]
            return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        """Set the scope, once it is known which view answers and who asks."""
        request.organization = None  # type: ignore[attr-defined]
        user = None if _authenticates_itself(view) else _person_of(request)
        if user is None:
            return None
        context.actor_id.set(str(user.pk))
        if _is_admin(request):
            return _enter_admin(request, view) if user.is_staff else None
        try:
            organization = resolve_organization(request, user)
        except NotFound as error:
            raise Http404(str(error)) from error
        except MfaEnrollmentRequired as error:
            raise PermissionDenied(str(error)) from error
        if organization is not None:
            _enter(request, organization, scope(organization))
        return None

    def process_template_response(self, request: HttpRequest, response: Any) -> Any:
        """Let the templates of the admin tell what was chosen."""
        choice = present_choice(request)
        if choice is not None:
            response.context_data = {
                "organization_choice": choice,
                "organization_choice_url": choice_url(request, after=request.get_full_path()),
                **(response.context_data or {}),
            }
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Lead to the choice where a page of the admin turned out to need one."""
        if not isinstance(exception, ScopeRequired) or not _is_admin(request):
            return None
        user = _person_of(request)
        if user is None or not user.is_staff or context.scope.get() is not None:
            return None
        if request.method == "POST":
            text = _("Nothing was changed: this concerns what belongs to organizations. Choose one first.")
            messages.warning(request, text, fail_silently=True)
        return redirect_to_choice(request)


@contextmanager
def _taken_back() -> Iterator[None]:
    before = [variable.get() for variable in _VARIABLES]
    try:
        yield
    finally:
        for variable, value in zip(_VARIABLES, before, strict=True):
            variable.set(value)


def _authenticates_itself(view: Any) -> bool:
    # what Django REST framework makes of its views, without importing it
    return hasattr(getattr(view, "cls", None), "authentication_classes")


def _person_of(request: HttpRequest) -> Any:
    """Return who is signed in, and not what Django puts before them until somebody asks; None of nobody."""
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_active:
        return None
    return user._wrapped if isinstance(user, LazyObject) else user


def _is_admin(request: HttpRequest) -> bool:
    return request.resolver_match is not None and "admin" in request.resolver_match.app_names


def _enter(request: HttpRequest, organization: Any, entered: Any) -> None:
    entered.__enter__()  # left by the middleware around the view, as the response is rendered after it
    request.organization = organization  # type: ignore[attr-defined]
    context.organization_id.set(None if organization is None else organization.pk)


def _enter_admin(request: HttpRequest, view: Any) -> HttpResponseBase | None:
    choice = load_choice(request)
    if choice is not None:
        _enter(request, choice.organization, choice.scope(request.user))
        return None
    if is_chosen(request):
        drop_choice(request)
        text = _("The organization that you had chosen was deleted. Choose again.")
        messages.warning(request, text, fail_silently=True)
    # set by ModelAdmin.get_urls() on its views
    model_admin = getattr(view, "model_admin", None)
    if model_admin is None or not needs_choice(model_admin):
        return None
    if not any(model_admin.get_model_perms(request).values()):
        return None  # the view refuses
    return redirect_to_choice(request)
