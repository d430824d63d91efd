"""The full host's URLs, and views that go wrong in every way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from saas_kit.api.views import ApiView
from saas_kit.core import exceptions as kit
from saas_kit.core.permissions import Access
from saas_kit.tenancy.exceptions import LastOwner, SlugTaken
from tests.hosts.full.urls import urlpatterns as host
from tests.hosts.full.widgets.api.views import WidgetViewSet

SECRET = "what only the server may know: SELECT password FROM users"

FAULTS: dict[str, Any] = {
    "bug": lambda: RuntimeError(SECRET),
    "key": lambda: KeyError(SECRET),
    "database": lambda: OperationalError(SECRET),
    "missing": lambda: Http404(SECRET),
    "denied": lambda: PermissionDenied(SECRET),
    "throttled": lambda: Throttled(wait=7.2),
    "invalid": lambda: ValidationError({"colour": ["Too blue."]}),
    "invalid as a whole": lambda: ValidationError("Not good."),
    "kit-invalid": lambda: SlugTaken(field="slug"),
    "kit-anonymous": kit.NotAuthenticated,
    "kit-denied": kit.NotAllowed,
    "kit-missing": kit.NotFound,
    "kit-conflict": LastOwner,
    "kit-gone": kit.Gone,
    "kit-limited": lambda: kit.RateLimited(retry_after=9),
}


class FaultyView(ApiView):
    """Raises what its path names."""

    required_permissions = {"get": Access.PUBLIC, "post": Access.AUTHENTICATED}

    def get(self, request: Request, fault: str) -> Response:
        """Raise."""
        error: Exception = FAULTS[fault]()
        raise error

    def post(self, request: Request, fault: str) -> Response:
        """Answer, to whoever is signed in."""
        return Response({"data": request.data})

    def put(self, request: Request, fault: str) -> Response:
        """Answer; nobody said who may ask."""
        return Response({})


class ForgetfulViewSet(WidgetViewSet):
    """Declares no permission to change or to restore."""

    required_permissions = {
        name: permission
        for name, permission in WidgetViewSet.required_permissions.items()
        if name not in ("update", "restore")
    }


def fail(request: HttpRequest) -> HttpResponse:
    """Raise outside the REST framework."""
    raise RuntimeError(SECRET)


def add_headers(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Add to every answer what the middleware of a host may: for other origins, for browsers and for caches."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers["Access-Control-Allow-Origin"] = request.headers.get("Origin", "null")
        response.headers["Content-Security-Policy"] = "default-src 'none'"
        response.headers["ETag"] = '"of the page"'
        if "cache" in request.GET:
            response.headers["Cache-Control"] = request.GET["cache"]
        response.set_cookie("seen", "yes")
        return response

    return answer


urlpatterns = [
    path("api/v1/faulty/<str:fault>/", FaultyView.as_view()),
    path("api/v1/forgetful/", ForgetfulViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "api/v1/forgetful/<uuid:pk>/",
        ForgetfulViewSet.as_view({"get": "retrieve", "put": "update", "patch": "partial_update"}),
    ),
    path("api/v1/forgetful/<uuid:pk>/restore/", ForgetfulViewSet.as_view({"post": "restore"})),
    path("api/v1/plain/", fail),
    path("elsewhere/", fail),
    *host,
]
