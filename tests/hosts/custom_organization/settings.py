from __future__ import annotations

from tests.hosts.base import *  # noqa: F403
from tests.hosts.base import INSTALLED_APPS

ROOT_URLCONF = "tests.hosts.custom_organization.urls"
AUTH_USER_MODEL = "people.Person"
SAAS_KIT_TENANCY_ORGANIZATION_MODEL = "companies.Company"
REST_AUTH = {"TOKEN_MODEL": None}
INSTALLED_APPS = [
    *INSTALLED_APPS,
    "dj_rest_auth",
    "tests.hosts.custom_organization.people",
    "tests.hosts.custom_organization.companies",
]
