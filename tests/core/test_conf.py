"""Settings that are typed, checked and read when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import pytest
from django.apps import apps
from django.core import checks

from saas_kit.api.conf import ApiSettings
from saas_kit.core.conf import AppSettings, all_settings, matches
from saas_kit.tenancy.conf import TenancySettings


class SampleSettings(AppSettings):
    prefix = "SAAS_KIT_SAMPLE_"

    COLOUR: str = "red"
    """What it looks like."""

    SIZE: int | None = None
    """How large it is."""


def test_default_is_given_where_nothing_is_set():
    """A setting that the host leaves out has its default."""
    assert SampleSettings.COLOUR == "red"
    assert SampleSettings().SIZE is None


def test_setting_is_read_on_every_access(settings):
    """`override_settings` works: nothing is kept from an earlier read."""
    settings.SAAS_KIT_SAMPLE_COLOUR = "green"
    assert SampleSettings.COLOUR == "green"

    settings.SAAS_KIT_SAMPLE_COLOUR = "blue"
    assert SampleSettings.COLOUR == "blue"

    del settings.SAAS_KIT_SAMPLE_COLOUR
    assert SampleSettings.COLOUR == "red"


def test_types_are_keyed_by_the_full_names():
    """What a class declares can be listed, for the checks and the reference."""
    assert SampleSettings.types() == {"SAAS_KIT_SAMPLE_COLOUR": str, "SAAS_KIT_SAMPLE_SIZE": int | None}


def test_every_app_of_the_kit_is_listed_and_nothing_else():
    """The classes of all of the kit's apps are known, those of others are not."""
    listed = all_settings()

    assert {ApiSettings, TenancySettings} <= set(listed)
    assert SampleSettings not in listed
    assert len({cls.prefix for cls in listed}) == len(listed)


@pytest.mark.parametrize("cls", all_settings(), ids=lambda cls: cls.__name__)
def test_prefix_follows_from_the_import_path(cls):
    """`saas_kit.tenancy` reads `SAAS_KIT_TENANCY_*`, and its defaults are of the declared types."""
    package = cls.__module__.removesuffix(".conf")

    assert cls.prefix == f"{package.replace('.', '_').upper()}_"
    for name, annotation in cls.types().items():
        assert matches(cls.declared[name.removeprefix(cls.prefix)].default, annotation), name


@pytest.mark.parametrize(
    ("value", "annotation", "fits"),
    [
        ("x", str, True),
        (1, str, False),
        (1, int, True),
        (True, int, False),
        (True, bool, True),
        (1, bool, False),
        (1, float, True),
        (1.5, float, True),
        (True, float, False),
        ("1", float, False),
        (None, int | None, True),
        (1, int | None, True),
        ("1", int | None, False),
        ("a", Literal["a", "b"], True),
        ("c", Literal["a", "b"], False),
        (("a", "b"), tuple[str, ...], True),
        (["a", "b"], tuple[str, ...], True),
        (("a", 1), tuple[str, ...], False),
        ("ab", tuple[str, ...], False),
        ({"a": 1}, dict[str, int], True),
        ([], dict[str, int], False),
        ({"a": 1}, Mapping[str, int], True),
        (timedelta(minutes=5), timedelta, True),
        (300, timedelta, False),
        (object(), Any, True),
    ],
)
def test_values_are_matched_with_their_types(value, annotation, fits):
    """A value of the declared type passes and any other does not."""
    assert matches(value, annotation) is fits


WRONG_TYPES = [
    ("SAAS_KIT_API_PATH_PREFIX", None, "saas_kit_api.E001"),
    ("SAAS_KIT_API_MAX_BODY_SIZE", "1 MB", "saas_kit_api.E001"),
    ("SAAS_KIT_API_PAGE_SIZE", 2.5, "saas_kit_api.E001"),
    ("SAAS_KIT_API_MAX_PAGE_SIZE", True, "saas_kit_api.E001"),
    ("SAAS_KIT_TENANCY_RETENTION_DAYS", "30", "saas_kit_tenancy.E001"),
    ("SAAS_KIT_TENANCY_STAFF_ACCESS", "yes", "saas_kit_tenancy.E001"),
    ("SAAS_KIT_TENANCY_ROLES", ("owner",), "saas_kit_tenancy.E001"),
]


def _settings_messages():
    return [
        message
        for message in checks.run_checks(tags=[checks.Tags.compatibility])
        if message.id == "saas_kit.W001" or message.id.endswith(".E001")
    ]


class TestChecks:
    def test_settings_of_the_host_are_fine(self):
        """The hosts of the suite set nothing that the checks complain about."""
        assert _settings_messages() == []

    @pytest.mark.parametrize(("name", "value", "check_id"), WRONG_TYPES)
    def test_wrong_type_is_an_error(self, settings, name, value, check_id):
        """A setting of the wrong type is reported once, with its name and the type that it must be of."""
        setattr(settings, name, value)

        [message] = [each for each in _settings_messages() if name in each.msg]

        assert message.id == check_id
        assert message.is_serious()
        assert "must be of type" in message.hint

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("SAAS_KIT_TENANCY_RETENTION_DAY", "Did you mean SAAS_KIT_TENANCY_RETENTION_DAYS?"),
            ("SAAS_KIT_API_PAGESIZE", "Did you mean SAAS_KIT_API_PAGE_SIZE?"),
            ("SAAS_KIT_ZZZ", "Remove it"),
        ],
    )
    def test_unknown_name_is_a_warning_with_a_suggestion(self, settings, name, hint):
        """A name that no app reads is a typing error, and the nearest known name is suggested."""
        setattr(settings, name, 1)

        [message] = _settings_messages()

        assert message.id == "saas_kit.W001"
        assert name in message.msg
        assert hint in message.hint

    def test_setting_of_an_app_that_is_not_installed_is_known(self, settings):
        """Whether an app is installed does not make its settings unknown."""
        assert not apps.is_installed("saas_kit.api")
        settings.SAAS_KIT_API_PAGE_SIZE = 10

        assert _settings_messages() == []
