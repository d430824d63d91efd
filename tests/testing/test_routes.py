"""The prover finds the routes of the host, whoever knows of them."""

from __future__ import annotations

import pytest
from django.urls import get_resolver

from saas_kit.tenancy.models import get_organization_model
from saas_kit.testing.isolation.routes import discover
from saas_kit.testing.isolation.shapes import body_shape, query_shapes

pytestmark = pytest.mark.hosts("full")


@pytest.fixture(autouse=True)
def _host_is_loaded():
    """Load the host's own routes first, as a process that serves them does."""
    assert get_resolver().url_patterns


@pytest.fixture
def labels():
    return [each.label for each in discover("tests.testing.careless", "/shapes/")]


class TestDiscover:
    def test_regular_expressions_and_converters(self, labels):
        assert "GET /shapes/{year}/status/" in labels
        assert "DELETE /shapes/{number}/{word}/" in labels

    def test_class_has_the_methods_that_it_defines(self, labels):
        assert "POST /shapes/{year}/status/" not in labels

    def test_function_may_have_any_method(self, labels):
        """Unless a decorator says which."""
        certain = {
            each.label: each.certain
            for prefix in ("/shapes/function/", "/broken/refuse/")
            for each in discover("tests.testing.careless", prefix)
        }

        assert certain["DELETE /shapes/function/"] is False
        assert certain["POST /broken/refuse/"] is True
        assert "GET /broken/refuse/" not in certain

    def test_format_suffixes_are_no_routes_of_their_own(self, labels):
        assert "GET /shapes/stock/{id}/" in labels
        assert not [label for label in labels if "format" in label]

    def test_prefix(self):
        assert [each.label for each in discover("tests.testing.careless", "/elsewhere/")] == [
            "GET /elsewhere/",
            "DELETE /elsewhere/",
        ]

    def test_document_and_url_configuration_are_one_list(self):
        """A route of both is one; one that the document leaves out is there all the same."""
        routes = {each.label: each for each in discover(None, "/api/v1/")}

        assert routes["GET /api/v1/teams/{id}/"].operation["operationId"] == "team_retrieve"
        assert routes["GET /api/v1/teams/{id}/"].converters == {"id": "uuid"}
        assert not routes["POST /api/v1/widgets/"].operation
        assert routes["POST /api/v1/widgets/"].action == "create"


class TestShapes:
    def test_body_of_what_the_document_leaves_out(self):
        """The serializer says it."""
        (route,) = [each for each in discover(None, "/api/v1/widgets/") if each.action == "create"]
        shape = body_shape(route, {})

        assert shape is not None
        assert set(shape["properties"]) == {"organization", "name", "size"}
        assert shape["required"] == ["name"]
        assert shape["properties"]["organization"]["x-model"]._meta.model_name == "organization"

    def test_query(self):
        """The filters of the view are query parameters, with what they compare with."""
        (route,) = [each for each in discover(None, "/api/v1/widgets/") if each.action == "list"]
        shapes = query_shapes(route, {})

        assert set(shapes) == {"organization", "size"}
        assert shapes["organization"]["x-model"] is get_organization_model()
