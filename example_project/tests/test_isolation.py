"""Nobody reaches from one organization what is another's, on any route."""

from __future__ import annotations

from drf_spectacular.generators import SchemaGenerator

from saas_kit.testing.isolation import assert_api_isolated


def test_every_route_is_isolated(db):
    """The kit's routes and the project's own, each exercised; nothing needs to be excused."""
    report = assert_api_isolated()

    assert report.unexercised == []
    document = SchemaGenerator().get_schema(request=None, public=True)
    documented = {
        f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods
    }
    assert documented <= set(report.routes)
