"""The scope of pages for people who are signed in with a session."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.views import View

from saas_kit.core import context
from saas_kit.tenancy import current_scope, unscoped
from saas_kit.tenancy.exceptions import ScopeRequired

pytestmark = [
    pytest.mark.hosts("full", "default_user", "custom_organization"),
    pytest.mark.django_db,
    pytest.mark.without_scope,
]


def _teams():
    from saas_kit.teams.models import Team

    return Team.objects.order_by("name")


def teams(request):
    """What a host writes: no word of the organization."""
    return JsonResponse({"teams": [each.name for each in _teams()]})


def about(request):
    """What the request knows."""
    found, organization = current_scope(), request.organization
    return JsonResponse(
        {
            "scope": None if found is None else sorted(map(str, found.organization_ids)),
            "organization": None if organization is None else organization.slug,
            "actor": context.actor_id.get(),
        }
    )


def failing(request):
    raise RuntimeError


async def async_teams(request):
    await asyncio.sleep(0)
    return JsonResponse({"teams": [each.name async for each in _teams()]})


def lazy(request):
    """Rendered after the view, when its query set is used for the first time."""
    from django.template import engines

    template = engines["django"].from_string("{% for team in teams %}{{ team.name }}{% endfor %}")
    return TemplateResponse(request, template, {"teams": _teams()})


def stream(request):
    def names():
        for each in _teams():
            yield each.name

    return StreamingHttpResponse(names())


class Plain(View):
    def get(self, request, organization_id):
        return HttpResponse(", ".join(each.name for each in _teams()))


class Urls:
    urlpatterns = [
        path("teams/", teams),
        path("about/", about),
        path("failing/", failing),
        path("async-teams/", async_teams),
        path("lazy/", lazy),
        path("stream/", stream),
        path("organizations/<organization_id>/teams/", Plain.as_view()),
    ]


@pytest.fixture(autouse=True)
def _pages(settings):
    settings.ROOT_URLCONF = Urls
    settings.SAAS_KIT_TENANCY_PATH_ARGUMENT = "organization_id"
    settings.SAAS_KIT_TENANCY_RESOLVERS = [
        "saas_kit.tenancy.resolvers.header",
        "saas_kit.tenancy.resolvers.path",
    ]


@pytest.fixture
def member(make_membership, make_team):
    """A member of an organization that has the team "Ours"."""
    membership = make_membership(role="member")
    make_team("Ours", organization=membership.organization)
    return membership


@pytest.fixture
def other_team(make_team):
    """A team of an organization that the member is not in."""
    return make_team("Canary of B")


def _browser(user, kind=Client):
    browser = kind()
    browser.force_login(user)
    return browser


def _named(organization):
    return {"X-Organization": organization.slug}


def test_page_sees_the_organization_that_is_named(member, other_team):
    """I3: by the header or by the path, and nothing of another."""
    browser = _browser(member.user)

    assert browser.get("/teams/", headers=_named(member.organization)).json() == {"teams": ["Ours"]}
    assert browser.get(f"/organizations/{member.organization_id}/teams/").content == b"Ours"


def test_page_knows_who_asks_and_where(member):
    """``request.organization`` is there for the templates, and the actor for tasks."""
    facts = _browser(member.user).get("/about/", headers=_named(member.organization)).json()

    assert facts == {
        "scope": [str(member.organization_id)],
        "organization": member.organization.slug,
        "actor": str(member.user.pk),
    }


def test_nothing_is_in_scope_where_none_is_named(member):
    """It fails closed: no rows of any organization, not even of the only one that the person is in."""
    browser = _browser(member.user)

    assert browser.get("/about/").json()["scope"] is None
    with pytest.raises(ScopeRequired):
        browser.get("/teams/")


@pytest.mark.parametrize("kind", ["outsider", "former", "deleted", "unknown"])
def test_outsiders_find_nothing(member, other_team, kind):
    """I1: an organization that one is not in is not there; one's own, on the same browser, is."""
    browser, name = _browser(member.user), other_team.organization.slug
    assert browser.get("/teams/", headers=_named(member.organization)).status_code == 200
    if kind == "unknown":
        name = "no-such-organization"
    elif kind == "former":
        name = member.organization.slug
        with unscoped(reason="the test ends the membership"):
            member.delete()
    elif kind == "deleted":
        name = member.organization.slug
        with unscoped(reason="the test deletes it"):
            member.organization.delete()

    response = browser.get("/teams/", headers={"X-Organization": name})

    assert response.status_code == 404
    assert b"Canary" not in response.content


def test_anonymous_requests_have_no_scope(member):
    """Whatever they name."""
    facts = Client().get("/about/", headers=_named(member.organization)).json()

    assert facts == {"scope": None, "organization": None, "actor": None}


def test_deactivated_people_have_no_scope(member):
    """Their session ends, as Django's back ends see to."""
    browser = _browser(member.user)
    member.user.is_active = False
    member.user.save()

    assert browser.get("/about/", headers=_named(member.organization)).json()["scope"] is None


def test_template_is_rendered_in_the_scope(member, other_team):
    """The view has returned when the rows are read."""
    response = _browser(member.user).get("/lazy/", headers=_named(member.organization))

    assert response.content == b"Ours"


def test_stream_has_no_scope(member):
    """A scope does not outlive the request's middleware; the view reads before it streams."""
    response = _browser(member.user).get("/stream/", headers=_named(member.organization))

    with pytest.raises(ScopeRequired):
        b"".join(response.streaming_content)


def test_nothing_is_left_after_a_request(member):
    """I15, M20: also where the view raised, and where no other middleware clears the context."""
    from django.conf import settings
    from django.test import override_settings

    rest = [each for each in settings.MIDDLEWARE if not each.endswith("RequestContextMiddleware")]
    with override_settings(MIDDLEWARE=rest):
        browser = _browser(member.user)
        assert browser.get("/teams/", headers=_named(member.organization)).status_code == 200
        assert (current_scope(), context.actor_id.get(), context.organization_id.get()) == (None, None, None)
        with pytest.raises(RuntimeError):
            browser.get("/failing/", headers=_named(member.organization))
        assert (current_scope(), context.actor_id.get(), context.organization_id.get()) == (None, None, None)


@pytest.mark.parametrize("address", ["/teams/", "/async-teams/", "/lazy/"])
@pytest.mark.django_db(transaction=True)
def test_asynchronous_server(member, other_team, address):
    """The same over ASGI, for sync and async views: the scope reaches them, and the outsider gets 404."""

    async def ask():
        browser = AsyncClient()
        await browser.aforce_login(member.user)
        own = await browser.get(address, headers=_named(member.organization))
        other = await browser.get(address, headers=_named(other_team.organization))
        return own, other, current_scope()

    own, other, left = asyncio.run(ask())

    assert b"Ours" in own.content
    assert b"Canary" not in own.content
    assert (other.status_code, left) == (404, None)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_requests_on_threads_do_not_mix(make_membership, make_team):
    """I15: eight threads answer for two organizations in turns, some raising; each sees its own rows only."""
    members = [make_membership(role="member") for _ in range(2)]
    for number, each in enumerate(members):
        make_team(f"Canary {number}", organization=each.organization)

    def ask(number):
        member = members[number % 2]
        browser = _browser(member.user)
        try:
            # the test client would raise what another thread's request ran into
            browser.raise_request_exception = False
            if number % 5 == 0:
                assert browser.get("/failing/", headers=_named(member.organization)).status_code == 500
            names = browser.get("/teams/", headers=_named(member.organization)).json()["teams"]
            return names == [f"Canary {number % 2}"] and current_scope() is None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(200)))


def test_api_views_set_their_own_scope(member, other_team, settings):
    """What the session's header names does not decide for a view that authenticates by itself."""
    from rest_framework.authentication import SessionAuthentication
    from rest_framework.decorators import api_view, authentication_classes
    from rest_framework.response import Response

    @api_view(["GET"])
    @authentication_classes([SessionAuthentication])
    def view(request):
        return Response({"scope": current_scope() is not None})

    settings.ROOT_URLCONF = type("ApiUrls", (), {"urlpatterns": [path("api/", view)]})

    assert _browser(member.user).get("/api/", headers=_named(member.organization)).json() == {"scope": False}
    assert _browser(member.user).get("/api/", headers=_named(other_team.organization)).status_code == 200
