"""The registry of permissions, and asking for one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.db import models

from saas_kit.core import permissions
from saas_kit.core.permissions import Level, Permission, has_permission, register, registered


class Paint(models.TextChoices):
    BUY = "paint.buy_paint", "Buy paint"
    SPILL = "paint.spill_paint", "Spill paint"


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """The tests register in a registry of their own."""
    monkeypatch.setattr(permissions, "_registry", dict(permissions._registry))


def test_registered_permissions_can_be_listed_by_level():
    """A permission is listed with its label and the lowest role that holds it, at its level only."""
    register(Level.TEAM, {Paint.BUY: "member"})

    assert Permission("paint.buy_paint", "Buy paint", Level.TEAM, "member") in registered(level=Level.TEAM)
    assert not [each for each in registered(level=Level.ACCOUNT) if each.codename == "paint.buy_paint"]


def test_list_is_in_order_of_names():
    """The order does not depend on the order of registration."""
    register(Level.TEAM, {Paint.SPILL: "member", Paint.BUY: "member"})

    names = [each.codename for each in registered()]

    assert names == sorted(names)


def test_same_registration_twice_is_fine():
    """Importing a permissions module again changes nothing."""
    register(Level.TEAM, {Paint.BUY: "member"})
    register(Level.TEAM, {Paint.BUY: "member"})

    assert [each.codename for each in registered(level=Level.TEAM)].count("paint.buy_paint") == 1


def test_contradicting_registration_is_refused():
    """One name cannot have two meanings at one level, but may be registered at another."""
    register(Level.TEAM, {Paint.BUY: "member"})
    register(Level.ORGANIZATION, {Paint.BUY: "admin"})

    with pytest.raises(ValueError, match="registered twice"):
        register(Level.TEAM, {Paint.BUY: "lead"})


def test_codenames_name_their_app():
    """Every permission of the kit is `app_label.verb_noun`."""
    for each in registered():
        app_label, _, verb_noun = each.codename.partition(".")
        assert app_label, each
        assert "_" in verb_noun, each
        assert str(each.label), each


class AllowsEverything:
    def has_perm(self, user, permission, obj=None):
        return True


class HasNoOpinion:
    """A back end may lack `has_perm`."""

    def authenticate(self, request):
        return None


class TestHasPermission:
    def test_one_back_end_that_grants_is_enough(self, settings):
        """The back ends are asked in turn."""
        settings.AUTHENTICATION_BACKENDS = [
            f"{__name__}.HasNoOpinion",
            f"{__name__}.AllowsEverything",
        ]
        person = SimpleNamespace(is_active=True)

        assert has_permission(person, "paint.buy_paint", object())

    def test_no_back_end_grants_nothing(self, settings):
        """Without a back end that says yes the answer is no."""
        settings.AUTHENTICATION_BACKENDS = [f"{__name__}.HasNoOpinion"]

        assert not has_permission(SimpleNamespace(is_active=True), "paint.buy_paint", object())

    def test_somebody_inactive_has_none(self, settings):
        """Nobody is asked about somebody who is not active."""
        settings.AUTHENTICATION_BACKENDS = [f"{__name__}.AllowsEverything"]

        assert not has_permission(SimpleNamespace(is_active=False), "paint.buy_paint", object())

    def test_superuser_has_no_short_cut(self, settings):
        """I35: unlike `user.has_perm()`, a superuser is answered by the back ends too."""
        settings.AUTHENTICATION_BACKENDS = [f"{__name__}.HasNoOpinion"]
        person = SimpleNamespace(is_active=True, is_superuser=True)

        assert not has_permission(person, "paint.buy_paint", object())
