"""A host with data, in one database with row-level security and in a copy without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.core.management import call_command
from django.db import connection, connections
from django.test import override_settings

from saas_kit.auth.services import create_user, open_session
from saas_kit.tenancy import row_security, unscoped
from saas_kit.tenancy.models import get_organization_model
from saas_kit.tenancy.services import create_account, create_organization
from tests.hosts.full.widgets.models import Widget

ORGANIZATIONS, WIDGETS = 200, 30

_ROWS = """
INSERT INTO {widgets} (id, created_at, updated_at, name, size, organization_id)
SELECT gen_random_uuid(), now(), now(), 'Widget ' || number, number, organization.id
FROM {organizations} organization, generate_series(1, %s) number
"""


class Databases:
    """
    Two databases with the same rows, of which one has row-level security.

    ``use()`` makes one of them Django's default database; connections stay open.
    """

    def __init__(self) -> None:
        self.original = connections["default"]
        names = {"on": f"benchmark_{uuid4().hex}", "off": f"benchmark_{uuid4().hex}"}
        self.names = names
        self._run(f'CREATE DATABASE "{names["on"]}"')
        self.wrappers = {"on": self._connect(names["on"])}
        self.use("on")
        call_command("migrate", verbosity=0)
        self.token_for, self.organization = _fill()
        self.wrappers["on"].close()
        self._run(f'CREATE DATABASE "{names["off"]}" TEMPLATE "{names["on"]}"')
        with override_settings(SAAS_KIT_TENANCY_ROW_LEVEL_SECURITY=False):
            self.wrappers["off"] = self._connect(names["off"])
            self.use("off")
            row_security.sync_policies(self.wrappers["off"])
            _vacuum(self.wrappers["off"])
        self.use("on")
        _vacuum(self.wrappers["on"])

    def use(self, name: str) -> None:
        """Make one of the two, ``on`` or ``off``, the default database."""
        connections["default"] = self.wrappers[name]

    def backend(self, name: str) -> int | None:
        """Return the process id of the server's end of a connection, where the server is on this machine."""
        wrapper = self.wrappers[name]
        if wrapper.settings_dict["HOST"] not in ("127.0.0.1", "localhost"):
            return None
        pid: int = wrapper.connection.info.backend_pid
        return pid

    def reconnect(self, host: str, port: int) -> None:
        """Let both connect anew, to an address."""
        for name, wrapper in self.wrappers.items():
            wrapper.close()
            wrapper.settings_dict |= {"HOST": host, "PORT": port}
            with override_settings(SAAS_KIT_TENANCY_ROW_LEVEL_SECURITY=name == "on"):
                wrapper.ensure_connection()

    def drop(self) -> None:
        """Remove both databases."""
        for wrapper in self.wrappers.values():
            wrapper.close()
        connections["default"] = self.original
        for name in self.names.values():
            self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        with self.original.cursor() as cursor:
            cursor.execute(statement)

    def _connect(self, name: str) -> Any:
        settings = {**self.original.settings_dict, "NAME": name, "CONN_MAX_AGE": None}
        wrapper = type(self.original)(settings, "default")
        wrapper.ensure_connection()
        return wrapper


def _vacuum(wrapper: Any) -> None:
    with wrapper.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _fill() -> tuple[Callable[[], str], Any]:
    owner = create_user(email="owner@example.com", password=None)
    account = create_account(name="Account", owner=owner, actor=None)
    member = create_user(email="member@example.com", password=None)
    first = None
    for number in range(ORGANIZATIONS):
        own = member if number == 0 else owner
        made = create_organization(account=account, name=f"Organization {number}", owner=own, actor=None)
        first = first or made
    with unscoped(reason="a benchmark's rows"), connection.cursor() as cursor:
        tables = {"widgets": Widget._meta.db_table, "organizations": get_organization_model()._meta.db_table}
        cursor.execute(_ROWS.format(**tables), [WIDGETS])
    return lambda: open_session(member).access, first


def address_of(wrapper: Any) -> tuple[str, int]:
    """Return where a database is."""
    return wrapper.settings_dict["HOST"], int(wrapper.settings_dict["PORT"])
