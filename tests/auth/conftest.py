"""What the tests of sign-in share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.base_user import AbstractBaseUser

from saas_kit.auth import services
from saas_kit.auth.models import Session
from tests.auth.authenticator_app import AuthenticatorApp

PASSWORD = "correct horse battery"


@dataclass
class SignedIn:
    """Somebody with an open session."""

    user: AbstractBaseUser
    session: Session
    access: str
    refresh: str


@dataclass
class Protected:
    """Somebody who signs in with a second factor."""

    user: Any
    app: AuthenticatorApp
    recovery_codes: list[str]


@pytest.fixture
def make_person() -> Callable[..., Any]:
    """Return a function that gives somebody an account."""
    count = 0

    def make(email: str = "", password: str | None = PASSWORD, **fields: Any) -> Any:
        nonlocal count
        count += 1
        return services.create_user(email=email or f"person{count}@example.com", password=password, **fields)

    return make


@pytest.fixture
def make_signed_in(make_person: Callable[..., Any]) -> Callable[..., SignedIn]:
    """Return a function that signs somebody in, a new person where none is given."""

    def make(user: Any = None) -> SignedIn:
        tokens = services.open_session(user or make_person())
        return SignedIn(tokens.session.user, tokens.session, tokens.access, tokens.refresh)

    return make


@pytest.fixture
def make_protected(make_person: Callable[..., Any]) -> Callable[..., Protected]:
    """Return a function that gives somebody, a new person where none is given, an app whose present code is unused."""

    def make(user: Any = None) -> Protected:
        user = user or make_person(email_verified=True)
        app = AuthenticatorApp(services.begin_totp(user).secret)
        return Protected(user, app, services.confirm_totp(user, app.code(-1)))

    return make
