"""Nobody reaches from one organization what is another's, on any route."""

from __future__ import annotations

from drf_spectacular.generators import SchemaGenerator

from saas_kit.testing.isolation import assert_api_isolated


def test_every_route_is_isolated(db):
    """The kit's routes and the project's own; only what takes a device, a provider or a mailbox is excused."""
    report = assert_api_isolated()

    excused = {each.route for each in report.unexercised}
    assert all("/auth/" in route or "/invitations/" in route or "/join/" in route for route in excused)
    assert len(excused) == 13, excused
    document = SchemaGenerator().get_schema(request=None, public=True)
    documented = {
        f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods
    }
    assert documented <= set(report.routes)
