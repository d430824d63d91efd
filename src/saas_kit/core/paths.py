"""Keeping what is secret in the path of a request out of logs and reports of errors."""

from __future__ import annotations

import re
from urllib.parse import unquote

from django.http import HttpRequest

# at least 30 random bytes in Base64, which have capitals; what is in a path for people to read seldom does
TOKEN_LIKE = re.compile(r"(?<![\w-])(?=[a-z0-9_-]*[A-Z])[\w-]{40,}", re.ASCII)
_HIDDEN = "***"


def hide_in_path(request: HttpRequest, secret: re.Pattern[str] = TOKEN_LIKE) -> None:
    """
    Hide a secret wherever a request says which path was asked for.

    That is what Django and its reports of errors write, and what servers add to ``META`` and write to their own logs.

    Args:
        secret: What is hidden; whatever looks like a token where it is left out.
    """
    request.path = secret.sub(_HIDDEN, request.path)
    request.path_info = secret.sub(_HIDDEN, request.path_info)
    for name, value in request.META.items():
        if name in ("PATH_INFO", "HTTP_REFERER") or name.endswith(("_URI", "_URL")):
            plain = unquote(str(value))
            if secret.search(plain):
                request.META[name] = secret.sub(_HIDDEN, plain)
