"""Routers whose parts a host can replace by name."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLResolver

from saas_kit.api.routers import Router
from saas_kit.api.views import ApiView, ApiViewSet, ModelViewSet

pytestmark = pytest.mark.hosts("full", "default_user", "custom_organization")


class First(ModelViewSet):
    pass


class Second(ApiViewSet):
    pass


class Plain(ApiView):
    pass


class OtherPlain(ApiView):
    pass


def _router():
    router = Router()
    router.register("things", First, basename="thing")
    router.register("things/<uuid:thing_id>/parts", First, basename="thing-part")
    router.view("me/", Plain, name="me")
    return router


def _classes(router):
    return {
        each.name: getattr(each.callback, "cls", None) or each.callback.view_class for each in router.urls
    }


def test_routes_have_names_and_end_in_a_slash():
    """A collection, an object, and a view."""
    routes = {each.name: str(each.pattern) for each in _router().urls}

    assert routes == {
        "thing-list": "things/",
        "thing-detail": "things/<uuid:pk>/",
        "thing-part-list": "things/<uuid:thing_id>/parts/",
        "thing-part-detail": "things/<uuid:thing_id>/parts/<uuid:pk>/",
        "me": "me/",
    }


def test_one_part_is_replaced_and_the_rest_stays():
    """The host's class is served under the same routes, and the first router is as it was."""
    router = _router()

    class Mine(First):
        pass

    replaced = router.replacing(thing=Mine, me=OtherPlain)

    assert _classes(replaced)["thing-list"] is Mine
    assert _classes(replaced)["me"] is OtherPlain
    assert _classes(replaced)["thing-part-list"] is First
    assert _classes(router)["thing-list"] is First


def test_names_with_dashes_are_written_with_underscores():
    """Keyword arguments have no dashes."""

    class Mine(First):
        pass

    assert _classes(_router().replacing(thing_part=Mine))["thing-part-detail"] is Mine


def test_unknown_name_is_refused_with_the_known_ones():
    """A typing error would otherwise leave the kit's class in place."""
    with pytest.raises(ImproperlyConfigured, match="thing_part"):
        _router().replacing(thingy=First)


def test_of_two_routes_of_one_name_the_first_counts():
    """An app above replaces what an app below serves."""
    above = Router()
    above.view("me/", OtherPlain, name="me")

    merged = Router.merged([above, _router()])

    assert _classes(merged)["me"] is OtherPlain
    assert _classes(merged)["thing-list"] is First


def test_a_replaced_route_stays_where_it_is():
    """A path with a parameter has to come after those that it would also match, whoever serves it."""
    below = Router()
    below.view("things/own/", Plain, name="own")
    below.view("things/<str:name>/", Plain, name="named")
    above = Router()
    above.view("things/<str:name>/", OtherPlain, name="named")

    assert [each.name for each in Router.merged([above, below]).urls] == ["own", "named"]


def test_the_kits_own_routers_have_unique_names():
    """`saas_kit.urls.router` serves every installed app, and each route can be replaced by its name."""
    from saas_kit import urls

    names = [each.name for each in urls.urlpatterns]

    assert len(names) == len(set(names))
    assert {"account-list", "organization-member-detail", "team-list", "permission-list"} <= set(names)
    assert not any(isinstance(each, URLResolver) for each in urls.urlpatterns)
