"""
The data of the demo, made through the kit's own services.

Loading it again adds what is missing and changes nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from projects.models import Project, Task, TaskStatus
from projects.services import create_project, create_task
from saas_kit.auth.services import create_user
from saas_kit.teams.models import Team, TeamMembership
from saas_kit.teams.services import add_team_member, create_team
from saas_kit.tenancy import unscoped
from saas_kit.tenancy.models import (
    AbstractOrganization,
    Account,
    AccountMembership,
    Membership,
    get_organization_model,
)
from saas_kit.tenancy.services import add_account_member, add_member, create_account, create_organization

PASSWORD = "try-it-out-42"  # noqa: S105 - the demo tells it to everybody
STAFF = "staff@example.com"


@dataclass(frozen=True)
class Person:
    """Somebody of the demo: a name, an address, and a role in each account and organization, by its slug."""

    name: str
    email: str
    accounts: dict[str, str]
    organizations: dict[str, str]


@dataclass(frozen=True)
class DemoProject:
    """A project of the demo; each task has a title, a status and the address of who does it."""

    organization: str
    name: str
    description: str
    tasks: tuple[tuple[str, TaskStatus, str | None], ...]


ACCOUNTS = {"acme": "Acme", "globex": "Globex"}
ORGANIZATIONS = {
    "acme-berlin": ("acme", "Acme Berlin"),
    "acme-lisbon": ("acme", "Acme Lisbon"),
    "globex": ("globex", "Globex"),
}
# The first owner of an account is also the first owner of its organizations.
PEOPLE = (
    Person("Ada Lovelace", "ada@acme.example", {"acme": "owner"}, {}),
    Person("Grace Hopper", "grace@acme.example", {"acme": "admin"}, {}),
    Person("Alan Turing", "alan@acme.example", {"acme": "member"}, {"acme-berlin": "admin"}),
    Person("Edsger Dijkstra", "edsger@acme.example", {}, {"acme-berlin": "member", "acme-lisbon": "member"}),
    Person("Barbara Liskov", "barbara@acme.example", {}, {"acme-berlin": "member"}),
    Person("Donald Knuth", "donald@acme.example", {}, {"acme-berlin": "viewer"}),
    Person("Radia Perlman", "radia@acme.example", {}, {"acme-lisbon": "admin"}),
    Person("Ken Thompson", "ken@acme.example", {}, {"acme-lisbon": "viewer"}),
    Person("Hedy Lamarr", "hedy@globex.example", {"globex": "owner"}, {}),
    Person("Niklaus Wirth", "niklaus@globex.example", {}, {"globex": "admin"}),
    Person("Margaret Hamilton", "margaret@globex.example", {}, {"globex": "member"}),
    Person("Tim Berners-Lee", "tim@example.com", {}, {"globex": "viewer", "acme-lisbon": "member"}),
)
TEAMS: dict[tuple[str, str], dict[str, str]] = {
    ("acme-berlin", "Engineering"): {
        "alan@acme.example": "lead",
        "barbara@acme.example": "member",
        "edsger@acme.example": "member",
    },
    ("acme-berlin", "Support"): {"edsger@acme.example": "lead"},
    ("acme-lisbon", "Sales"): {"radia@acme.example": "lead", "tim@example.com": "member"},
    ("globex", "Research"): {"margaret@globex.example": "lead", "niklaus@globex.example": "member"},
}
PROJECTS = (
    DemoProject(
        "acme-berlin",
        "Website",
        "A new front page by spring.",
        (
            ("Choose the colours", TaskStatus.DONE, "barbara@acme.example"),
            ("Draw the front page", TaskStatus.DOING, "edsger@acme.example"),
            ("Write the texts", TaskStatus.TO_DO, None),
        ),
    ),
    DemoProject(
        "acme-berlin",
        "Billing",
        "Invoices that people understand.",
        (("Ask ten customers", TaskStatus.TO_DO, "alan@acme.example"),),
    ),
    DemoProject(
        "acme-lisbon",
        "Opening party",
        "",
        (
            ("Find a place", TaskStatus.DONE, "radia@acme.example"),
            ("Send the invitations", TaskStatus.TO_DO, "tim@example.com"),
        ),
    ),
    DemoProject(
        "globex",
        "Moon landing",
        "Software included.",
        (
            ("Write the guidance program", TaskStatus.DOING, "margaret@globex.example"),
            ("Test it", TaskStatus.TO_DO, "niklaus@globex.example"),
        ),
    ),
)


@unscoped(reason="loading the demo")
@transaction.atomic
def load_demo() -> None:
    """Add what is missing of the demo's people, accounts, organizations, teams, projects and tasks."""
    _add_staff()
    people = {person.email: _add_person(person) for person in PEOPLE}
    accounts = {slug: _add_account(slug, name, people) for slug, name in ACCOUNTS.items()}
    organizations = {
        slug: _add_organization(slug, name, accounts[account])
        for slug, (account, name) in ORGANIZATIONS.items()
    }
    for person in PEOPLE:
        _add_roles(people[person.email], person, accounts, organizations)
    for (slug, name), members in TEAMS.items():
        _add_team(organizations[slug], name, {people[email]: role for email, role in members.items()})
    for project in PROJECTS:
        _add_project(organizations[project.organization], project)


def _add_staff() -> None:
    if not get_user_model().objects.filter(email=STAFF).exists():
        create_user(
            email_verified=True,
            email=STAFF,
            password=PASSWORD,
            first_name="Pat",
            is_staff=True,
            is_superuser=True,
        )


def _add_person(person: Person) -> Any:
    known = get_user_model().objects.filter(email=person.email).first()
    if known is not None:
        return known
    first_name, _, last_name = person.name.partition(" ")
    return create_user(
        email_verified=True, email=person.email, password=PASSWORD, first_name=first_name, last_name=last_name
    )


def _add_account(slug: str, name: str, people: dict[str, Any]) -> Account:
    known: Account | None = Account.objects.filter(slug=slug).first()
    if known is not None:
        return known
    owner = next(people[person.email] for person in PEOPLE if person.accounts.get(slug) == "owner")
    return create_account(name=name, slug=slug, owner=owner, actor=owner)


def _add_organization(slug: str, name: str, account: Account) -> AbstractOrganization:
    known: AbstractOrganization | None = get_organization_model().objects.filter(slug=slug).first()
    if known is not None:
        return known
    owner = AccountMembership.objects.owners().filter(account=account).earliest("created_at").user
    return create_organization(account=account, name=name, slug=slug, owner=owner, actor=owner)


def _add_roles(
    user: Any,
    person: Person,
    accounts: dict[str, Account],
    organizations: dict[str, AbstractOrganization],
) -> None:
    for slug, role in person.organizations.items():
        if not Membership.objects.in_organization(organizations[slug]).filter(user=user).exists():
            add_member(organizations[slug], user, role, actor=None)
    for slug, role in person.accounts.items():
        if not AccountMembership.objects.filter(account=accounts[slug], user=user).exists():
            add_account_member(accounts[slug], user, role, actor=None)


def _add_team(organization: AbstractOrganization, name: str, members: dict[Any, str]) -> None:
    team = Team.objects.filter(organization=organization, name=name).first()
    if team is None:
        team = create_team(organization, name=name, actor=None)
    for user, role in members.items():
        if not TeamMembership.objects.filter(team=team, membership__user=user).exists():
            add_team_member(team, user, role, actor=None)


def _add_project(organization: AbstractOrganization, demo: DemoProject) -> None:
    project = Project.objects.filter(organization=organization, name=demo.name).first()
    if project is None:
        project = create_project(organization, name=demo.name, description=demo.description, actor=None)
    for title, status, email in demo.tasks:
        if not Task.objects.filter(project=project, title=title).exists():
            members = Membership.objects.in_organization(organization)
            assignee = members.filter(user__email=email).first() if email else None
            create_task(project, title=title, status=status, assignee=assignee, actor=None)
