"""Projects and tasks over HTTP: what roles allow, what comes back, what a list costs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from projects import services
from projects.models import Project, Task
from projects.receivers import FIRST_PROJECT
from saas_kit.audit.models import Event
from saas_kit.auth.services import create_user, open_session
from saas_kit.tenancy.models import Membership
from saas_kit.tenancy.services import add_member, create_account, create_organization, remove_member

_numbers = itertools.count(1)


@pytest.fixture
def make_user(db) -> Callable[..., Any]:
    def make() -> Any:
        return create_user(email=f"person-{next(_numbers)}@example.com", password=None)

    return make


@pytest.fixture
def make_organization(make_user) -> Callable[..., Any]:
    """An organization, which has an owner."""

    def make() -> Any:
        owner, name = make_user(), f"Place {next(_numbers)}"
        account = create_account(name=name, owner=owner, actor=owner)
        return create_organization(account=account, name=name, owner=owner, actor=owner)

    return make


@pytest.fixture
def organization(make_organization) -> Any:
    return make_organization()


@pytest.fixture
def make_person(make_user, person_of) -> Callable[..., Any]:
    """Somebody with a role in an organization, or in none, who calls the API."""

    def make(organization: Any = None, role: str = "member") -> Any:
        user = make_user()
        if organization is not None:
            add_member(organization, user, role, actor=None)
        return person_of(user)

    return make


@pytest.fixture
def person_of(nobody) -> Callable[..., Any]:
    def person_of(user: Any) -> Any:
        # the roles are loaded anew by each request
        return type(nobody)(nobody.send, open_session(user).access, {"id": str(user.pk)})

    return person_of


@pytest.fixture
def make_project(organization) -> Callable[..., Project]:
    def make(place: Any = None, **fields: Any) -> Project:
        return services.create_project(
            place or organization, name=f"Project {next(_numbers)}", actor=None, **fields
        )

    return make


@pytest.fixture
def make_task(make_project) -> Callable[..., Task]:
    def make(project: Project | None = None, **fields: Any) -> Task:
        return services.create_task(
            project or make_project(), title=f"Task {next(_numbers)}", actor=None, **fields
        )

    return make


class TestRoles:
    @pytest.mark.parametrize(
        ("role", "viewing", "writing", "deleting"),
        [
            ("viewer", 200, 403, 403),
            ("member", 200, 200, 403),
            ("admin", 200, 200, 204),
            (None, 404, 404, 404),
        ],
    )
    def test_of_projects(self, organization, make_person, make_project, role, viewing, writing, deleting):
        person = make_person(organization if role else None, role or "member")
        path = f"/projects/{make_project().pk}/"

        assert person.ask("GET", path).status == viewing
        assert person.ask("PATCH", path, {"name": "Other"}).status == writing
        assert person.ask("DELETE", path).status == deleting

    def test_viewer_creates_nothing(self, organization, make_person, make_project):
        viewer, member = make_person(organization, "viewer"), make_person(organization)
        project = {"organization": str(organization.pk), "name": "New"}
        task = {"project": str(make_project().pk), "title": "New"}

        for person, status in ((viewer, 403), (member, 201)):
            assert person.ask("POST", "/projects/", project).status == status
            assert person.ask("POST", "/tasks/", task).status == status


class TestProjects:
    def test_name_is_unique_in_the_organization(
        self, organization, make_organization, make_person, make_project
    ):
        member = make_person(organization)
        taken = make_project().name
        elsewhere = make_organization()

        answer = member.ask(
            "POST", "/projects/", {"organization": str(organization.pk), "name": taken.upper()}
        )
        assert (answer.status, answer.errors) == (400, {"name": "unique"})
        assert services.create_project(elsewhere, name=taken, actor=None)

    def test_organization_cannot_change(self, organization, make_organization, make_person, make_project):
        member = make_person(organization)
        elsewhere = make_organization()
        add_member(elsewhere, Membership.objects.get(user=member.me["id"]).user, "owner", actor=None)
        path = f"/projects/{make_project().pk}/"

        answer = member.ask("PATCH", path, {"organization": str(elsewhere.pk)})

        assert (answer.status, answer.errors) == (400, {"organization": "immutable"})

    def test_come_back_with_their_tasks(self, organization, make_person, make_project, make_task):
        admin = make_person(organization, "admin")
        project = make_project()
        kept, gone_before = make_task(project), make_task(project)
        services.delete_task(gone_before, actor=None)
        path = f"/projects/{project.pk}/"

        assert admin.ask("DELETE", path).status == 204
        assert admin.ask("GET", path).status == admin.ask("GET", f"/tasks/{kept.pk}/").status == 404
        # the task came to an end with its project, and does not come back without it
        assert admin.ask("POST", f"/tasks/{kept.pk}/restore/").body["code"] == "parent_deleted"
        assert admin.ask("POST", f"{path}restore/").status == 200
        assert admin.ask("GET", f"/tasks/{kept.pk}/").status == 200
        assert admin.ask("GET", f"/tasks/{gone_before.pk}/").status == 404
        assert admin.ask("POST", f"{path}restore/").body["code"] == "not_deleted"

    def test_writes_are_recorded(self, organization, make_person):
        member = make_person(organization)
        project = member.make("/projects/", organization=str(organization.pk), name="New")
        member.ask("PATCH", f"/projects/{project['id']}/", {"name": "Newer"})

        events = Event.objects.filter(target_id=project["id"]).order_by("id")

        assert [event.action for event in events] == ["project.created", "project.changed"]
        assert {str(event.actor_id) for event in events} == {member.me["id"]}
        assert {event.organization_id for event in events} == {organization.pk}
        assert events[1].changes == {"name": ["New", "Newer"]}


class TestTasks:
    def test_assignee_is_a_member(self, organization, make_organization, make_person, make_task):
        member = make_person(organization)
        own = Membership.objects.get(user=member.me["id"])
        foreign = Membership.objects.get(organization=make_organization())
        path = f"/tasks/{make_task().pk}/"

        assert member.ask("PATCH", path, {"assignee": str(own.pk)}).body["assignee"] == str(own.pk)
        answer = member.ask("PATCH", path, {"assignee": str(foreign.pk)})
        assert (answer.status, answer.errors) == (400, {"assignee": "does_not_exist"})

    def test_somebody_in_two_organizations_cannot_mix_them(
        self, organization, make_organization, make_person, make_project, make_task
    ):
        """What the caller may see is not enough: a reference stays in the organization."""
        member = make_person(organization)
        elsewhere = make_organization()
        other = add_member(elsewhere, Membership.objects.get(user=member.me["id"]).user, "owner", actor=None)
        path = f"/tasks/{make_task().pk}/"

        for field, foreign in (("project", make_project(elsewhere)), ("assignee", other)):
            answer = member.ask("PATCH", path, {field: str(foreign.pk)})
            assert (answer.status, answer.errors) == (400, {field: "does_not_exist"})
        body = {"project": str(make_project().pk), "title": "New", "assignee": str(other.pk)}
        assert member.ask("POST", "/tasks/", body).errors == {"assignee": "does_not_exist"}

    def test_nobody_is_left_with_the_tasks_of_who_leaves(self, organization, make_person, make_task):
        member, admin = make_person(organization), make_person(organization, "admin")
        membership = Membership.objects.get(user=member.me["id"])
        task = make_task(assignee=membership)

        remove_member(membership, actor=None)

        assert admin.ask("GET", f"/tasks/{task.pk}/").body["assignee"] is None

    def test_put_replaces(self, organization, make_person, make_task):
        member = make_person(organization)
        own = Membership.objects.get(user=member.me["id"])
        task = make_task(assignee=own, description="Old", status="doing")
        body = {"project": str(task.project_id), "title": "New"}

        changed = member.ask("PUT", f"/tasks/{task.pk}/", body).body

        assert (changed["title"], changed["description"]) == ("New", "")
        assert (changed["status"], changed["assignee"], changed["due_on"]) == ("todo", None, None)

    @pytest.mark.parametrize(
        ("body", "errors"),
        [
            ({}, {"project": "required"}),
            ({"project": None, "title": "New"}, {"project": "null"}),
            ({"project": "nonsense", "title": "New"}, {"project": "incorrect_type"}),
            ({"title": ""}, {"title": "blank"}),
            ({"title": "New", "status": "lost"}, {"status": "invalid_choice"}),
            ({"title": "New", "due_on": "tomorrow"}, {"due_on": "invalid"}),
            ({"title": "New", "owner": "me"}, {"owner": "unknown"}),
        ],
    )
    def test_bad_input_is_named(self, organization, make_person, make_project, body, errors):
        if "title" in body and "project" not in body:
            body = {**body, "project": str(make_project().pk)}

        answer = make_person(organization).ask("POST", "/tasks/", body)

        assert (answer.status, answer.errors) == (400, errors)

    def test_filters(self, organization, make_person, make_project, make_task):
        member = make_person(organization)
        project = make_project()
        done = make_task(project, status="done")
        own = Membership.objects.get(user=member.me["id"])
        assigned = make_task(project, assignee=own, due_on="2026-01-31")
        make_task()

        assert member.ask("GET", f"/tasks/?project={project.pk}").ids == {str(done.pk), str(assigned.pk)}
        assert member.ask("GET", "/tasks/?status=done").ids == {str(done.pk)}
        assert member.ask("GET", f"/tasks/?assignee={own.pk}").ids == {str(assigned.pk)}
        assert member.ask("GET", "/tasks/?due_before=2026-02-01").ids == {str(assigned.pk)}
        assert member.ask("GET", f"/tasks/?search={done.title}").ids >= {str(done.pk)}
        assert member.ask("GET", "/tasks/?projekt=1").errors == {"projekt": "unknown_parameter"}


class TestCosts:
    @pytest.mark.parametrize("kind", ["projects", "tasks", "organizations"])
    def test_list_costs_the_same_for_any_number_of_rows(
        self, organization, make_organization, make_user, person_of, make_project, make_task, kind
    ):
        """Three statements, the caller's own included, whatever there is to list."""
        user = make_user()
        add_member(organization, user, "admin", actor=None)
        make_task()
        costs = [_cost(person_of(user), f"/{kind}/?page_size=100")]
        for _ in range(50):
            if kind == "organizations":
                add_member(make_organization(), user, "member", actor=None)
            else:
                make_task()
        costs.append(_cost(person_of(user), f"/{kind}/?page_size=100"))

        (few, first), (many, last) = costs
        assert few <= 4
        assert many >= 50
        assert first == last <= 3

    @pytest.mark.parametrize("kind", ["project", "task"])
    def test_one_costs_little(self, organization, make_person, make_task, kind):
        member, task = make_person(organization), make_task()
        key = task.project_id if kind == "project" else task.pk

        with CaptureQueriesContext(connection) as queries:
            assert member.ask("GET", f"/{kind}s/{key}/").status == 200

        assert len(queries) <= 3


class TestKit:
    def test_organizations_have_a_number_of_projects(self, organization, make_person, make_project):
        """The kit's view of organizations is replaced by the project's."""
        owner = make_person(organization, "owner")
        path = f"/organizations/{organization.pk}/"

        assert owner.ask("GET", path).body["project_count"] == 1  # the first one, which all have
        project = make_project()
        assert owner.ask("GET", path).body["project_count"] == 2
        assert owner.ask("GET", "/organizations/").body["results"][0]["project_count"] == 2
        assert owner.ask("PATCH", path, {"name": "Other"}).body["project_count"] == 2
        services.delete_project(project, actor=None)
        assert owner.ask("GET", path).body["project_count"] == 1

    def test_new_organizations_have_a_first_project(self, sign_up):
        """The receiver of the kit's signal runs once the organization is there."""
        (project,) = sign_up().ask("GET", "/projects/").body["results"]

        assert project["name"] == FIRST_PROJECT
        assert project["open_task_count"] == 3


def _cost(person: Any, path: str) -> tuple[int, int]:
    with CaptureQueriesContext(connection) as queries:
        answer = person.ask("GET", path)
    assert answer.status == 200, answer
    return len(answer.body["results"]), len(queries)
