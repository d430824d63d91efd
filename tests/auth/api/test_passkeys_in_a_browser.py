"""Passkeys in a real browser, with the code that the documentation gives to a front end."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from saas_kit.auth import services
from tests.auth.browser import PROGRAMS, Browser, find_program
from tests.auth.conftest import PASSWORD

DOCUMENT = Path(__file__).parents[3] / "docs" / "how-to" / "passkeys.md"
PROGRAM = find_program()

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.hosts("full"),
    pytest.mark.skipif(PROGRAM is None, reason=f"needs a browser on the PATH: {', '.join(PROGRAMS)}"),
]


@pytest.fixture
def browser(tmp_path):
    browser = Browser(PROGRAM, tmp_path)
    yield browser
    browser.close()


@pytest.fixture
def run(browser, live_server, settings):
    """Run a call of the documented functions on a page of the site."""
    settings.DEBUG = True  # it is served by http://localhost
    settings.SAAS_KIT_AUTH_PASSKEY_RP_ID = "localhost"
    code = "\n".join(re.findall(r"```js\n(.*?)```", DOCUMENT.read_text(), re.DOTALL))
    browser.open(f"{live_server.url}/api/v1/auth/me/")  # any page of the origin

    def call(name, *arguments):
        return browser.run(f"{code}\n{name}({', '.join(json.dumps(each) for each in arguments)})")

    return call


def test_a_passkey_is_made_and_signs_in(run, make_signed_in):
    owner = make_signed_in()
    services.mark_verified(owner.user)

    added = run("addPasskey", owner.access, PASSWORD, "My browser")

    assert (added["name"], len(added["recovery_codes"])) == ("My browser", 10)
    for _ in range(2):  # Chromium's authenticator counts
        answer = run("signInWithPasskey")
        assert answer["user"]["email"] == owner.user.email
        assert run("post", "refresh/", {"refresh": answer["refresh"]})["access"]
    assert services.passkeys_of(owner.user).get().data["sign_count"] > 1


def test_a_passkey_finishes_a_sign_in(run, make_signed_in):
    owner = make_signed_in()
    services.mark_verified(owner.user)
    run("addPasskey", owner.access, PASSWORD, "My browser")
    answer = run("post", "login/", {"email": owner.user.email, "password": PASSWORD})
    assert (answer["mfa_required"], answer["methods"]) == (True, ["recovery_codes", "webauthn"])

    answer = run("finishWithPasskey", answer["mfa_token"])

    assert answer["user"]["email"] == owner.user.email


def test_another_site_gets_no_passkey(run, make_signed_in, settings):
    """The browser itself refuses to use one for a domain that the page is not of."""
    owner = make_signed_in()
    services.mark_verified(owner.user)
    assert run("addPasskey", owner.access, PASSWORD, "My browser")
    settings.SAAS_KIT_AUTH_PASSKEY_RP_ID = "app.example.com"

    with pytest.raises(RuntimeError, match="SecurityError"):
        run("signInWithPasskey")
