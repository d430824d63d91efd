"""Two organizations, each with people and rows, a stranger to both and somebody who is in both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID, uuid4

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import models

from saas_kit.core.permissions import Level
from saas_kit.tenancy.guard import is_owned, owned_models
from saas_kit.tenancy.models import (
    AbstractOrganization,
    Account,
    AccountMembership,
    Membership,
    get_organization_model,
)
from saas_kit.tenancy.roles import OWNER, system_roles
from saas_kit.tenancy.scoping import scope
from saas_kit.tenancy.services import add_account_member, add_member, create_account, create_organization
from saas_kit.testing.isolation.calls import Caller
from saas_kit.testing.isolation.factories import canary, inferred_values, make_row
from saas_kit.testing.isolation.kit import PASSWORD, kit_factories
from saas_kit.testing.isolation.proof import IsolationProof
from saas_kit.testing.isolation.rows import Belongings, Rows, Table, read_rows, tables

ROWS = 2
"""How many rows of each model an organization has, beside one that nothing points at."""

Model = type[models.Model]


@dataclass
class Side:
    """
    One of the two organizations.

    Attributes:
        people: By what they are: ``owner`` and ``partner`` own the account and the organization, ``member`` is only
            in the organization, ``accountant`` only in the account.
        rows: By model, the rows that are its own; people and memberships are among them.
    """

    name: str
    account: Any = None
    organization: Any = None
    people: dict[str, Any] = field(default_factory=dict)
    rows: dict[Model, list[Any]] = field(default_factory=dict)

    @property
    def owner(self) -> Any:
        """The member with full power."""
        return self.people["owner"]

    def first(self, label: str) -> Any:
        """Return the first row of a model, by its label."""
        return self.rows[apps.get_model(label)][0]


class World:
    """
    Everything that probes need: the sides ``a`` and ``b``, who calls, and what belongs to ``b``.

    Args:
        proof: What the host says of itself.
    """

    def __init__(self, proof: IsolationProof) -> None:
        self._factories = {**kit_factories(), **proof.factories}
        self._shared: dict[Model, list[Any]] = {}
        self._making: list[Model] = []
        self._pointing: int | None = None
        self.tables: list[Table] = tables()
        self.aliases = sorted({table.alias for table in self.tables})
        self.unmade: dict[str, str] = {}
        self.models = _models_of_organizations()
        self.stranger_user = self._make_user("stranger")
        self.both = self._make_user("both")
        self.a, self.b = Side("a"), Side("b")
        self._settle(self.a)
        self.callers: dict[str, Caller] = {
            "owner": Caller("owner of A", self.a.owner, "TOKEN_OF_A_OWNER"),
            "stranger": Caller("stranger", self.stranger_user, "TOKEN_OF_STRANGER"),
            "anonymous": Caller("anonymous", None, None),
        }
        before = read_rows(self.tables)
        self._settle(self.b)
        self.callers["owner of b"] = Caller("owner of B", self.b.owner, "TOKEN_OF_B_OWNER")
        after: Rows = read_rows(self.tables)
        places = (self.b.organization.pk, self.b.account.pk)
        self.belongings = Belongings(self.tables, before, after, places)
        self._counterparts = dict(self._pairs())
        self._keys = {str(row.pk) for rows in self.a.rows.values() for row in rows}

    def _settle(self, side: Side) -> None:
        """Make the account, the organization, its people and its rows."""
        for what in ("owner", "partner", "member", "accountant"):
            side.people[what] = self._make_user(f"{side.name} {what}")
        owner = side.owner
        name = canary(f"{side.name} account")
        side.account = create_account(
            name=name, owner=owner, slug=name, metadata={"note": canary("metadata")}, actor=None
        )
        side.organization = self._make_organization(side)
        organization_role = _lowest_key(Level.ORGANIZATION)
        add_account_member(side.account, side.people["partner"], OWNER, actor=None)
        add_account_member(side.account, side.people["accountant"], _lowest_key(Level.ACCOUNT), actor=None)
        add_member(side.organization, side.people["partner"], OWNER, actor=None)
        add_member(side.organization, self.both, organization_role, actor=None)
        add_member(side.organization, side.people["member"], organization_role, actor=None)
        self._collect(side)
        for index in range(ROWS + 1):  # nothing points at the last one, so that it can be deleted
            self.add_rows(side, index=index)

    def _make_organization(self, side: Side) -> Any:
        model, name = get_organization_model(), canary(f"{side.name} organization")
        make = self._factories.get(model._meta.label)
        if make is not None:
            return make(None, account=side.account)
        usual = {each.name for each in AbstractOrganization._meta.fields}
        extra = inferred_values(model, lambda key: self._shared_key(key, 0), besides=usual)
        values: dict[str, Any] = {
            "name": name,
            "slug": name,
            "metadata": {"note": canary("metadata")},
            **extra,
        }
        return create_organization(account=side.account, owner=side.owner, actor=None, **values)

    def _collect(self, side: Side) -> None:
        side.rows[Account] = [side.account]
        side.rows[get_organization_model()] = [side.organization]
        side.rows[get_user_model()] = list(side.people.values())
        accounts = AccountMembership.objects.filter(account=side.account).exclude(user=self.both)
        side.rows[AccountMembership] = sorted(accounts, key=lambda each: each.pk)
        memberships = Membership.objects.filter(organization=side.organization)
        side.rows[Membership] = sorted(memberships, key=lambda each: each.pk)

    def add_rows(self, side: Side, *, index: int, pointing: int | None = None) -> None:
        """
        Add a row of every model of the organization's own; what cannot be made is noted in ``unmade``.

        Args:
            pointing: Which of the rows that are nobody's it points at; by its index where it is left out.
        """
        self._pointing = pointing
        for model in self.models:
            try:
                with scope(side.organization):
                    self._add_row(side, model, index)
            except Exception as error:  # noqa: BLE001 - factories of hosts may raise anything
                if index == 0:
                    self.unmade[model._meta.label] = f"no row can be made: {error}"
            finally:
                self._making.clear()

    def _add_row(self, side: Side, model: Model, index: int) -> Any:
        rows = side.rows.setdefault(model, [])
        if len(rows) > index:
            return rows[index]
        if model in self._making:
            return None
        self._making.append(model)
        related = self._related(side, index)
        make = self._factories.get(model._meta.label)
        if make is None:
            row = make_row(model, related, index=index)
        else:
            keys = [each for each in model._meta.concrete_fields if isinstance(each, models.ForeignKey)]
            found = {each.name: related(each) for each in keys if each.name != "organization"}
            row = make(
                side.organization, **{name: value for name, value in found.items() if value is not None}
            )
        for each in model._meta.local_many_to_many:
            target, between = cast("Any", each.related_model), cast("Any", each.remote_field.through)
            # a model of the host's own in between gets its rows as every other model does
            if between._meta.auto_created and side.rows.get(target):
                getattr(row, each.name).add(side.rows[target][0])
        rows.append(row)
        self._making.remove(model)
        return row

    def _related(self, side: Side, index: int) -> Callable[[Any], Any]:
        people = get_user_model()
        index = ROWS - 1 if index == ROWS else index

        def find(key: Any) -> Any:
            target = key.related_model._meta.concrete_model
            if target is people:
                # somebody of both sides ties their rows together, as consultants do
                return side.owner if index == 0 else self.both
            if target is Membership and index:
                return next(each for each in side.rows[Membership] if each.user_id == self.both.pk)
            if target in side.rows and target not in self.models:
                return side.rows[target][min(index, len(side.rows[target]) - 1)]
            if target in self.models:
                found = side.rows.get(target, [])
                if target is key.model and not found:
                    return None
                return found[min(index, len(found) - 1)] if found else self._add_row(side, target, 0)
            return self._shared_row(target, index if self._pointing is None else self._pointing)

        return find

    def _shared_row(self, model: Model, index: int) -> Any:
        """Return a row that is nobody's, and that rows of both sides point at."""
        if model._meta.label == "contenttypes.ContentType":
            return model._default_manager.get_for_model(get_organization_model())  # type: ignore[attr-defined]
        rows = self._shared.setdefault(model, list(model._base_manager.all()[:ROWS]))
        while len(rows) < ROWS and len(rows) <= index:
            make = self._factories.get(model._meta.label)
            if make is not None:
                rows.append(make(None))
            else:
                rows.append(make_row(model, lambda key: self._shared_key(key, index), index=len(rows)))
        return rows[min(index, len(rows) - 1)]

    def _shared_key(self, key: Any, index: int) -> Any:
        target = key.related_model._meta.concrete_model
        if key.null or target is key.model:
            return None
        return self.both if target is get_user_model() else self._shared_row(target, index)

    def _make_user(self, label: str) -> Any:
        model = get_user_model()
        make = self._factories.get(model._meta.label)
        if make is not None:
            return make(None)
        return make_row(
            model,
            lambda key: None if key.null else self._shared_key(key, 0),
            values=_person_values(model, label),
        )

    # what corresponds to what

    def _pairs(self) -> Iterator[tuple[str, str]]:
        for model, rows in self.a.rows.items():
            for mine, other in zip(rows, self.b.rows.get(model, ()), strict=False):
                for name in identifying_fields(model):
                    value, twin = getattr(mine, name), getattr(other, name)
                    if value not in (None, "") and value != twin:
                        yield str(value), str(twin)

    def counterpart(self, value: Any) -> str | None:
        """Return what is to B what a key or slug is to A; None where it is none."""
        return self._counterparts.get(str(value))

    def is_key(self, value: Any) -> bool:
        """Whether a value is the primary key of one of A's rows."""
        return str(value) in self._keys

    def send(self, who: str, call: Any) -> Any:
        """Send a request as one of the callers."""
        return self.callers[who].send(call)


def identifying_fields(model: Model) -> list[str]:
    """Return the fields by which a path or a body may name a row: the key, and texts that are unique."""
    names = ["pk"]
    for each in model._meta.concrete_fields:
        named = each.name in ("slug", "key", "token", "code", "number", "username", "uuid", "public_id")
        if not each.primary_key and (named or (each.unique and not isinstance(each, models.ForeignKey))):
            names.append(each.name)
    return names


def unknown_like(value: str) -> str:
    """Return a value of the form of another that nothing has."""
    try:
        known = UUID(value)
    except ValueError:
        pass
    else:
        fresh = uuid4().hex
        return (
            str(UUID(hex=known.hex[:12] + known.hex[12:16] + fresh[16:])) if known.version else str(uuid4())
        )
    if value.isdigit():
        return str(int(value) + 48_017)
    local, at, domain = value.partition("@")
    fresh = canary("unknown", longest=max(len(local), 8))
    return f"{fresh}{at}{domain}"


def form_of(value: str) -> str:
    """Return what kind of value it is: a UUID, a number, an address or another text."""
    try:
        UUID(value)
    except ValueError:
        return "number" if value.isdigit() else "address" if "@" in value else "text"
    return "uuid"


def _models_of_organizations() -> list[Model]:
    """Return the models whose rows are an organization's or a person's: owned, or pointing at such."""
    known: set[Any] = {get_organization_model(), Account, AccountMembership, Membership, get_user_model()}
    settled = set(known)
    found: list[Model] = []
    candidates = [
        model
        for model in apps.get_models()
        if not model._meta.proxy and model._meta.managed and not model._meta.swapped and model not in settled
    ]
    owned = set(owned_models())
    grown = True
    while grown:
        grown = False
        for model in candidates:
            if model in found or model._meta.app_label in ("admin", "saas_kit_audit"):
                continue
            targets = {
                each.related_model._meta.concrete_model
                for each in model._meta.concrete_fields
                if isinstance(each, models.ForeignKey) and isinstance(each.related_model, type)
            }
            if is_owned(model) or model in owned or targets & known:
                found.append(model)
                known.add(model)
                grown = True
    return found


def _person_values(model: Model, label: str) -> dict[str, Any]:
    names = {each.name for each in model._meta.concrete_fields}
    values: dict[str, Any] = {
        "password": make_password(PASSWORD),
        "is_active": True,
        "is_staff": False,
        "is_superuser": False,
        "last_login": None,
        "first_name": canary(label),
        "last_name": canary(label),
    }
    return {name: value for name, value in values.items() if name in names}


def _lowest_key(level: Level) -> str:
    # the lowest rank may see little; the second lowest is what people usually are
    roles = system_roles(level)
    return roles[max(len(roles) - 2, 0)].key if level is Level.ORGANIZATION else roles[-1].key
