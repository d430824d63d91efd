"""Nobody learns from the time of an answer who has an account."""

from __future__ import annotations

import random
import statistics
import time

import pytest
from django.core import signals
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import RequestFactory

from saas_kit.auth.limits import DEFAULTS
from saas_kit.auth.models import OneTimeToken
from tests.auth.conftest import PASSWORD
from tests.auth.hashers import CountingHasher

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full")]

ATTEMPTS = 200
NOTICEABLE = 0.25
"""
By how much of the shorter the quick answers of two kinds may differ, where that they do is not chance. A busy machine
makes many answers slow, and leaves a tenth of two hundred alone.
"""

SHUFFLES = 1000


@pytest.fixture(autouse=True)
def _unlimited(settings) -> None:
    settings.SAAS_KIT_AUTH_RATE_LIMITS = dict.fromkeys(DEFAULTS)
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


def quick(times: list[float]) -> float:
    """Return the time within which the quickest tenth was answered."""
    return statistics.quantiles(times, n=10)[0]


def assert_alike(times: dict[str, list[float]]) -> None:
    """
    Let two distributions pass that an onlooker could not tell apart.

    Their quick answers differ noticeably, and more than those of any of a thousand random halves of all of them: that
    is a permutation test (Fisher, The Design of Experiments, 1935) of one in a thousand.
    """
    known, unknown = times["known"], times["unknown"]
    found = abs(quick(known) - quick(unknown))
    if found < NOTICEABLE * min(quick(known), quick(unknown)):
        return
    everything, chance = [*known, *unknown], random.Random(1822)
    for _ in range(SHUFFLES):
        chance.shuffle(everything)
        if abs(quick(everything[: len(known)]) - quick(everything[len(known) :])) >= found:
            return
    raise AssertionError((quick(known), quick(unknown)))


def test_sign_in(api, compare):
    """T14: a wrong password for a known address, and one for an unknown."""
    assert_alike(compare(lambda email: api("post", "login/", {"email": email, "password": "wrong"})))


@pytest.fixture
def post():
    """Call the API as a server does, which closes a response once the client has it; ``close()`` closes them all."""
    # between requests Django closes a connection that is in a transaction, as that of a test is
    chosen = (signals.request_started, signals.request_finished)
    for signal in chosen:
        signal.disconnect(close_old_connections)
    serve = get_wsgi_application()
    unclosed = []

    def post(path, status, **body):
        request = RequestFactory().post(f"/api/v1/auth/{path}", body, content_type="application/json")
        response = serve(request.environ, lambda *arguments: None)
        assert response.status_code == status
        unclosed.append(response)

    def close():
        while unclosed:
            unclosed.pop(0).close()

    post.close = close
    yield post
    for signal in chosen:
        signal.connect(close_old_connections)


def test_password_reset(compare, post):
    """T14: the link is made once the server closes the response."""
    assert_alike(compare(lambda email: post("password/reset/", 204, email=email)))
    post.close()
    assert OneTimeToken.objects.count() == ATTEMPTS  # each for the one who has the address


@pytest.mark.parametrize("path", ["password/reset/", "email/resend/"])
def test_links_are_made_of_nothing_in_the_request(path, make_person, post, django_assert_num_queries):
    """T14: there is no statement at all before the answer, whoever has the address."""
    make_person("unproved@example.com")
    make_person("known@example.com", email_verified=True)
    for name in ("known", "unproved", "nobody"):
        with django_assert_num_queries(0):
            post(path, 204, email=f"{name}@example.com")


def test_a_millisecond_more_is_found():
    """The comparison does tell two kinds apart of which one does more, in the noise of a busy machine."""
    chance = random.Random(1)
    noise = [chance.choice([0.0, 0.0, 0.02]) + chance.random() / 2000 for _ in range(2 * ATTEMPTS)]
    known, unknown = ([0.002 + each for each in half] for half in (noise[:ATTEMPTS], noise[ATTEMPTS:]))

    assert_alike({"known": known, "unknown": unknown})
    with pytest.raises(AssertionError):
        assert_alike({"known": [each + 0.001 for each in known], "unknown": unknown})


def test_registration(compare, post, settings):
    """T14: what is done differs by who has the address, and is done once the server closes the response."""
    settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = "mandatory"

    assert_alike(compare(lambda email: post("register/", 201, email=email, password=PASSWORD)))


@pytest.mark.parametrize("kind", ["new", "proved", "unproved", "given", "gone"])
def test_registration_does_the_same_for_everybody(
    kind, make_person, post, settings, django_assert_num_queries
):
    """T14, I59: in the request there is no statement and no hash that depends on who has the address."""
    settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = "mandatory"
    settings.PASSWORD_HASHERS = ["tests.auth.hashers.CountingHasher"]
    make_person("proved@example.com", email_verified=True)
    make_person("unproved@example.com")
    make_person("given@example.com", None)
    make_person("gone@example.com", is_active=False)
    CountingHasher.encoded.clear()

    with django_assert_num_queries(0):
        post("register/", 201, email=f"{kind}@example.com", password=PASSWORD)

    assert CountingHasher.encoded == []
    post.close()


def test_right_password_of_an_unproved_address(make_person, post, settings, mailoutbox, on_commit):
    """T14, I55: the reminder is sent once the server closes the response, as its time would tell the password."""
    settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = "mandatory"
    person = make_person()

    with on_commit():
        post("login/", 401, email=person.email, password=PASSWORD)
    assert mailoutbox == []
    with on_commit():
        post.close()

    assert [mail.to for mail in mailoutbox] == [[person.email]]


def test_same_statements(api, make_person, django_assert_num_queries):
    """T14: the same work, whoever has the address."""
    known = make_person("known@example.com", email_verified=True).email
    for email in (known, "nobody@example.com"):
        with django_assert_num_queries(1):
            assert api("post", "login/", {"email": email, "password": PASSWORD[:-1]}).status_code == 401
