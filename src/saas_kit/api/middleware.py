"""Problem documents for what goes wrong outside the views."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse

from saas_kit.api.conf import ApiSettings
from saas_kit.api.problems import CONTENT_TYPE, phrase_of, problem

# what these say is of the page that the document takes the place of
_REPLACED_HEADERS = frozenset(
    {
        "accept-ranges",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-range",
        "content-type",
        "etag",
        "last-modified",
    }
)


class ProblemDetailsMiddleware:
    """
    Give every error below ``SAAS_KIT_API_PATH_PREFIX`` the shape of the API: unknown paths, refused hosts,
    failed CSRF checks and unhandled exceptions, which Django would answer with a page.

    Cookies and headers of the page stay, except those that describe its body.
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
        phrase = phrase_of(status)
        code = phrase.lower().replace(" ", "_")
        document = problem(status, code=code, detail=status.description or phrase)
        answer = JsonResponse(document, status=status, content_type=CONTENT_TYPE)
        for header, value in response.headers.items():
            if header.lower() not in _REPLACED_HEADERS:
                answer.headers[header] = value
        answer.headers.setdefault("Cache-Control", "private, no-store")
        answer.cookies = response.cookies
        # Django has logged it, and mailed it to the admins; by this mark it does not once more
        answer._has_been_logged = getattr(response, "_has_been_logged", False)  # type: ignore[attr-defined]
        return answer
