"""The tree of errors."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest
from django.utils import translation

from saas_kit.core import exceptions as kit

MODULES = [import_module(f"saas_kit.{app}.exceptions") for app in ("core", "tenancy", "teams", "auth")]
ERRORS = sorted(
    {
        cls
        for module in MODULES
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, kit.SaasKitError)
    },
    key=lambda cls: f"{cls.__module__}.{cls.__name__}",
)
FAMILIES = (
    kit.InvalidInput,
    kit.NotAuthenticated,
    kit.NotAllowed,
    kit.NotFound,
    kit.Conflict,
    kit.RateLimited,
    kit.Gone,
    kit.Unavailable,
)


@pytest.mark.parametrize("cls", ERRORS, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_every_error_says_what_is_wrong(cls):
    """Each error has a public code, a message and a docstring of its own."""
    error = cls()

    assert error.code.replace("_", "").isalnum()
    assert error.code == error.code.lower()
    assert str(error).endswith(".")
    assert cls.__doc__


@pytest.mark.parametrize(
    "cls",
    [cls for cls in ERRORS if cls is not kit.SaasKitError],
    ids=lambda cls: f"{cls.__module__}.{cls.__name__}",
)
def test_every_error_has_one_family(cls):
    """Each error is of exactly one kind, which decides its status."""
    assert sum(issubclass(cls, family) for family in FAMILIES) == 1


def test_message_and_field_can_be_given():
    """An error carries what it is about as attributes."""
    error = kit.InvalidInput("Too blue.", field="colour")

    assert str(error) == "Too blue."
    assert error.field == "colour"
    assert kit.InvalidInput().field is None


def test_rate_limited_says_when_to_come_back():
    """The number of seconds until the next attempt is an attribute."""
    assert kit.RateLimited(retry_after=7).retry_after == 7


def test_message_is_translated_late(monkeypatch):
    """The message is in the language of whoever reads it, not of whoever raised it."""
    error = kit.NotFound()
    with translation.override("de"):
        monkeypatch.setattr(
            "django.utils.translation._trans.gettext", lambda message: f"<{message}>", raising=False
        )
        assert str(error) == "<Not found.>"
