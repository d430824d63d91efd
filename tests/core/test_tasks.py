"""Work that is handed over: to nobody, to a broker that is there, and to one that is not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec

import django
import pytest
from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded
from django.core import checks, mail

from saas_kit.core import tasks
from saas_kit.core.tasks import background_task, hand_over
from saas_kit.email.models import OutboxMessage, State
from saas_kit.email.services import deliver_due
from tests.plugin import ROOT

APP = "tests.core.test_tasks.app"
DELIVER = "saas_kit.email.tasks.deliver"
BOUND = tasks.PATIENCE + 1.0  # seconds: a request that has to wait for a broker, and what else it does

QUEUE_SETTINGS = """
import os
from tests.hosts.full.settings import *

INSTALLED_APPS = [*INSTALLED_APPS, "django_tasks_db"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["WHERE"] + "/db.sqlite3"}}
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
SAAS_KIT_CORE_TASK_BACKEND = "default"
MAILERS = {
    "default": {
        "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
        "OPTIONS": {"file_path": os.environ["WHERE"]},
    }
}
"""

SENDER = """
import django
django.setup()
from saas_kit.auth.messages import ExistingAccount
from saas_kit.email.services import send
send(ExistingAccount(), to="ada@example.com")
"""

app = Celery("tests", set_as_current=False)


@background_task
def run_out_of_time() -> None:
    raise SoftTimeLimitExceeded


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    """Let no test wait because another one's broker was down."""
    monkeypatch.setattr(tasks, "_failed_at", None)


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port where somebody listens and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield listening.getsockname()[1]


@pytest.fixture
def nobody() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def use_broker(settings, monkeypatch) -> Callable[[str], None]:
    """Let the host have a Celery app with a broker."""
    monkeypatch.setitem(sys.modules, "tests.core.test_tasks", sys.modules[__name__])

    def use(url: str) -> None:
        monkeypatch.setattr(sys.modules[__name__], "app", Celery("tests", broker=url, set_as_current=False))
        settings.SAAS_KIT_CORE_CELERY_APP = APP

    return use


def seconds(function: Callable[[], object]) -> float:
    start = time.monotonic()
    function()
    return time.monotonic() - start


@pytest.fixture
def register(api_client_of_nobody) -> Callable[[str], int]:
    """Register somebody, which sends a message; returns the status."""

    def run(email: str) -> int:
        body = {"email": email, "password": "analytical engine 1843"}
        return api_client_of_nobody.post("/api/v1/auth/register/", body, format="json").status_code

    return run


@pytest.fixture
def api_client_of_nobody():
    rest_framework = pytest.importorskip("rest_framework.test")
    return rest_framework.APIClient()


class TestWithoutQueue:
    @pytest.mark.django_db
    def test_work_is_done_by_whoever_caused_it(self, make_message):
        make_message()
        hand_over(DELIVER, 1)

        assert len(mail.outbox) == 1

    @pytest.mark.parametrize("path", [DELIVER, "nowhere.at.all"])
    def test_failing_work_is_no_error_of_its_cause(self, path, caplog):
        """Whatever it raises; here it is called without its argument, or not there."""
        hand_over(path)

        assert f"{path} failed, and waits for its schedule." in caplog.text

    def test_time_that_is_over_for_a_worker_is_no_failure(self, caplog):
        """Celery's soft time limit ends the work that it was done in, too."""
        with pytest.raises(SoftTimeLimitExceeded):
            hand_over(f"{__name__}.run_out_of_time")

        assert not caplog.text


@pytest.mark.hosts("full")
@pytest.mark.django_db(transaction=True)
class TestBrokerThatIsNotThere:
    @pytest.mark.parametrize("scheme", ["redis", "amqp"])
    @pytest.mark.parametrize("kind", ["nobody", "black_hole"])
    def test_request_is_answered_and_its_message_is_not_lost(
        self, request, use_broker, register, scheme, kind
    ):
        """The message is in the outbox, from where whoever sweeps delivers it."""
        use_broker(f"{scheme}://127.0.0.1:{request.getfixturevalue(kind)}//")
        answers: list[int] = []

        # in a thread other than the main one, as in a server; one that hangs would outlive the test
        thread = threading.Thread(target=lambda: answers.append(register("ada@example.com")), daemon=True)
        taken = seconds(lambda: (thread.start(), thread.join(BOUND * 5)))

        assert answers == [201]
        assert taken < BOUND * 2  # a request that is the first of its process also imports
        count = OutboxMessage.objects.filter(state=State.QUEUED).count()
        assert count > 0
        assert not mail.outbox
        assert deliver_due() == count
        assert len(mail.outbox) == count

    def test_next_requests_do_not_wait(self, use_broker, register, black_hole, caplog):
        """Nothing is published for a while after it has failed, and one line of the log tells."""
        use_broker(f"redis://127.0.0.1:{black_hole}/0")
        register("person0@example.com")

        taken = seconds(lambda: [hand_over(DELIVER, 1) for _ in range(20)])

        assert taken < 0.1
        assert caplog.text.count("could not be handed over") == 1

    def test_after_the_pause_it_is_tried_again(self, use_broker, nobody, time_machine_of_pause, caplog):
        use_broker(f"redis://127.0.0.1:{nobody}/0")
        hand_over(DELIVER, 1)
        time_machine_of_pause(tasks.PAUSE - 1)
        hand_over(DELIVER, 1)
        time_machine_of_pause(2)
        hand_over(DELIVER, 1)

        assert caplog.text.count("could not be handed over") == 2

    def test_second_server_takes_over(self, use_broker, nobody, black_hole, caplog):
        """Each of several servers is tried once."""
        use_broker(f"redis://127.0.0.1:{nobody}/0;redis://127.0.0.1:{black_hole}/0")

        hand_over(DELIVER, 1)

        assert "Timeout" in caplog.text  # which the second server's is

    def test_app_that_cannot_be_imported(self, settings, register):
        settings.SAAS_KIT_CORE_CELERY_APP = "nowhere.app"

        assert register("ada@example.com") == 201
        assert OutboxMessage.objects.open().exists()


@pytest.mark.hosts("full")
@pytest.mark.django_db(transaction=True)
class TestCelery:
    def test_eager_tasks_are_done_at_once(self, use_broker, nobody, make_message):
        use_broker(f"redis://127.0.0.1:{nobody}/0")
        app.conf.task_always_eager = True
        make_message()

        assert len(mail.outbox) == 1

    def test_eager_task_that_fails_stops_no_other(self, use_broker, nobody, make_message):
        use_broker(f"redis://127.0.0.1:{nobody}/0")
        app.conf.task_always_eager = True
        hand_over(DELIVER)  # without its argument

        make_message()

        assert len(mail.outbox) == 1

    def test_what_is_published(self, use_broker, make_message):
        """By its name, with a count, not one more for each message of a commit; none of what was rolled back."""
        from django.db import transaction

        use_broker("memory://")
        for _ in range(10):
            with suppress(ZeroDivisionError), transaction.atomic():
                make_message()
                raise ZeroDivisionError
        with transaction.atomic():
            make_message()
            make_message()

        with app.connection_for_read() as connection, connection.SimpleQueue("celery") as queue:
            found = queue.get(block=False)
            with pytest.raises(queue.Empty):
                queue.get(block=False)
        assert found.headers["task"] == DELIVER
        assert found.payload[0] == [2]
        assert found.headers["ignore_result"] is True


class TestDjangoTasks:
    @pytest.mark.skipif(django.VERSION < (6, 0), reason="Django has tasks from 6.0 on")
    @pytest.mark.django_db(transaction=True)
    def test_message_is_delivered(self, settings, make_message):
        settings.TASKS = {"default": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"}}
        settings.SAAS_KIT_CORE_TASK_BACKEND = "default"

        make_message()

        assert len(mail.outbox) == 1

    @pytest.mark.skipif(django.VERSION < (6, 0), reason="Django has tasks from 6.0 on")
    @pytest.mark.django_db(transaction=True)
    def test_stored_task_is_handed_over(self, settings, make_message):
        """The one that is stored names the kit's task and its count, and is run from there."""
        from django.tasks import task_backends

        from saas_kit.core.django_tasks import run_task

        settings.TASKS = {"queue": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}}
        settings.SAAS_KIT_CORE_TASK_BACKEND = "queue"
        make_message()

        [stored] = task_backends["queue"].results
        assert (stored.task.func, stored.args) == (run_task.func, [DELIVER, 1])
        assert not mail.outbox
        stored.task.func(*stored.args)
        assert len(mail.outbox) == 1

    @pytest.mark.skipif(
        django.VERSION < (6, 1) or find_spec("django_tasks_db") is None,
        reason="needs Django 6.1 and django-tasks-db",
    )
    @pytest.mark.hosts("full")
    def test_worker_of_a_database(self, tmp_path):
        """A real queue in the database, whose worker is another process than the one that sent the message."""
        (tmp_path / "queue_settings.py").write_text(QUEUE_SETTINGS)
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "queue_settings",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
            "WHERE": str(tmp_path),
        }

        def run(*command: str) -> None:
            done = subprocess.run(
                [sys.executable, *command],
                cwd=ROOT,
                env=environment,
                check=False,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr

        run("-m", "django", "migrate", "--verbosity=0")
        run("-c", SENDER)
        assert not list(tmp_path.glob("*.log"))
        run("-m", "django", "db_worker", "--batch")
        [mail_file] = tmp_path.glob("*.log")
        assert "ada@example.com" in mail_file.read_text()

    @pytest.mark.django_db(transaction=True)
    def test_back_end_that_is_not_there(self, settings, make_message, caplog):
        """On a Django without tasks too."""
        settings.SAAS_KIT_CORE_TASK_BACKEND = "nowhere"

        make_message()

        assert OutboxMessage.objects.open().count() == 1
        assert "could not be handed over" in caplog.text


class TestCheck:
    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("SAAS_KIT_CORE_CELERY_APP", "nowhere.app", ["saas_kit.E004"]),
            ("SAAS_KIT_CORE_CELERY_APP", "app", ["saas_kit.E004"]),
            ("SAAS_KIT_CORE_CELERY_APP", "celery.__version__", ["saas_kit.E004"]),
            ("SAAS_KIT_CORE_CELERY_APP", "celery.current_app", []),
            ("SAAS_KIT_CORE_TASK_BACKEND", "nowhere", ["saas_kit.E005"]),
            ("SAAS_KIT_CORE_TASK_BACKEND", "default", [] if django.VERSION >= (6, 0) else ["saas_kit.E005"]),
            ("SAAS_KIT_CORE_TASK_BACKEND", "", []),
        ],
    )
    def test_queue(self, settings, name, value, expected):
        setattr(settings, name, value)

        found = checks.run_checks(tags=[checks.Tags.compatibility])

        assert [each.id for each in found if each.id in ("saas_kit.E004", "saas_kit.E005")] == expected

    @pytest.mark.parametrize(
        ("celery_app", "alias", "expected"),
        [
            ("", "", ["saas_kit.W004"]),
            ("celery.current_app", "", []),
            ("", "default", []),
            ("celery.current_app", "default", ["saas_kit.W005"]),
        ],
    )
    def test_there_is_one_queue(self, settings, celery_app, alias, expected):
        settings.SAAS_KIT_CORE_CELERY_APP = celery_app
        settings.SAAS_KIT_CORE_TASK_BACKEND = alias

        found = checks.run_checks(include_deployment_checks=True)

        assert [each.id for each in found if each.id in ("saas_kit.W004", "saas_kit.W005")] == expected


class TestWithoutCelery:
    def test_tasks_can_be_imported_and_run(self):
        """The modules of tasks and schedules need no Celery."""
        script = (
            "import sys, django\n"
            "sys.modules['celery'] = None\n"
            "from importlib import util\n"
            "find = util.find_spec\n"
            "util.find_spec = lambda name, *rest: None if name == 'celery' else find(name, *rest)\n"
            "django.setup()\n"
            "import saas_kit.email.tasks, saas_kit.auth.tasks, saas_kit.tenancy.tasks\n"
            "from saas_kit.core import tasks\n"
            "assert tasks.is_done_at_once()\n"
            "from saas_kit.email import schedule\n"
        )

        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.hosts.models_only.settings"},
            check=False,
            capture_output=True,
            text=True,
        )

        assert done.returncode == 0, done.stderr


@pytest.fixture
def time_machine_of_pause(monkeypatch) -> Callable[[float], None]:
    """Let time go by for the pause, which is measured by a clock that cannot be set."""

    def go(by: float) -> None:
        monkeypatch.setattr(tasks, "_failed_at", tasks._failed_at - by)

    return go


@pytest.fixture
def make_message() -> Callable[[], object]:
    """Write a message into the outbox."""
    from saas_kit.auth.messages import ExistingAccount
    from saas_kit.email.services import send

    return lambda: send(ExistingAccount(), to="ada@example.com")
