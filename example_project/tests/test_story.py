"""Somebody signs up and works; somebody of another organization sees nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from projects.receivers import FIRST_PROJECT, FIRST_TASKS

READ, WRITE = ("GET",), ("PUT", "PATCH", "DELETE")


def test_in_process(sign_up):
    tell_story(sign_up)


def test_on_a_server(sign_up_on_server):
    tell_story(sign_up_on_server)


def tell_story(sign_up: Callable[..., Any]) -> None:
    suffix = uuid4().hex[:8]
    ada = sign_up("Ada Lovelace", organization_name=f"Acme {suffix}")
    (account,) = ada.me["accounts"]
    assert account["role"] == "owner"

    organization = ada.make("/organizations/", name=f"Acme Lisbon {suffix}")
    assert organization["role"] == "owner"
    first = ada.ask("GET", f"/projects/?organization={organization['id']}")
    assert [project["name"] for project in first.body["results"]] == [FIRST_PROJECT]
    assert first.body["results"][0]["open_task_count"] == len(FIRST_TASKS)

    team = ada.make("/teams/", organization=organization["id"], name="Engineering")
    member = ada.make(f"/teams/{team['id']}/members/", user=ada.me["id"], role="lead")
    (membership,) = ada.ask("GET", f"/organizations/{organization['id']}/members/").body["results"]
    project = ada.make("/projects/", organization=organization["id"], name="Website")
    task = ada.make("/tasks/", project=project["id"], title="Draw", assignee=membership["id"])
    assert task["organization"] == organization["id"]
    assert task["assignee"] == membership["id"]
    assert ada.ask("GET", f"/organizations/{organization['id']}/").body["project_count"] == 2

    eve = sign_up("Eve Stranger", organization_name=f"Globex {suffix}")
    theirs = {
        "organization": organization["id"],
        "account": account["id"],
        "team": team["id"],
        "project": project["id"],
        "task": task["id"],
        "membership": membership["id"],
        "user": ada.me["id"],
    }
    nested = [f"/teams/{team['id']}/members/", f"/organizations/{organization['id']}/members/"]
    objects = [
        f"/organizations/{organization['id']}/",
        f"/accounts/{account['id']}/",
        f"/teams/{team['id']}/",
        f"/projects/{project['id']}/",
        f"/tasks/{task['id']}/",
        f"/users/{ada.me['id']}/",
        f"{nested[0]}{member['id']}/",
        f"{nested[1]}{membership['id']}/",
    ]
    see_nothing(ada, eve, objects, nested)
    find_nothing(ada, eve, theirs)
    refer_to_nothing(ada, eve, theirs, suffix)


def see_nothing(ada: Any, eve: Any, objects: list[str], nested: list[str]) -> None:
    """Whatever is asked of what is another organization's, it is not there."""
    for path in [*objects, *nested]:
        assert ada.ask("GET", path).status == 200, path
        assert eve.ask("GET", path).status == 404, path
    for path in objects:
        for method in WRITE:
            answer = eve.ask(method, path, None if method == "DELETE" else {})
            # memberships cannot be replaced by anybody
            allowed = {404, 405} if method == "PUT" and "members" in path else {404}
            assert answer.status in allowed, (method, path, answer)
    for path in nested:
        body = {"user": eve.me["id"], "role": "member"}
        assert eve.ask("POST", path, body).status == 404, path
    for path in objects[:5]:
        assert eve.ask("POST", f"{path}restore/").status == 404, path
    organization, account = objects[:2]
    assert eve.ask("POST", f"{organization}leave/").status == 404
    assert eve.ask("POST", f"{account}transfer/", {"user": eve.me["id"]}).status == 404
    for path in objects:
        assert ada.ask("GET", path).status == 200, path


def find_nothing(ada: Any, eve: Any, theirs: dict[str, str]) -> None:
    """Lists, filters and searches do not find what is another organization's."""
    for kind in ("organizations", "accounts", "teams", "projects", "tasks", "users"):
        hers = ada.ask("GET", f"/{kind}/?page_size=100")
        assert hers.ids & set(theirs.values()), kind
        assert not eve.ask("GET", f"/{kind}/?page_size=100").ids & hers.ids, kind
    for kind in ("teams", "projects", "tasks", "users"):
        narrowed = f"/{kind}/?organization={theirs['organization']}"
        assert ada.ask("GET", narrowed).ids, kind
        assert eve.ask("GET", narrowed).body["results"] == [], kind
    assert eve.ask("GET", "/tasks/?search=Draw").body["results"] == []
    for kind in ("teams", "auth/me", "accounts"):
        header = {"X_Organization": theirs["organization"]}
        assert ada.ask("GET", f"/{kind}/", **header).status == 200, kind
        assert eve.ask("GET", f"/{kind}/", **header).status == 404, kind


def refer_to_nothing(ada: Any, eve: Any, theirs: dict[str, str], suffix: str) -> None:
    """The id of something of another organization is answered as one that nobody has."""
    (own,) = eve.ask("GET", "/organizations/").body["results"]
    project = eve.make("/projects/", organization=own["id"], name="Own")
    task = eve.make("/tasks/", project=project["id"], title="Own")
    team = eve.make("/teams/", organization=own["id"], name="Own")
    references = [
        ("POST", "/organizations/", "account", {"name": f"Other {suffix}"}),
        ("POST", "/teams/", "organization", {"name": "Other"}),
        ("POST", "/projects/", "organization", {"name": "Other"}),
        ("POST", "/users/", "organization", {"email": f"other-{suffix}@example.com", "role": "member"}),
        ("POST", "/tasks/", "project", {"title": "Other"}),
        ("PATCH", f"/tasks/{task['id']}/", "project", {}),
        ("PATCH", f"/tasks/{task['id']}/", "assignee", {}),
        ("POST", "/tasks/", "assignee", {"project": project["id"], "title": "Other"}),
        ("POST", f"/organizations/{own['id']}/members/", "user", {"role": "member"}),
        ("POST", f"/teams/{team['id']}/members/", "user", {"role": "member"}),
    ]
    for method, path, name, body in references:
        foreign = theirs["membership" if name == "assignee" else name]
        random = str(uuid4())
        answers = [eve.ask(method, path, {**body, name: value}) for value in (foreign, random)]
        for answer in answers:
            assert answer.status == 400, (method, path, name, answer)
            assert answer.errors == {name: "does_not_exist"}, (method, path, name, answer)
        texts = [answer.body["errors"][0]["detail"] for answer in answers]
        assert texts[0].replace(foreign, "") == texts[1].replace(random, ""), (method, path, name, texts)
    # and the twin that works
    assert eve.ask("PATCH", f"/tasks/{task['id']}/", {"project": project["id"]}).status == 200
    assert ada.ask("PATCH", f"/tasks/{theirs['task']}/", {"project": theirs["project"]}).status == 200
