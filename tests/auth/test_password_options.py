"""What a host can turn on for passwords: other hashers, and the look at those that leaked."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from saas_kit.auth import services
from saas_kit.auth.exceptions import WeakPassword
from saas_kit.auth.models import Session

pytestmark = pytest.mark.django_db

LEAKED = "trustno1-but-leaked"


class Leaks(BaseHTTPRequestHandler):
    """Answers as api.pwnedpasswords.com does: the rest of each hash that begins with five characters."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        found = hashlib.sha1(LEAKED.encode(), usedforsecurity=False).hexdigest().upper()
        body = f"{found[5:]}:42\r\n".encode() if self.path.endswith(found[:5]) else b"0" * 35 + b":1\r\n"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def leaks(settings, monkeypatch) -> Iterator[ThreadingHTTPServer]:
    """Ask a server of the test's own for leaked passwords."""
    from pwned_passwords_django.api import PwnedPasswords

    Leaks.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Leaks)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setattr(PwnedPasswords, "api_endpoint", f"http://127.0.0.1:{server.server_port}/range/")
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": "pwned_passwords_django.validators.PwnedPasswordsValidator"}
    ]
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


class TestBreachedPasswords:
    def test_one_that_leaked_is_refused(self, leaks):
        """ASVS 5.0 6.2.12; five characters of the hash leave the house, and not the password."""
        with pytest.raises(WeakPassword) as raised:
            services.create_user(email="ada@example.com", password=LEAKED)

        assert raised.value.field == "password"
        assert services.create_user(email="ada@example.com", password="not among those that leaked")
        assert all(len(path.removeprefix("/range/")) == 5 for path in Leaks.asked)
        assert len(Leaks.asked) == 2

    def test_service_out_of_reach(self, leaks):
        """Then common passwords are refused, and others are let through."""
        leaks.shutdown()
        leaks.server_close()

        assert services.create_user(email="ada@example.com", password=LEAKED)
        with pytest.raises(WeakPassword):
            services.create_user(email="eve@example.com", password="password1")


class TestArgon2:
    def test_stored_with_argon2_where_it_is_installed(self, settings):
        """A password that was stored by another hasher is stored anew when it is used, and sign-in goes on."""
        settings.PASSWORD_HASHERS = [
            "django.contrib.auth.hashers.Argon2PasswordHasher",
            "django.contrib.auth.hashers.MD5PasswordHasher",
        ]
        person = services.create_user(email="ada@example.com", password="analytical engine 1843")
        assert person.password.startswith("argon2$argon2id$")
        settings.PASSWORD_HASHERS = settings.PASSWORD_HASHERS[::-1]

        found = services.check_credentials(None, email="ada@example.com", password="analytical engine 1843")
        tokens = services.open_session(found)

        person.refresh_from_db()
        assert person.password.startswith("md5$")
        assert Session.objects.get(pk=tokens.session.pk).is_live
