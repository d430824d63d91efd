"""Unsubscribing at a click (RFC 8058, RFC 2369), without signing in."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest
from django.core import mail
from django.test import Client
from django.utils import translation

from saas_kit.email.messages import message_class, message_kinds
from saas_kit.email.models import State, Suppression, SuppressionReason
from saas_kit.email.services import suppress, unsubscribe_token
from tests.email.messages import Digest, Key, Notice

pytestmark = [pytest.mark.hosts("full"), pytest.mark.django_db]

PUBLIC_URL = "https://api.example.com"


@pytest.fixture(autouse=True)
def _public_url(settings):
    settings.SAAS_KIT_EMAIL_PUBLIC_URL = PUBLIC_URL + "/"


@pytest.fixture
def address():
    return "/email/unsubscribe/{}/".format(unsubscribe_token("ada@example.com", "digests"))


class TestMessage:
    def test_one_with_a_topic_says_how(self, make_message, deliver):
        """Both headers, and the same link in the text, as they are on the wire."""
        deliver(make_message(Digest()))

        [sent] = mail.outbox
        received = message_from_bytes(sent.message().as_bytes(), policy=policy.default)
        link = received["List-Unsubscribe"].strip(" <>")  # it may be on a line of its own
        assert link.startswith(f"{PUBLIC_URL}/email/unsubscribe/")
        assert received["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert link in received.get_body().get_content()
        assert f"<{link}>".encode() in sent.message().as_bytes()

    def test_link_works(self, make_message, deliver):
        deliver(make_message(Digest()))
        link = mail.outbox[0].message()["List-Unsubscribe"].strip("<>")

        response = Client().post(link.removeprefix(PUBLIC_URL), {"List-Unsubscribe": "One-Click"})

        assert response.status_code == 200
        assert deliver(make_message(Digest())).state == State.SUPPRESSED
        assert deliver(make_message(Notice())).state == State.SENT

    def test_link_is_the_same_each_time(self, make_message, deliver):
        """Attempts of one message do not differ, so that a provider knows them to be one."""
        for _ in range(2):
            deliver(make_message(Digest()))

        assert len({sent.message()["List-Unsubscribe"] for sent in mail.outbox}) == 1

    @pytest.mark.parametrize("message", [Notice(), Key(token="t")], ids=["needed", "secret"])
    def test_one_that_people_need_does_not(self, make_message, deliver, message):
        deliver(make_message(message))

        assert "List-Unsubscribe" not in mail.outbox[0].message()

    def test_none_does_where_the_server_has_no_address(self, settings, make_message, deliver):
        settings.SAAS_KIT_EMAIL_PUBLIC_URL = ""

        deliver(make_message(Digest()))

        assert "List-Unsubscribe" not in mail.outbox[0].message()
        assert "no way out" in mail.outbox[0].body

    def test_none_does_where_the_page_is_not_mounted(self, settings, make_message, deliver):
        settings.ROOT_URLCONF = "tests.hosts.models_only.urls"

        deliver(make_message(Digest()))

        assert "List-Unsubscribe" not in mail.outbox[0].message()

    def test_people_can_unsubscribe_from_what_they_can_do_without_alone(self):
        """Whoever has taken an account over must not keep its owner from being told."""
        kinds = [kind for kind in message_kinds() if kind.startswith("saas_kit")]

        assert {kind for kind in kinds if message_class(kind).topic} == {
            "saas_kit_auth.welcome",
            "saas_kit_tenancy.invitation_reminder",
            "saas_kit_tenancy.member_joined",
        }


class TestPage:
    def test_looking_changes_nothing(self, address):
        """Scanners of mail follow each link."""
        response = Client().get(address)

        assert response.status_code == 200
        assert "ada@example.com" in response.text
        assert '<form method="post">' in response.text
        assert not Suppression.objects.exists()

    def test_button_unsubscribes(self, address):
        """Without a cookie or a sign-in, also where CSRF is checked, and any number of times."""
        client = Client(enforce_csrf_checks=True)

        for _ in range(2):
            response = client.post(address, {"List-Unsubscribe": "One-Click"})
            assert response.status_code == 200
            assert "You are unsubscribed" in response.text

        [found] = Suppression.objects.all()
        assert (found.email, found.topic) == ("ada@example.com", "digests")
        assert found.reason == SuppressionReason.UNSUBSCRIBED

    def test_whoever_gets_no_mail_at_all_still_does_not(self, address):
        suppress("ada@example.com", reason=SuppressionReason.COMPLAINED)

        Client().post(address)

        assert set(Suppression.objects.values_list("topic", flat=True)) == {"", "digests"}

    @pytest.mark.parametrize(
        "change",
        [
            lambda token: token[:-1] + ("a" if token[-1] != "a" else "b"),
            lambda token: "x" + token,
            lambda token: token.partition(":")[0],
            lambda token: "nonsense",
            lambda token: token.replace(":", ""),
        ],
        ids=["other-signature", "other-text", "no-signature", "nonsense", "no-colon"],
    )
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_wrong_token_is_404(self, address, change, method):
        token = address.split("/")[3]

        response = getattr(Client(), method)(f"/email/unsubscribe/{change(token)}/")

        assert response.status_code == 404
        assert not Suppression.objects.exists()

    def test_token_of_something_else_is_404(self):
        from django.core import signing

        token = signing.Signer().sign_object(["ada@example.com", "digests"])

        assert Client().post(f"/email/unsubscribe/{token}/").status_code == 404

    def test_token_outlives_the_key(self, settings, address):
        """While the former key is kept as a fallback."""
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another secret than before, which is long enough as well"

        assert Client().post(address).status_code == 200

    def test_other_methods_are_not_allowed(self, address):
        assert Client().delete(address).status_code == 405
        assert Client().head(address).status_code == 200

    def test_page_is_kept_nowhere_and_tells_nobody(self, address):
        response = Client().get(address)

        assert "no-store" in response.headers["Cache-Control"]
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Robots-Tag"] == "noindex"

    def test_names_are_escaped(self, settings):
        settings.SAAS_KIT_EMAIL_PRODUCT_NAME = "<b>Acme"
        token = unsubscribe_token("<script>@example.com", "digests")

        response = Client().get(f"/email/unsubscribe/{token}/")

        assert "<script>" not in response.text
        assert "<b>" not in response.text

    def test_page_is_in_a_language(self, address):
        with translation.override("ar"):
            assert '<html lang="ar" dir="rtl">' in Client().get(address).text
