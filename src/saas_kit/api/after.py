"""Work that is done after a response was sent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import copy_context

from django.http.response import HttpResponseBase

logger = logging.getLogger("saas_kit.api")


def after_response(response: HttpResponseBase, work: Callable[[], object]) -> None:
    """
    Do something once the client has its answer, so that neither its time nor its failure can be seen in it.

    It runs when the server closes the response, in the context of now. What it raises is logged. It is lost if the
    process dies before, so it is for what the client can ask for again.
    """
    context = copy_context()

    def run() -> None:
        try:
            context.run(work)
        except Exception:
            logger.exception("What was to be done after a response failed.")

    # what Django runs in close(); it has no public door
    response._resource_closers.append(run)  # type: ignore[attr-defined]
