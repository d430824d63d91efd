"""Migrations: few, matching the models, and good in both directions."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

WITH_MODELS = [
    config
    for config in apps.get_app_configs()
    if config.name.startswith("saas_kit.") and any(config.get_models())
]
# memberships point at the organization that the host chose, which itself points at the account: the host's own
# organization depends on the first and the second depends on it; invitations and domains follow
SEVERAL = {"saas_kit_tenancy": ["0001_initial", "0002_membership", "0003_invitation", "0004_domain"]}


@pytest.mark.parametrize("config", WITH_MODELS, ids=lambda config: config.label)
def test_each_app_has_one_initial_migration(config):
    """Until 1.0 it is edited in place; tenancy has several, for the swappable organization."""
    folder = Path(config.path) / "migrations"

    found = sorted(each.stem for each in folder.glob("*.py") if each.stem != "__init__")

    assert found == SEVERAL.get(config.label, ["0001_initial"])


@pytest.mark.django_db
def test_migrations_match_the_models(capsys):
    """There is nothing that `makemigrations` would add, in any host."""
    call_command("makemigrations", "--check", "--dry-run")

    assert "No changes detected" in capsys.readouterr().out


def test_graph_is_sound():
    """No two migrations of an app are both the last."""
    assert MigrationLoader(None).detect_conflicts() == {}


@pytest.mark.django_db(transaction=True)
def test_forwards_and_back_to_nothing():
    """What was migrated can be taken back, and migrated again."""
    labels = [config.label for config in WITH_MODELS]
    tables = set(connection.introspection.table_names())
    try:
        for label in reversed(labels):
            call_command("migrate", label, "zero", verbosity=0)
        left = {each for each in connection.introspection.table_names() if each.startswith("saas_kit")}
        assert left == set()
    finally:
        call_command("migrate", verbosity=0)

    assert set(connection.introspection.table_names()) == tables


@pytest.mark.django_db
def test_everything_is_migrated(capsys):
    """The database that the suite runs on is the one that the migrations make."""
    call_command("migrate", "--check", verbosity=0)
