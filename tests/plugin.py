"""The options of the suite: the database a run uses, the services it starts, what it leaves out."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.services import Services, ServiceUnavailable

ROOT = Path(__file__).resolve().parent.parent
HOSTS = ("full", "models_only", "custom_organization", "default_user", "seeded")

_left_out = pytest.StashKey[Counter[str]]()
_sources = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("saas_kit")
    group.addoption(
        "--database",
        choices=("sqlite", "postgresql"),
        help="The database of the run. PostgreSQL brings Redis along; what DATABASE_URL and REDIS_URL do not"
        " name is started. Without the option: what DATABASE_URL names, else SQLite.",
    )
    group.addoption(
        "--without-services",
        action="store_true",
        help="Start nothing: run on SQLite and say how many tests that left out.",
    )
    group.addoption(
        "--wheel",
        nargs="?",
        const=os.environ.get("TOX_PACKAGE", ""),
        help="The wheel that the tests marked `wheel` install; without a value the one that tox has built.",
    )
    group.addoption("--summary-file", type=Path, help="Write the outcome to this file, as JSON.")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, object, object]:
    # Before pytest-django's hook, which loads the settings, which read the environment.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.hosts.full.settings")
    _keep_files_in_the_repository()
    early_config.stash[_left_out] = Counter()
    early_config.stash[_sources] = []
    options = parser.parse_known_args(args)
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        _take_own_redis_database(worker)
    elif not (options.help or options.version):
        _provide_database(early_config, options.database, without_services=options.without_services)
    return (yield)


def pytest_report_header(config: pytest.Config) -> list[str]:
    return config.stash[_sources]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept, left_out = [], []
    for item in items:
        reason = _reason_to_leave_out(item)
        if reason is None:
            kept.append(item)
        else:
            left_out.append(item)
            config.stash[_left_out][reason] += 1
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        left_out = session.config.stash[_left_out]
        session.config.workeroutput["left_out"] = dict(left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    # Every worker collects everything, so that any one of them knows what was left out.
    counts = getattr(node, "workeroutput", {}).get("left_out", {})
    node.config.stash[_left_out] |= Counter(counts)  # type: ignore[attr-defined]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for reason, count in config.stash[_left_out].items():
        tests = "test" if count == 1 else "tests"
        terminalreporter.write_line(f"Left out: {count} {tests}, {reason}.", yellow=True)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    path: Path | None = config.getoption("summary_file")
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if path is None or reporter is None or hasattr(config, "workerinput"):
        return
    left_out = config.stash[_left_out]
    parts, _ = reporter.build_summary_stats_line()
    outcome = {
        "line": ", ".join(text for text, _ in parts),
        "passed": len(reporter.stats.get("passed", [])),
        "failed": len(reporter.stats.get("failed", [])) + len(reporter.stats.get("error", [])),
        "skipped": len(reporter.stats.get("skipped", [])),
        "left_out": dict(left_out),
    }
    path.write_text(json.dumps(outcome))


def _keep_files_in_the_repository() -> None:
    """Let `tmp_path` and its like be in an ignored folder, and not in the system's temporary directory."""
    directory = ROOT / ".local" / "tmp"
    directory.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(directory))


def _provide_database(config: pytest.Config, database: str | None, *, without_services: bool) -> None:
    """Leave DATABASE_URL and REDIS_URL in the environment as the run needs them."""
    named = _is_postgresql(os.environ.get("DATABASE_URL", ""))
    if without_services and database == "postgresql":
        raise pytest.UsageError("--database=postgresql and --without-services contradict each other.")
    if database is None:
        database = "postgresql" if named and not without_services else "sqlite"

    sources = config.stash[_sources]
    if database == "sqlite":
        # A run on SQLite uses no service, so that it is the same on every machine.
        if named:
            del os.environ["DATABASE_URL"]
        os.environ.pop("REDIS_URL", None)
        sources.append("database: SQLite, without Redis")
        return

    _end_in_order_on_sigterm()
    services = Services.prepare(ROOT / ".local")
    config.add_cleanup(services.stop)
    try:
        if not named:
            os.environ["DATABASE_URL"] = services.start_postgresql()
        if "REDIS_URL" not in os.environ:
            os.environ["REDIS_URL"] = services.start_redis()
            sources.append("redis: started for this run")
        else:
            sources.append("redis: named by REDIS_URL")
    except ServiceUnavailable as error:
        raise pytest.UsageError(str(error)) from None
    sources.insert(0, f"database: PostgreSQL, {'named by DATABASE_URL' if named else 'started for this run'}")


def _end_in_order_on_sigterm() -> None:
    def end(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pytest.exit("stopped by SIGTERM", returncode=128 + number)

    signal.signal(signal.SIGTERM, end)


def _take_own_redis_database(worker: str) -> None:
    # Emptying a Redis cache empties its database, which workers must not do to each other.
    if url := os.environ.get("REDIS_URL"):
        parts = urlsplit(url)
        number = int(parts.path.strip("/") or 0) + int(worker.removeprefix("gw"))
        os.environ["REDIS_URL"] = parts._replace(path=f"/{number}").geturl()


def _is_postgresql(url: str) -> bool:
    return urlsplit(url).scheme in {"postgres", "postgresql", "psql", "pgsql"}


def _reason_to_leave_out(item: pytest.Item) -> str | None:
    if item.get_closest_marker("wheel") and item.config.getoption("wheel") is None:
        return "which install the built wheel (they run with `nox -s package`)"
    if marker := item.get_closest_marker("hosts"):
        if unknown := set(marker.args).difference(HOSTS):
            raise pytest.UsageError(f"{item.nodeid} names unknown hosts: {', '.join(sorted(unknown))}")
        host = os.environ["DJANGO_SETTINGS_MODULE"].removeprefix("tests.hosts.").removesuffix(".settings")
        if host not in marker.args:
            return f"which do not apply to the host {host}"
    on_sqlite = not _is_postgresql(os.environ.get("DATABASE_URL", ""))
    if on_sqlite and (item.get_closest_marker("postgresql") or item.get_closest_marker("redis")):
        if item.config.getoption("without_services"):
            return "which need PostgreSQL or Redis (--without-services was given)"
        return "which need PostgreSQL or Redis (they run with --database=postgresql)"
    if not on_sqlite and item.get_closest_marker("once"):
        return "which use no database of the run (they run with --database=sqlite)"
    return None
