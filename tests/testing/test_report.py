"""What the prover says, and the requests that it names."""

from __future__ import annotations

import shlex

from saas_kit.testing.isolation.calls import Call
from saas_kit.testing.isolation.report import Leak, Report


class TestCurl:
    def test_everything_of_a_request(self):
        call = Call(
            "POST",
            "/api/v1/notes/{id}/",
            {"id": "a b"},
            query=(("folder", "1&2"),),
            headers={"X-Organization": "acme"},
            body={"title": "It's"},
        )

        words = shlex.split(call.curl("TOKEN"))

        assert words[:4] == ["curl", "-i", "-X", "POST"]
        assert words[4] == "http://localhost:8000/api/v1/notes/a%20b/?folder=1%262"
        assert words[5:9] == ["-H", "Authorization: Bearer $TOKEN", "-H", "X-Organization: acme"]
        assert words[-2:] == ["-d", '{"title": "It\'s"}']

    def test_nobody_has_no_token(self):
        assert "Authorization" not in Call("GET", "/api/v1/notes/").curl(None)


class TestReport:
    def test_table(self):
        report = Report()
        report.note("GET /api/v1/notes/", "twin", "ok")
        report.note("GET /api/v1/notes/", "path", "ok")
        report.add(Leak("GET /api/v1/notes/", "query", "owner of A", "the answer has", "curl"))
        report.note("GET /api/v1/notes/", "query", "ok")
        report.skip("POST /api/v1/notes/", "twin", "400", {})

        _head, first, second = report.table().splitlines()

        assert first.split() == ["GET", "/api/v1/notes/", "ok", "ok", "LEAK", *"------"]
        assert second.split() == ["POST", "/api/v1/notes/", "?", *"--------"]

    def test_clean(self):
        report = Report()
        report.note("GET /", "twin", "ok")

        assert report.is_clean

    def test_parameters_count_by_their_place(self):
        """A reason may call them as the URL configuration does."""
        report = Report()

        report.skip("POST /notes/{id}/", "twin", "400", {"POST /notes/{pk}/": "it takes a file"})

        assert report.is_clean
        assert report.unexercised[0].reason == "it takes a file"

    def test_same_leak_is_told_once(self):
        report = Report()
        for number in range(2):
            report.add(Leak("GET /", "path", "owner of A", "the answer 200 has: it", f"curl {number}"))

        assert [leak.curl for leak in report.leaks] == ["curl 0"]
