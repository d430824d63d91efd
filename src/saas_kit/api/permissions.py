"""Refuses what a view does not declare."""

from __future__ import annotations

import logging
from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from saas_kit.core import context
from saas_kit.core.permissions import Access, has_permission

logger = logging.getLogger("saas_kit.security")


class DeclaredPermission(BasePermission):
    """
    Asks for what the view declares in ``required_permissions`` for the action.

    ``Access.PUBLIC`` lets anybody in, ``Access.AUTHENTICATED`` anybody signed in. A permission is asked of
    the object. An action without a declaration is refused.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        required = view.get_required_permission()
        if required is None:
            logger.error(
                "%s declares no permission for %r; it is refused.", type(view).__qualname__, view.action_name
            )
            return False
        return required is Access.PUBLIC or request.user.is_authenticated

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        required = view.get_required_permission()
        return isinstance(required, Access) or has_permission(request.user, required, obj)


def log_denial(request: Request, view: Any, status: int) -> None:
    """Write one line for a refusal by policy: who, what, where (ASVS 5.0, 16.3.2)."""
    logger.warning(
        "Denied %s %s: status=%s actor=%s organization=%s permission=%s request_id=%s",
        request.method,
        request.path,
        status,
        # set once it is known who calls; what refused to tell that would refuse again
        getattr(getattr(request, "_user", None), "pk", None),
        context.organization_id.get() or view.kwargs.get("organization_id"),
        view.get_required_permission(),
        context.request_id.get(),
    )
