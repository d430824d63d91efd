from __future__ import annotations

from tests.hosts.base import *  # noqa: F403
from tests.hosts.base import KIT_APPS

ROOT_URLCONF = "tests.hosts.models_only.urls"
AUTH_USER_MODEL = "saas_kit_auth.User"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "allauth",
    "allauth.account",
    *KIT_APPS,
]
MIDDLEWARE = [
    "saas_kit.core.middleware.RequestContextMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
REST_FRAMEWORK = {}
SPECTACULAR_SETTINGS = {}
