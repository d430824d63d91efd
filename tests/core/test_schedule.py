"""What is done how often, as beat takes it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import time, timedelta
from importlib.util import find_spec
from pathlib import Path

import django
import pytest
from celery import Celery
from celery.schedules import crontab
from django.apps import apps
from django.conf import settings as django_settings
from django.core.management import get_commands
from django.utils.module_loading import import_string

from saas_kit.core.schedule import beat_schedule
from tests.plugin import ROOT


@pytest.fixture
def make_app(tmp_path: Path, monkeypatch):
    """Make an app of a host, with a schedule or without one, that must not be imported before the settings are read."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, schedule: str | None) -> str:
        package = tmp_path / name
        package.mkdir()
        if schedule is None:
            (package / "__init__.py").write_text("raise RuntimeError('imported too early')\n")
        else:
            (package / "__init__.py").touch()
            (package / "schedule.py").write_text(schedule)
        return name

    return make


class TestBeatSchedule:
    def test_tasks_of_the_kit(self):
        """Each is there, by its path, and can be imported; none is scheduled in an app that is not installed."""
        schedule = beat_schedule(django_settings.INSTALLED_APPS)

        assert set(schedule) == {
            f"saas_kit.{name}"
            for name in (
                "email.tasks.sweep",
                "email.tasks.purge",
                "auth.tasks.remind_people",
                "auth.tasks.purge",
                "tenancy.tasks.remind_invited",
                "tenancy.tasks.check_domains",
                "tenancy.tasks.purge",
            )
            if apps.is_installed(f"saas_kit.{name.split('.')[0]}")
        }
        assert all(callable(import_string(path)) for path in schedule)
        assert schedule["saas_kit.email.tasks.sweep"] == {
            "task": "saas_kit.email.tasks.sweep",
            "schedule": timedelta(seconds=30),
            "options": {"expires": 30.0},
        }

    def test_apps_of_the_host(self, make_app):
        """By their package or the class of their configuration; anything but an interval and a time is passed on."""
        plain = make_app("plain_app", "from datetime import *\nSCHEDULE = {'plain.tasks.a': time(4, 30)}\n")
        configured = make_app(
            "configured_app",
            "from celery.schedules import crontab\nSCHEDULE = {'b': crontab(day_of_week='1')}\n",
        )

        schedule = beat_schedule([plain, f"{configured}.apps.ConfiguredConfig"])

        assert schedule["plain.tasks.a"]["schedule"] == crontab(hour="4", minute="30")
        assert schedule["b"] == {"task": "b", "schedule": crontab(day_of_week="1")}

    def test_apps_without_one_are_not_imported(self, make_app):
        """As the settings are being read; and what is not there is for Django to report."""
        assert (
            beat_schedule([make_app("early_app", None), "nowhere", "nowhere.at.all", "django.contrib.auth"])
            == {}
        )

    def test_it_can_be_made_while_settings_are_read(self):
        """The kit's packages need no setting to be imported."""
        script = "from saas_kit.core.schedule import beat_schedule; import sys\nprint(len(beat_schedule(sys.argv[1:])))"
        environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
        kit = [each for each in django_settings.INSTALLED_APPS if each.startswith("saas_kit")]

        done = subprocess.run(
            [sys.executable, "-c", script, *kit],
            cwd=ROOT,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )

        assert done.stderr == ""
        assert int(done.stdout) == len(beat_schedule(kit))

    def test_plain_beat_takes_it(self, tmp_path):
        """The intervals and times that beat knows, and the clock that they go by."""
        from celery.beat import PersistentScheduler

        app = Celery("tests", broker="memory://", set_as_current=False)
        app.conf.beat_schedule = beat_schedule(django_settings.INSTALLED_APPS)
        scheduler = PersistentScheduler(app, schedule_filename=str(tmp_path / "beat"))

        entries = dict(scheduler.schedule)
        scheduler.close()

        assert set(app.conf.beat_schedule) <= set(entries)
        assert entries["saas_kit.email.tasks.sweep"].schedule.run_every == timedelta(seconds=30)
        assert isinstance(entries["saas_kit.email.tasks.purge"].schedule, crontab)

    @pytest.mark.skipif(
        django.VERSION >= (6, 1) or find_spec("django_celery_beat") is None,
        reason="needs django-celery-beat, which has no release for Django 6.1",
    )
    def test_tables_of_django_celery_beat_take_it(self, tmp_path):
        """Its scheduler writes our entries into its tables, and reads the same from there; twice changes nothing."""
        (tmp_path / "beat_settings.py").write_text(BEAT_SETTINGS)
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "beat_settings",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
            "DATABASE": str(tmp_path / "db.sqlite3"),
        }
        done = subprocess.run(
            [sys.executable, "-c", SYNC],
            cwd=ROOT,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )

        assert done.returncode == 0, done.stderr
        assert done.stdout == "synced\n"

    def test_each_task_has_a_command_for_cron(self):
        """A host without Celery does the same by commands, which the documentation lists."""
        page = (ROOT / "docs" / "how-to" / "background-work.md").read_text()
        rows = re.findall(r"^\| `(saas_kit\.\w+\.tasks\.\w+)` \|.*\| `(\w+)`", page, re.MULTILINE)
        commands = get_commands()

        assert {task for task, _ in rows} >= set(beat_schedule(django_settings.INSTALLED_APPS))
        for task, command in rows:
            app = task.partition(".tasks")[0]
            assert not apps.is_installed(app) or commands.get(command) == app


class TestTimes:
    def test_no_two_of_a_day_begin_together(self):
        """So that they do not compete for the database."""
        at = [
            each
            for app in ("email", "auth", "tenancy")
            for each in import_string(f"saas_kit.{app}.schedule.SCHEDULE").values()
            if isinstance(each, time)
        ]

        assert len(at) == len(set(at)) == 3


BEAT_SETTINGS = """
import os
from tests.hosts.full.settings import *
from saas_kit.core.schedule import beat_schedule

INSTALLED_APPS = [*INSTALLED_APPS, "django_celery_beat"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}}
CELERY_BROKER_URL = "memory://"
CELERY_BEAT_SCHEDULE = beat_schedule(INSTALLED_APPS)
"""

SYNC = """
import django
django.setup()
from celery import Celery
from django.conf import settings
from django.core.management import call_command

call_command("migrate", "django_celery_beat", verbosity=0)
app = Celery("tests")
app.config_from_object("django.conf:settings", namespace="CELERY")
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

for _ in range(2):
    entries = DatabaseScheduler(app=app).schedule
    for name, entry in settings.CELERY_BEAT_SCHEDULE.items():
        assert entries[name].task == entry["task"]
        expected = entry["schedule"]
        found = entries[name].schedule
        assert found == expected or found.run_every == expected, (found, expected)
    assert PeriodicTask.objects.filter(name__startswith="saas_kit.").count() == len(settings.CELERY_BEAT_SCHEDULE)
print("synced")
"""
