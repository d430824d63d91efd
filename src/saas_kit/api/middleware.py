"""Problem documents for what goes wrong outside the views."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse

from saas_kit.api.conf import ApiSettings
from saas_kit.api.problems import CONTENT_TYPE, problem

_KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate", "Vary")


class ProblemDetailsMiddleware:
    """
    Give every error below ``SAAS_KIT_API_PATH_PREFIX`` the shape of the API: unknown paths, refused hosts,
    failed CSRF checks and unhandled exceptions, which Django would answer with a page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code < HTTPStatus.BAD_REQUEST or not request.path_info.startswith(
            ApiSettings.PATH_PREFIX
        ):
            return response
        if "json" in response.headers.get("Content-Type", ""):
            return response
        status = HTTPStatus(response.status_code)
        document = problem(status, code=status.name.lower(), detail=status.description or status.phrase)
        answer = JsonResponse(document, status=status, content_type=CONTENT_TYPE)
        for header in _KEPT_HEADERS:
            if header in response.headers:
                answer.headers[header] = response.headers[header]
        return answer
