"""The pages of e-mail: webhooks for providers, and unsubscribing."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from saas_kit.core import context
from saas_kit.core.exceptions import NotFound
from saas_kit.email import services
from saas_kit.email.conf import EmailSettings
from saas_kit.email.providers import API_ERRORS, FORGERIES, webhook_view, with_webhooks

logger = logging.getLogger("saas_kit.email")

# What Anymail's views raise over a body that is not as they expect it.
_STUMBLES: tuple[type[Exception], ...] = (
    *(AttributeError, LookupError, TypeError, ValueError, ImproperlyConfigured),
    *API_ERRORS,
)


class _Forged(Exception):
    """It has not what proves that the provider sent it."""


class _NoEvent(Exception):
    """It is not what the provider sends."""


@csrf_exempt
@login_not_required
def tracking(request: HttpRequest, provider: str) -> HttpResponse:
    """
    Take what a provider tells of messages, where its signature or its password is right.

    The answer is 404 for a provider that is not in use, 401 without and 403 with a wrong password or signature, and
    400 for what is no event. What goes wrong later is 500, so that the provider repeats it.
    """
    try:
        view = webhook_view(provider) if provider in with_webhooks() else None
    except ImproperlyConfigured:
        logger.exception("A webhook of %s was refused, as nothing could prove it.", provider)
        return _problem(HTTPStatus.FORBIDDEN, "permission_denied")
    if view is None:
        return _problem(HTTPStatus.NOT_FOUND, "not_found")
    _make_strict(view)
    view.setup(request)
    try:
        answer: HttpResponse = view.dispatch(request)
    except _Forged as error:
        logger.warning("A webhook of %s was refused: %s", provider, error)
        return _refusal(request, view)
    except _NoEvent:
        logger.warning("A webhook of %s could not be read.", provider, exc_info=True)
        return _problem(HTTPStatus.BAD_REQUEST, "invalid")
    return answer


@never_cache
@csrf_exempt  # the token is the proof, and mail clients have no cookie (RFC 8058, section 3.2)
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """
    Let no more messages like one go to whoever had it: at a POST, by a mail client or the button of the page.

    A GET changes nothing, as what looks for malware follows each link in a message.
    """
    is_done = request.method == "POST"
    try:
        email, topic = services.unsubscribe(token) if is_done else services.read_unsubscribe_token(token)
    except NotFound as error:
        raise Http404 from error
    values = {"email": email, "topic": topic, "is_done": is_done, "product": EmailSettings.PRODUCT_NAME}
    answer = TemplateResponse(request, "saas_kit_email/unsubscribe.html", values)
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer


def _make_strict(view: Any) -> None:
    """Tell apart whether a view of Anymail's refuses who posts, or what is posted; it would stumble over either."""
    validate, parse = view.run_validators, view.parse_events

    def run_validators(request: HttpRequest) -> None:
        try:
            validate(request)
        except (*FORGERIES, *_STUMBLES) as error:
            raise _Forged(error) from error

    def parse_events(request: HttpRequest) -> Any:
        try:
            return parse(request)
        except FORGERIES as error:
            raise _Forged(error) from error
        except _STUMBLES as error:
            raise _NoEvent from error

    view.run_validators, view.parse_events = run_validators, parse_events


def _refusal(request: HttpRequest, view: Any) -> HttpResponse:
    if view.basic_auth and "Authorization" not in request.headers:
        answer = _problem(HTTPStatus.UNAUTHORIZED, "not_authenticated")
        answer.headers["WWW-Authenticate"] = 'Basic realm="webhooks", charset="UTF-8"'
        return answer
    return _problem(HTTPStatus.FORBIDDEN, "permission_denied")


def _problem(status: HTTPStatus, code: str) -> JsonResponse:
    document = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status,
        "detail": status.description or status.phrase,
        "code": code,
        "request_id": context.request_id.get(),
    }
    return JsonResponse(document, status=status, content_type="application/problem+json")
