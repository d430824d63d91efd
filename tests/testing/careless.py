"""A few routes for tests of the prover: careful ones, careless ones, and some that cannot be exercised."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import include, path, re_path
from django.views import View
from django.views.decorators.http import require_GET, require_POST
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.viewsets import ReadOnlyModelViewSet

from saas_kit.core.exceptions import NotAllowed
from saas_kit.tenancy import unscoped
from saas_kit.testing.isolation import IsolationProof
from tests.hosts.full.widgets.api.views import WidgetViewSet
from tests.hosts.full.widgets.models import Widget


def crash(request: HttpRequest) -> JsonResponse:
    """Fail, whoever asks."""
    raise RuntimeError("out of order")


@require_POST
def refuse(request: HttpRequest) -> JsonResponse:
    """Refuse, whoever asks."""
    return JsonResponse({"detail": "No."}, status=403)


@require_GET
@unscoped(reason="this view is careless")
def leak(request: HttpRequest) -> JsonResponse:
    """Tell everybody the names of all widgets."""
    return JsonResponse({"names": list(Widget.objects.values_list("name", flat=True))})


@api_view(["POST"])
def guess(request: Request) -> Response:
    """Want something that no document tells of."""
    if request.data.get("password") != "open sesame":
        raise NotAllowed
    return Response({"detail": "Welcome."})


class Status(View):
    """Tell how things are; nothing of anybody's."""

    def get(self, request: HttpRequest, **kwargs: Any) -> JsonResponse:
        return JsonResponse({"status": "fine"})

    def delete(self, request: HttpRequest, **kwargs: Any) -> JsonResponse:
        return JsonResponse({"status": "fine"})


class StockViewSet(ReadOnlyModelViewSet):  # type: ignore[type-arg]
    """Widgets, as REST framework's own router serves them."""

    queryset = Widget.objects.none()


stock = DefaultRouter()
stock.register("stock", StockViewSet, basename="stock")

careful = [
    path("widgets/", WidgetViewSet.as_view({"get": "list", "post": "create"})),
    path("widgets/<uuid:pk>/", WidgetViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path("widgets/<uuid:pk>/restore/", WidgetViewSet.as_view({"post": "restore"}, detail=True)),
    path("status/", Status.as_view()),
]
urlpatterns = [
    path("careful/", include(careful)),
    path("careless/leak/", leak),
    path("broken/crash/", require_GET(crash)),
    path("broken/refuse/", refuse),
    path("closed/guess/", guess),
    re_path(r"^shapes/(?P<year>[0-9]{4})/status/$", Status.as_view()),
    path("shapes/<int:number>/<slug:word>/", Status.as_view()),
    path("shapes/function/", crash),
    path("shapes/", include(stock.urls)),
    path("elsewhere/", Status.as_view()),
]

PROOF = IsolationProof(urlconf="tests.testing.careless", prefix="/careful/")


def make_proof() -> IsolationProof:
    """Return a proof that does not hold."""
    return IsolationProof(urlconf="tests.testing.careless", prefix="/careless/")
