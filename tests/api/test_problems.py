"""Everything that goes wrong is a problem document, and the order of answers is fixed."""

from __future__ import annotations

import logging

import pytest
from django.test import Client
from rest_framework.authentication import BaseAuthentication
from rest_framework.test import APIRequestFactory

from saas_kit.api.permissions import Access
from saas_kit.api.problems import flatten, problem
from saas_kit.api.views import ApiView
from saas_kit.core.exceptions import NotFound
from tests.api.conftest import fields_of

pytestmark = [pytest.mark.hosts("full"), pytest.mark.django_db, pytest.mark.urls("tests.api.urls")]

UNKNOWN = "01920000-0000-7000-8000-000000000000"


class Refusing(BaseAuthentication):
    """A host's own sign-in, that knows of nobody."""

    def authenticate(self, request):
        raise NotFound


class RefusedView(ApiView):
    authentication_classes = (Refusing,)
    required_permissions = {"get": Access.PUBLIC}

    def get(self, request):
        """Answer nobody."""


class TestUnknownPaths:
    @pytest.mark.parametrize("debug", [False, True])
    @pytest.mark.parametrize(
        "path",
        [
            "nowhere/",
            "",
            "widgets",
            "widgets/x/",
            "widgets/1/",
            "widgets/%00/",
            "widgets//",
            "../v1/nowhere/",
            "%ff/",
        ],
    )
    def test_are_problem_documents(self, caller, settings, path, debug):
        """I119: 404 in the shape of the API for whoever asks, while developing as well."""
        settings.DEBUG = debug

        response = caller().send("GET", path)

        assert response.status_code == 404
        assert response.json()["code"] == "not_found"

    def test_head_has_the_headers(self, caller):
        """A HEAD request gets the same answer without its body."""
        assert caller().send("HEAD", "nowhere/").status_code == 404

    def test_paths_outside_the_prefix_are_the_hosts(self, client):
        """The rest of the site answers as the host has it."""
        response = client.get("/nowhere/")

        assert response.status_code == 404
        assert response["Content-Type"].startswith("text/html")

    def test_prefix_is_a_setting(self, client, settings):
        """A host may mount the API anywhere."""
        settings.SAAS_KIT_API_PATH_PREFIX = "/service/"

        assert client.get("/service/x/")["Content-Type"] == "application/problem+json"
        assert client.get("/api/x/")["Content-Type"].startswith("text/html")


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "status", "code"),
        [
            ("bug", 500, "internal_server_error"),
            ("key", 500, "internal_server_error"),
            ("database", 503, "unavailable"),
            ("missing", 404, "not_found"),
            ("denied", 403, "permission_denied"),
            ("throttled", 429, "throttled"),
            ("invalid", 400, "invalid"),
            ("invalid as a whole", 400, "invalid"),
            ("kit-invalid", 400, "invalid"),
            ("kit-anonymous", 401, "not_authenticated"),
            ("kit-denied", 403, "permission_denied"),
            ("kit-missing", 404, "not_found"),
            ("kit-conflict", 409, "last_owner"),
            ("kit-gone", 410, "gone"),
            ("kit-limited", 429, "rate_limited"),
        ],
    )
    @pytest.mark.parametrize("debug", [False, True])
    def test_have_their_status_and_code(self, caller, settings, fault, status, code, debug):
        """I119: stable codes; what the server alone may know stays there, while developing as well."""
        settings.DEBUG = debug

        response = caller().send("GET", f"faulty/{fault}/")

        assert (response.status_code, response.json()["code"]) == (status, code)
        assert b"what only the server" not in response.content

    def test_of_the_input_name_the_field(self, caller):
        """I119: errors of Django's models and of the kit's services come in one shape."""
        anybody = caller()

        assert fields_of(anybody.get("faulty/invalid/")) == {"colour": "invalid"}
        assert fields_of(anybody.get("faulty/invalid as a whole/")) == {None: "invalid"}
        assert fields_of(anybody.get("faulty/kit-invalid/")) == {"slug": "unique"}

    @pytest.mark.parametrize(("fault", "seconds"), [("throttled", 7), ("kit-limited", 9), ("database", 5)])
    def test_say_when_to_come_back(self, caller, fault, seconds):
        """I119: 429 and 503 carry whole seconds in `Retry-After`."""
        response = caller().get(f"faulty/{fault}/")

        assert seconds <= int(response["Retry-After"]) <= seconds + 1

    @pytest.mark.parametrize("fault", ["bug", "database"])
    def test_are_logged_with_their_traceback(self, caller, caplog, fault):
        """What is not told to the client is in the log."""
        with caplog.at_level(logging.ERROR):
            caller().get(f"faulty/{fault}/")

        assert any(
            record.exc_info and "what only the server" in str(record.exc_info[1]) for record in caplog.records
        )

    def test_are_none_where_signing_in_refuses(self, caplog):
        """A host's own sign-in may raise what services raise; who calls is not known then."""
        response = RefusedView.as_view()(APIRequestFactory().get("/api/v1/refused/"))

        assert response.status_code == 404
        assert "Denied GET /api/v1/refused/: status=404 actor=None" in caplog.text

    @pytest.mark.parametrize("debug", [False, True])
    def test_outside_the_rest_framework_have_the_shape_too(self, caller, settings, debug):
        """I119: an unhandled exception of any view below the prefix."""
        settings.DEBUG = debug

        response = caller().get("plain/")

        assert response.status_code == 500
        assert b"what only the server" not in response.content

    @pytest.mark.parametrize("path", ["plain/", "nowhere/", "faulty/bug/"])
    def test_are_logged_once(self, caller, caplog, path):
        """The document that takes the place of a page is no second failure, and no second mail to the admins."""
        caller().get(path)

        assert len([each for each in caplog.records if each.name == "django.request"]) == 1

    @pytest.mark.parametrize("path", ["plain/", "nowhere/"])
    def test_keep_the_headers_of_the_page(self, settings, path):
        """I119: the headers and cookies of the page that a document takes the place of stay, its body's do not."""
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.api.urls.add_headers"]

        response = Client(raise_request_exception=False).get(
            f"/api/v1/{path}", headers={"Origin": "https://a.example"}
        )

        assert response["Content-Type"] == "application/problem+json"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["X-Frame-Options"] == "DENY"
        assert response["Access-Control-Allow-Origin"] == "https://a.example"
        assert response["Content-Security-Policy"] == "default-src 'none'"
        assert response["Cache-Control"] == "private, no-store"
        assert response.cookies["seen"].value == "yes"
        assert not {"Content-Length", "ETag"} & set(response.headers)

    def test_keep_what_the_page_says_of_caches(self, settings):
        """A host that has its own ``Cache-Control`` for an error keeps it."""
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.api.urls.add_headers"]

        response = Client().get("/api/v1/nowhere/?cache=no-cache")

        assert (response.status_code, response["Cache-Control"]) == (404, "no-cache")

    def test_of_the_host_header_have_the_shape_too(self, caller):
        """I119: a host that is not allowed is refused by Django, in the shape of the API."""
        assert caller().send("GET", "nowhere/", headers={"Host": "evil.example"}).status_code in (400, 404)

    def test_pages_outside_the_prefix_are_the_hosts(self):
        """The middleware leaves them alone."""
        response = Client(raise_request_exception=False).get("/elsewhere/")

        assert response.status_code == 500
        assert response["Content-Type"].startswith("text/html")


class TestRequestId:
    def test_is_echoed_and_in_the_document(self, caller):
        """One id names the request in the answer, the document and the log."""
        response = caller().send("GET", "nowhere/", headers={"X-Request-ID": "my-request-1"})

        assert response["X-Request-ID"] == response.json()["request_id"] == "my-request-1"

    def test_is_made_where_it_is_not_sane(self, caller):
        """Nothing strange is echoed."""
        response = caller().send("GET", "nowhere/", headers={"X-Request-ID": "<script>"})

        assert response["X-Request-ID"] == response.json()["request_id"] != "<script>"


class TestOrderOfAnswers:
    """405, 401, 404, 403 and then the body's 400."""

    @pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "PUT", "PATCH", "DELETE", "CONNECT", "BREW"])
    @pytest.mark.parametrize("who", ["nobody", "owner"])
    def test_method_that_the_path_has_not(self, api, caller, who, method):
        """I36: 405 with `Allow`, to whoever asks; I37: OPTIONS describes nothing."""
        asking = api if who == "owner" else caller()

        response = asking.send(method, "widgets/")

        assert response.status_code == 405
        assert {"GET", "POST"} <= {each.strip() for each in response["Allow"].split(",")}
        assert response.json()["code"] == "method_not_allowed"

    @pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "POST"])
    def test_method_that_the_object_has_not(self, api, caller, make_widget, method):
        """I36: also below an object, known or not."""
        for key in (make_widget().pk, UNKNOWN):
            assert caller().send(method, f"widgets/{key}/").status_code == 405
            assert api.send(method, f"widgets/{key}/").status_code == 405

    def test_method_cannot_be_overridden(self, api, make_widget):
        """I36: a header or a field that names another method is not heard."""
        widget = make_widget()
        response = api.send(
            "POST",
            f"widgets/{widget.pk}/",
            {"_method": "DELETE"},
            headers={"X-HTTP-Method-Override": "DELETE"},
        )

        assert response.status_code == 405
        assert api.get(f"widgets/{widget.pk}/").status_code == 200

    def test_nobody_is_told_so_first(self, caller, make_widget):
        """I25: 401 with a challenge, before anything about the object or the body."""
        anybody = caller()
        for key in (make_widget().pk, UNKNOWN):
            assert anybody.get(f"widgets/{key}/").status_code == 401
            assert anybody.send("PATCH", f"widgets/{key}/", raw=b"{").status_code == 401
        assert anybody.send("POST", "widgets/", {}).status_code == 401
        assert anybody.get("widgets/", ordering="x").status_code == 401

    def test_what_is_not_visible_is_not_there(self, api, caller, make_membership, make_widget):
        """I1: to a stranger an object is as unknown as one that does not exist, whatever the method and body."""
        stranger, widget = caller(make_membership(role="owner").user), make_widget()
        for method, body in (("GET", None), ("PUT", {"x": 1}), ("PATCH", None), ("DELETE", None)):
            answers = []
            for key in (widget.pk, UNKNOWN):
                answer = stranger.send(method, f"widgets/{key}/", body)
                assert answer.status_code == 404
                answers.append({**answer.json(), "request_id": None})
            assert answers[0] == answers[1]
        assert api.get(f"widgets/{widget.pk}/").status_code == 200

    def test_what_is_visible_and_not_allowed(self, caller, make_membership, make_widget, owner):
        """I24: 403 comes before the body is looked at, and who may is told of the body."""
        viewer = caller(make_membership(owner.organization, role="viewer").user)
        member = caller(make_membership(owner.organization, role="member").user)
        path = f"widgets/{make_widget().pk}/"

        for body in (b'{"name": "x"}', b'{"nonsense": 1}'):
            assert viewer.send("PATCH", path, raw=body).status_code == 403
        assert member.send("PATCH", path, raw=b'{"nonsense": 1}').status_code == 400
        assert member.send("PATCH", path, raw=b'{"name": "x"}').status_code == 200
        assert member.send("DELETE", path).status_code == 403


class TestUndeclared:
    """What declares no permission is refused, whoever asks (I39)."""

    def test_method_of_a_view(self, api, caller):
        """The view answers POST, for which something is declared, and refuses PUT."""
        assert api.send("POST", "faulty/x/", {"a": 1}).json() == {"data": {"a": 1}}
        assert caller().send("POST", "faulty/x/", {}).status_code == 401

        assert api.send("PUT", "faulty/x/", {}).status_code == 403
        assert caller().send("PUT", "faulty/x/", {}).status_code == 401

    def test_action_of_a_viewset(self, api, make_widget, caplog):
        """The viewset reads and creates, and refuses to change and to restore, also to the owner."""
        path = f"forgetful/{make_widget().pk}/"
        assert api.get(path).status_code == 200
        assert api.send("POST", "forgetful/", {"name": "x"}).status_code == 201

        with caplog.at_level(logging.ERROR, logger="saas_kit.security"):
            for method, where in (("PUT", path), ("PATCH", path), ("POST", f"{path}restore/")):
                assert api.send(method, where, {"name": "y"}).status_code == 403
        assert "ForgetfulViewSet declares no permission for 'partial_update'" in caplog.text


class TestDenialsAreLogged:
    def test_each_refusal_by_policy_is_one_line(self, caller, make_membership, make_widget, owner, caplog):
        """I38: who was refused what, where, in which request; what is allowed is not logged."""
        viewer = make_membership(owner.organization, role="viewer").user
        session, widget = caller(viewer), make_widget()
        headers = {"X-Request-ID": "refused-1"}

        with caplog.at_level(logging.WARNING, logger="saas_kit.security"):
            session.get(f"widgets/{widget.pk}/")
            assert not caplog.records
            session.send("DELETE", f"widgets/{widget.pk}/", headers=headers)

        [line] = [each.getMessage() for each in caplog.records if each.name == "saas_kit.security"]
        for part in ("DELETE", str(widget.pk), "403", str(viewer.pk), "widgets.delete_widget", "refused-1"):
            assert part in line


class TestNegotiation:
    @pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*", "text/*, image/png;q=0.5"])
    def test_only_json_can_be_had(self, api, accept):
        """406 where something else is wanted."""
        assert api.send("GET", "widgets/", headers={"Accept": accept}).status_code == 406

    @pytest.mark.parametrize("accept", ["application/json", "*/*", "application/*", "text/html, */*;q=0.1"])
    def test_whoever_takes_json_gets_it(self, api, accept):
        """200, as JSON."""
        response = api.send("GET", "widgets/", headers={"Accept": accept})

        assert response.status_code == 200
        assert response["Content-Type"] == "application/json"

    def test_format_parameter_is_not_heard(self, api):
        """`?format=` is a parameter that no list knows."""
        assert fields_of(api.get("widgets/", format="api")) == {"format": "unknown_parameter"}

    def test_answers_are_nobody_elses_to_keep(self, api, caller):
        """I115: no cache on the way may keep what one person was answered, errors neither."""
        for response in (api.get("widgets/"), api.get(f"widgets/{UNKNOWN}/"), caller().get("widgets/")):
            assert response["Cache-Control"] == "private, no-store"


def test_flattened_errors_have_dotted_paths():
    """Nested serializers and lists lead to the value that is at fault."""
    errors = {
        "name": ["a", "b"],
        "items": [{}, {"size": ["c"]}],
        "owner": {"email": ["d"], "non_field_errors": ["e"]},
        "non_field_errors": ["f"],
    }

    assert [(each["field"], each["detail"]) for each in flatten(errors)] == [
        ("name", "a"),
        ("name", "b"),
        ("items.1.size", "c"),
        ("owner.email", "d"),
        ("owner", "e"),
        (None, "f"),
    ]


def test_title_is_the_phrase_of_the_status():
    """`about:blank` means that the status says it all (RFC 9457, section 4.2.1)."""
    assert problem(404, code="x", detail="y")["title"] == "Not Found"
    assert problem(404, code="x", detail="y")["type"] == "about:blank"
