"""Nobody learns from the time of an answer who has an account."""

from __future__ import annotations

import random
import statistics
import time

import pytest
from django.core.wsgi import get_wsgi_application
from django.test import RequestFactory

from saas_kit.auth.models import OneTimeToken
from tests.auth.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full")]

ATTEMPTS = 200
NOTICEABLE = 0.6
"""
By how much of the spread of single times two medians may differ. On a busy machine that is much, so this is a coarse
gate; that the same work is done is proved by counting hashes and statements.
"""


@pytest.fixture(autouse=True)
def _unlimited(settings) -> None:
    settings.SAAS_KIT_AUTH_RATE_LIMITS = dict.fromkeys(
        ["login", "login_slow", "login_account", "login_network", "mail", "register"]
    )
    settings.PASSWORD_HASHERS = ["tests.auth.hashers.ShortHasher"]


@pytest.fixture
def compare(make_person):
    """Return the seconds of 200 answers each, for a known address and for unknown ones, taken by turns."""

    def compare(call) -> dict[str, list[float]]:
        known = make_person("known@example.com", email_verified=True).email
        times: dict[str, list[float]] = {"known": [], "unknown": []}
        order = ["known", "unknown"] * ATTEMPTS
        random.Random(1843).shuffle(order)
        for number, kind in enumerate(order):
            email = known if kind == "known" else f"nobody{number}@example.com"
            begun = time.perf_counter()
            call(email)
            times[kind].append(time.perf_counter() - begun)
        return times

    return compare


def assert_alike(times: dict[str, list[float]]) -> None:
    """Let two distributions pass whose medians an onlooker could not tell apart."""
    medians = {kind: statistics.median(each) for kind, each in times.items()}
    spread = statistics.median(
        abs(each - medians[kind]) for kind, measured in times.items() for each in measured
    )
    shortest = min(medians.values())
    difference = abs(medians["known"] - medians["unknown"])
    assert difference < max(0.1 * shortest, NOTICEABLE * spread), (medians, spread)


def test_sign_in(api, compare):
    """T14: a wrong password for a known address, and one for an unknown."""
    assert_alike(compare(lambda email: api("post", "login/", {"email": email, "password": "wrong"})))


def test_password_reset(compare):
    """T14: the link is made once the server closes the response, which the client has by then."""
    serve = get_wsgi_application()
    unclosed = []

    def ask(email):
        request = RequestFactory().post(
            "/api/v1/auth/password/reset/", {"email": email}, content_type="application/json"
        )
        response = serve(request.environ, lambda *arguments: None)
        assert response.status_code == 204
        unclosed.append(response)

    assert_alike(compare(ask))
    for response in unclosed:
        response.close()
    assert OneTimeToken.objects.count() == ATTEMPTS  # each for the one who has the address


def test_same_statements(api, make_person, django_assert_num_queries):
    """T14: the same work, whoever has the address."""
    known = make_person("known@example.com", email_verified=True).email
    for email in (known, "nobody@example.com"):
        with django_assert_num_queries(1):
            assert api("post", "login/", {"email": email, "password": PASSWORD[:-1]}).status_code == 401
