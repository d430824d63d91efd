"""
dj-rest-auth's views, for the kit's to derive from.

They are imported from here only: by default the library wants a table of tokens of its own, and fails to load
where there is none. The kit's tokens need no such table, so that a host need not say so in REST_AUTH.
"""

from __future__ import annotations

from dj_rest_auth.app_settings import api_settings
from django.apps import apps

if not apps.is_installed("rest_framework.authtoken"):
    api_settings.defaults["TOKEN_MODEL"] = None
    api_settings.__dict__.pop(
        "TOKEN_MODEL", None
    )  # kept there by whoever asked before, as a schema generator does

from dj_rest_auth.views import LoginView, LogoutView, UserDetailsView

__all__ = ["LoginView", "LogoutView", "UserDetailsView"]
