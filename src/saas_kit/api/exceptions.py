"""Turns every exception of a view into a problem document."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import OperationalError
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from saas_kit.api.problems import CONTENT_TYPE, flatten, problem
from saas_kit.core import exceptions as kit

logger = logging.getLogger("saas_kit.api")

_STATUSES: dict[type[kit.SaasKitError], int] = {
    kit.InvalidInput: status.HTTP_400_BAD_REQUEST,
    kit.NotAuthenticated: status.HTTP_401_UNAUTHORIZED,
    kit.NotAllowed: status.HTTP_403_FORBIDDEN,
    kit.NotFound: status.HTTP_404_NOT_FOUND,
    kit.Conflict: status.HTTP_409_CONFLICT,
    kit.Gone: status.HTTP_410_GONE,
    kit.RateLimited: status.HTTP_429_TOO_MANY_REQUESTS,
    kit.Unavailable: status.HTTP_503_SERVICE_UNAVAILABLE,
}

RETRY_AFTER_OUTAGE = 5
"""Seconds after which a client may try again when the database was out of reach."""


class PreconditionFailed(exceptions.APIException):
    """``If-Match`` names a version that is no longer the present one (RFC 9110, section 13.1.1)."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_detail = gettext_lazy("It was changed since you read it. Read it again.")
    default_code = "stale"


def status_of(error: kit.SaasKitError) -> int:
    """Return the HTTP status of one of the kit's errors."""
    return next((code for cls, code in _STATUSES.items() if isinstance(error, cls)), 400)


def handle_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer to an exception; None of one that is a bug, which Django then logs and answers 500."""
    response = _answer_to(error)
    if response is not None:
        set_rollback()
    return response


def _answer_to(error: Exception) -> Response | None:
    if isinstance(error, kit.SaasKitError):
        return _answer_to_kit_error(error)
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, DjangoValidationError):
        error = _as_api_error(error)
    elif isinstance(error, OperationalError):
        logger.error("The database could not be asked.", exc_info=error)
        document = problem(503, code="unavailable", detail=_("The service is not available right now."))
        return _respond(document, {"Retry-After": str(RETRY_AFTER_OUTAGE)})
    if not isinstance(error, exceptions.APIException):
        return None
    headers: dict[str, str] = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait))  # type: ignore[attr-defined]
    if isinstance(error, exceptions.ValidationError):
        errors = list(flatten(error.detail))
        document = problem(400, code="invalid", detail=_("The input is not valid."), errors=errors)
    else:
        codes = error.get_codes()
        code = codes if isinstance(codes, str) else error.default_code
        document = problem(error.status_code, code=code, detail=str(_detail_of(error)))
    return _respond(document, headers)


def _answer_to_kit_error(error: kit.SaasKitError) -> Response:
    code = status_of(error)
    headers: dict[str, str] = {}
    if isinstance(error, kit.InvalidInput):
        errors = [{"field": error.field, "code": error.code, "detail": str(error)}]
        document = problem(code, code="invalid", detail=_("The input is not valid."), errors=errors)
        return _respond(document, headers)
    if isinstance(error, kit.NotAuthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, kit.RateLimited | kit.Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    return _respond(problem(code, code=error.code, detail=str(error)), headers)


def _as_api_error(error: DjangoValidationError) -> exceptions.ValidationError:
    from_fields = error.message_dict if hasattr(error, "error_dict") else {"non_field_errors": error.messages}
    return exceptions.ValidationError(from_fields)


def _detail_of(error: exceptions.APIException) -> object:
    return error.detail if not isinstance(error.detail, dict | list) else error.default_detail


def _respond(document: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(document, status=document["status"], headers=headers, content_type=CONTENT_TYPE)
