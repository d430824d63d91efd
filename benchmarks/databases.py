"""A host with data: one database with row-level security and a copy without."""

from __future__ import annotations

from typing import Any, Self
from uuid import uuid4

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection, connections
from django.test import override_settings

from saas_kit.auth.services import create_user, open_session
from saas_kit.tenancy import policies, row_security, unscoped
from saas_kit.tenancy.models import Membership, get_organization_model
from saas_kit.tenancy.services import create_account, create_organization
from tests.hosts.full.widgets.models import Widget

ORGANIZATIONS, WIDGETS = 200, 30
MEMBER = "member@example.com"

_ROWS = """
INSERT INTO {widgets} (id, created_at, updated_at, name, size, organization_id)
SELECT gen_random_uuid(), now(), now(), 'Widget ' || number, number, organization.id
FROM {organizations} organization, generate_series(1, %s) number
"""


class Databases:
    """
    Two databases with the same rows; ``on`` has row-level security, ``off`` has none.

    Args:
        names: The names of the databases, by these two words.
    """

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names
        self._original = connections["default"]
        self._wrappers: dict[str, Any] = {}

    @classmethod
    def create(cls) -> Self:
        """Make both, beside the database of the settings."""
        made = cls({each: f"benchmark_{each}_{uuid4().hex}" for each in ("on", "off")})
        try:
            made._fill()
        except BaseException:
            made.drop()
            raise
        return made

    def _fill(self) -> None:
        on, off = self.names["on"], self.names["off"]
        self._run(f'CREATE DATABASE "{on}"')
        self.use("on")
        call_command("migrate", verbosity=0)
        _insert_rows()
        self._wrappers["on"].close()
        self._run(f'CREATE DATABASE "{off}" TEMPLATE "{on}"')
        for each in ("off", "on"):
            self.use(each)
            with override_settings(SAAS_KIT_TENANCY_ROW_LEVEL_SECURITY=each == "on"):
                policies.sync_policies(connection)
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")

    @property
    def organization(self) -> Any:
        """The only organization of the person who asks."""
        return Membership.objects.select_related("organization").get(user__email=MEMBER).organization

    @property
    def address(self) -> tuple[str, int]:
        """Where the server is."""
        return self._original.settings_dict["HOST"], int(self._original.settings_dict["PORT"])

    def new_token(self) -> str:
        """Sign the person in who asks."""
        return open_session(get_user_model()._base_manager.get(email=MEMBER)).access

    def use(self, name: str) -> None:
        """Make one of the two Django's default database; connections stay open."""
        if name not in self._wrappers:
            settings = {**self._original.settings_dict, "NAME": self.names[name], "CONN_MAX_AGE": None}
            self._wrappers[name] = type(self._original)(settings, "default")
        connections["default"] = self._wrappers[name]
        with override_settings(SAAS_KIT_TENANCY_ROW_LEVEL_SECURITY=name == "on"):
            connection.ensure_connection()
        if (row_security.execution_of(connection) is not None) != (name == "on"):
            raise RuntimeError("The connection is not as it is to be measured.")

    def backend(self) -> int | None:
        """Return the process id of the server's end of the connection, where the server is on this machine."""
        if self.address[0] not in ("127.0.0.1", "localhost"):
            return None
        pid: int = connection.connection.info.backend_pid
        return pid

    def reconnect(self, host: str, port: int) -> None:
        """Let both connect anew, to an address."""
        for name, wrapper in self._wrappers.items():
            wrapper.close()
            wrapper.settings_dict |= {"HOST": host, "PORT": port}
            self.use(name)

    def drop(self) -> None:
        """Remove both."""
        for wrapper in self._wrappers.values():
            wrapper.close()
        connections["default"] = self._original
        for name in self.names.values():
            self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        with self._original.cursor() as cursor:
            cursor.execute(statement)


def _insert_rows() -> None:
    owner = create_user(email="owner@example.com", password=None)
    member = create_user(email=MEMBER, password=None)
    account = create_account(name="Account", owner=owner, actor=None)
    for number in range(ORGANIZATIONS):
        own = owner if number else member
        create_organization(account=account, name=f"Organization {number}", owner=own, actor=None)
    tables = {"widgets": Widget._meta.db_table, "organizations": get_organization_model()._meta.db_table}
    with unscoped(reason="the rows of a benchmark"), connection.cursor() as cursor:
        cursor.execute(_ROWS.format(**tables), [WIDGETS])
