"""
What is planted in the seeded host leaks, and its clean twin answers the same requests without.

Each attempt is made by the owner of A, who sees their own rows by it, so that a refusal never passes for a leak's
absence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache

from tests.api_fixtures.clients import ApiClient
from tests.hosts.seeded.seeds import SEEDS

pytestmark = [pytest.mark.hosts("seeded"), pytest.mark.django_db]

LEAKY, CLEAN = "tests.hosts.seeded.urls", "tests.hosts.seeded.urls_clean"


@dataclass
class Customer:
    """An organization with a folder, two documents in it and a comment on the first, and its owner's client."""

    client: ApiClient
    organization: Any
    folder: Any
    documents: list[Any]
    comment: Any


@dataclass
class Library:
    """Customers A and B; ``rare`` is the label of A's first document, ``common`` that of all others."""

    a: Customer
    b: Customer
    rare: Any
    common: Any
    seen: list[str] = field(default_factory=list)

    def is_told(
        self, method: str, path: str, body: Any = None, *, own: str, other: str, **query: str
    ) -> bool:
        """Let A's owner ask; tell whether the answer has ``other`` in it, beside ``own`` that it must have."""
        response = self.a.client.request(method, path, body, query=query)
        assert response.status_code == 200, response.content
        text = _text_of(response)
        assert own in text
        return other in text


@pytest.fixture
def library(make_user: Callable[..., Any], make_organization: Callable[..., Any]) -> Iterator[Library]:
    """Two customers who share their labels and nothing else; the rows of B are the latest."""
    from saas_kit.auth.services import open_session
    from tests.hosts.seeded.library.models import Comment, Document, Folder, Label

    rare, common = Label.objects.create(name="rare"), Label.objects.create(name="common")

    def customer(name: str, first_label: Any, size: int) -> Customer:
        owner = make_user()
        organization = make_organization(name, owner=owner)
        folder = Folder.objects.create(organization=organization, name=f"{name} folder")
        documents = [
            Document.objects.create(
                organization=organization, folder=folder, label=label, title=f"{name} {title}", size=size
            )
            for label, title in ((first_label, "alpha"), (common, "beta"))
        ]
        comment = Comment.objects.create(
            organization=organization, document=documents[0], text=f"{name} says so"
        )
        return Customer(ApiClient(open_session(owner).access), organization, folder, documents, comment)

    cache.clear()
    yield Library(customer("Acme", rare, 5), customer("Borg", common, 9), rare, common)
    cache.clear()


def _text_of(response: Any) -> str:
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return bytes(content).decode()


def _missing_scope(library: Library) -> bool:
    told = library.is_told("GET", "folders/", own="Acme folder", other="Borg folder")
    library.is_told("GET", f"folders/{library.a.folder.pk}/", own="Acme folder", other="Borg")
    response = library.a.client.get(f"folders/{library.b.folder.pk}/")
    assert (response.status_code == 200) is told
    return told


def _unscoped_manager(library: Library) -> bool:
    return library.is_told("GET", "search/", own="Acme alpha", other="Borg alpha", q="alpha")


def _body_id(library: Library) -> bool:
    def create(folder: Any) -> int:
        body = {"title": "new", "folder": str(folder), "label": str(library.rare.pk)}
        return int(library.a.client.post("documents/", body).status_code)

    def move(folder: Any) -> int:
        path = f"documents/{library.a.documents[0].pk}/"
        return int(library.a.client.patch(path, {"folder": str(folder)}).status_code)

    assert create(library.a.folder.pk) == 201
    assert move(library.a.folder.pk) == 200
    assert create(uuid4()) == move(uuid4()) == 400
    moved = move(library.b.folder.pk) == 200
    library.a.documents[0].refresh_from_db()
    assert (library.a.documents[0].folder_id == library.b.folder.pk) is moved
    assert (create(library.b.folder.pk) == 201) is moved
    return moved


def _filter_by_key(library: Library) -> bool:
    def answer_to(key: Any) -> int:
        return int(library.a.client.get("catalogue/", folder=str(key)).status_code)

    assert answer_to(library.a.folder.pk) == 200
    assert answer_to(uuid4()) == 400
    return answer_to(library.b.folder.pk) == 200


def _filter_through_label(library: Library) -> bool:
    assert library.is_told("GET", "labelled/", own="Acme beta", other="alpha", beside="Acme b") is False
    right = library.a.client.get("labelled/", beside="Borg a").json()
    wrong = library.a.client.get("labelled/", beside="Borg x").json()
    assert wrong == []
    return bool(right != wrong)


def _place_in_ranking(library: Library) -> bool:
    rows = library.a.client.get("ranking/").json()
    assert [row["title"] for row in rows] == ["Acme beta", "Acme alpha"]
    return [row["place"] for row in rows] != [1, 2]


def _order_by_popularity(library: Library) -> bool:
    from tests.hosts.seeded.library.models import Document

    def order() -> list[str]:
        rows = library.a.client.get("popular/", ordering="popularity,title").json()
        assert {row["title"] for row in rows} == {"Acme alpha", "Acme beta"}
        return [row["title"] for row in rows]

    before = order()
    Document.objects.filter(organization=library.b.organization).update(label=library.rare)
    Document.objects.create(
        organization=library.b.organization, folder=library.b.folder, label=library.rare, title="Borg gamma"
    )
    return order() != before


def _get_object_override(library: Library) -> bool:
    own, other = f"comments/{library.a.comment.pk}/", f"comments/{library.b.comment.pk}/"
    assert not library.is_told("GET", "comments/", own="Acme says so", other="Borg says so")
    body = {"text": "Acme was here"}
    assert library.a.client.get(own).status_code == 200
    assert library.a.client.patch(own, body).status_code == 200

    read = library.a.client.get(other)
    changed = library.a.client.patch(other, body).status_code == 200
    library.b.comment.refresh_from_db()
    assert (library.b.comment.text == body["text"]) is changed
    deleted = library.a.client.delete(other).status_code == 204
    assert type(library.b.comment).objects.filter(pk=library.b.comment.pk).exists() is not deleted
    assert library.a.client.delete(own).status_code == 204
    assert changed is deleted is (read.status_code == 200)
    return changed


def _nested_route_mismatch(library: Library) -> bool:
    path = f"folders/{library.a.folder.pk}/documents/"
    assert library.a.client.get(f"folders/{library.b.folder.pk}/documents/").status_code == 404
    assert not library.is_told("GET", path, own="Acme alpha", other="Borg")
    own, other = library.a.documents[0], library.b.documents[0]
    assert library.a.client.patch(f"{path}{own.pk}/", {"title": "Acme one"}).status_code == 200
    read = library.a.client.get(f"{path}{other.pk}/").status_code == 200
    changed = library.a.client.patch(f"{path}{other.pk}/", {"title": "Acme was here"}).status_code == 200
    other.refresh_from_db()
    assert (other.title == "Acme was here") is changed is read
    return changed


def _bulk_delete(library: Library) -> bool:
    own, other = library.a.documents[0], library.b.documents[0]
    response = library.a.client.post("documents/bulk-delete/", {"ids": [str(own.pk), str(other.pk)]})
    left = type(own).objects.filter(pk__in=[own.pk, other.pk])
    assert response.json() == {"deleted": 2 - len(left)}
    assert own not in left
    return other not in left


def _export(library: Library) -> bool:
    return library.is_told("GET", "documents/export/", own="Acme alpha", other="Borg alpha")


def _cached_response(library: Library) -> bool:
    assert "Borg alpha" in library.b.client.get("dashboard/").json()["latest_titles"]
    titles = library.a.client.get("dashboard/").json()["latest_titles"]
    assert titles == library.a.client.get("dashboard/").json()["latest_titles"]
    assert any(title.startswith("Acme") for title in titles) is not any("Borg" in title for title in titles)
    return "Borg alpha" in titles


def _serializer_method(library: Library) -> bool:
    path = f"folder-summaries/{library.a.folder.pk}/"
    told = library.is_told("GET", path, own="Acme folder", other="Borg beta")
    (row,) = library.a.client.get("folder-summaries/").json()["results"]
    assert row["latest_title"] == ("Borg beta" if told else "Acme beta")
    return told


def _count(library: Library) -> bool:
    page = library.a.client.get("comment-feed/").json()
    assert [row["text"] for row in page["results"]] == ["Acme says so"]
    return bool(page["count"] != 1)


ATTEMPTS: dict[str, tuple[Callable[[Library], bool], ...]] = {
    "missing scope": (_missing_scope,),
    "unscoped manager": (_unscoped_manager,),
    "body id": (_body_id,),
    "filter across": (_filter_by_key, _filter_through_label),
    "ordering across": (_place_in_ranking, _order_by_popularity),
    "get_object override": (_get_object_override,),
    "nested route mismatch": (_nested_route_mismatch,),
    "bulk delete": (_bulk_delete,),
    "export": (_export,),
    "cached response": (_cached_response,),
    "serializer method": (_serializer_method,),
    "count leak": (_count,),
}


@pytest.fixture(
    params=[
        pytest.param(each, id=f"{name}:{each.__name__}") for name, all_ in ATTEMPTS.items() for each in all_
    ]
)
def attempt(request: pytest.FixtureRequest) -> Callable[[Library], bool]:
    """One way to get at what is B's; it tells whether that worked."""
    return request.param  # type: ignore[no-any-return]


def test_the_planted_leak_is_there(
    attempt: Callable[[Library], bool], library: Library, settings: Any
) -> None:
    settings.ROOT_URLCONF = LEAKY

    assert attempt(library)


def test_the_clean_twin_does_the_same_without(
    attempt: Callable[[Library], bool], library: Library, settings: Any
) -> None:
    settings.ROOT_URLCONF = CLEAN

    assert not attempt(library)


def test_every_seed_is_attempted() -> None:
    assert list(ATTEMPTS) == list(SEEDS)
    assert len(SEEDS) == 12


@pytest.mark.parametrize("urlconf", [LEAKY, CLEAN])
def test_strangers_and_nobody_get_nothing(
    urlconf: str, library: Library, settings: Any, make_user: Callable[..., Any]
) -> None:
    """What is planted is a hole between members, not an open door."""
    settings.ROOT_URLCONF = urlconf
    anonymous = ApiClient()

    for path in ("search/", "folders/", "documents/", "comments/", "documents/export/", "dashboard/"):
        assert anonymous.get(path).status_code == 401, path
    assert anonymous.post("documents/bulk-delete/", {"ids": [str(uuid4())]}).status_code == 401


def test_one_leaky_route_is_in_the_url_configuration_only() -> None:
    from drf_spectacular.generators import SchemaGenerator

    schema = SchemaGenerator(urlconf=LEAKY).get_schema(request=None, public=True)  # type: ignore[no-untyped-call]

    assert "/api/v1/folders/" in schema["paths"]
    assert not {"/api/v1/search/", "/api/v1/dashboard/"}.intersection(schema["paths"])
