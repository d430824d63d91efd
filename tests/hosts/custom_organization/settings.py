from __future__ import annotations

from tests.hosts.base import *  # noqa: F403
from tests.hosts.base import INSTALLED_APPS

ROOT_URLCONF = "tests.hosts.custom_organization.urls"
AUTH_USER_MODEL = "people.Person"
SAAS_KIT_TENANCY_ORGANIZATION_MODEL = "companies.Company"
# dj-rest-auth's own app and views beside the kit's, with what they need where there are no usernames.
REST_AUTH = {"TOKEN_MODEL": None}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
INSTALLED_APPS = [
    *INSTALLED_APPS,
    "dj_rest_auth",
    "tests.hosts.custom_organization.people",
    "tests.hosts.custom_organization.companies",
]
