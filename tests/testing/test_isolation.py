"""The prover on routes that are careful, careless, and out of its reach."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.core.cache import cache

from saas_kit.tenancy.models import Account
from saas_kit.testing.isolation import IsolationProof, assert_api_isolated, prove

pytestmark = [pytest.mark.hosts("full"), pytest.mark.django_db]

PROOF = IsolationProof(urlconf="tests.testing.careless", prefix="/careful/")


class TestClean:
    def test_careful_routes_are_exercised_and_clean(self):
        """A list, a detail, a creation, a deletion and a restoration of what was deleted first."""
        report = assert_api_isolated(PROOF)

        assert report.unexercised == []
        assert {"POST /careful/widgets/", "POST /careful/widgets/{pk}/restore/"} <= set(report.routes)
        assert report.cells["GET /careful/widgets/{pk}/"]["path"] == "ok"

    def test_nothing_is_left_behind(self):
        """The rows of the prover are gone, and the host's cache is as it was."""
        cache.set("kept", 1)

        prove(replace(PROOF, prefix="/careful/status/"))

        assert Account.objects.count() == 0
        assert cache.get("kept") == 1


class TestLeak:
    def test_a_leak_fails_with_its_request(self):
        """The message has the table, and what to type."""
        with pytest.raises(AssertionError) as caught:
            assert_api_isolated(PROOF, prefix="/careless/")

        message = str(caught.value)
        assert "GET /careless/leak/" in message
        assert "LEAK" in message
        assert "curl -i -X GET http://localhost:8000/careless/leak/" in message
        assert "Bearer $TOKEN_OF_A_OWNER" in message

    def test_the_evidence_names_what_is_anothers(self):
        report = prove(replace(PROOF, prefix="/careless/"))

        leak = next(each for each in report.leaks if each.probe == "twin")
        assert leak.caller == "owner of A"
        assert "widget-name" in leak.evidence
        assert {each.probe for each in report.leaks} >= {"twin", "stranger", "anonymous"}


class TestUnexercised:
    @pytest.fixture
    def report(self):
        return prove(replace(PROOF, prefix="/broken/"))

    def test_a_failure_is_no_pass(self, report):
        """A view that fails for everybody hides nothing."""
        (crash,) = [each for each in report.unexercised if each.route == "GET /broken/crash/"]

        assert "500 RuntimeError: out of order" in crash.why
        assert report.cells["GET /broken/crash/"]["twin"] == "unexercised"
        assert not report.is_clean

    def test_a_refusal_is_no_pass(self, report):
        """A view that refuses its own organization's owner proves nothing about others."""
        (refuse,) = [each for each in report.unexercised if each.route == "POST /broken/refuse/"]

        assert "403" in refuse.why

    def test_a_reason_excuses(self):
        """What is named is listed with its reason, and does not fail the run."""
        reasons = {"GET /broken/crash/": "it is being repaired", "POST /broken/refuse/": "nobody may"}

        report = assert_api_isolated(PROOF, prefix="/broken/", unexercised=reasons)

        assert {each.route: each.reason for each in report.unexercised} == reasons

    def test_a_reason_for_one_does_not_excuse_another(self):
        reasons = {"GET /broken/crash/": "it is being repaired"}

        with pytest.raises(AssertionError, match="POST /broken/refuse/"):
            assert_api_isolated(PROOF, prefix="/broken/", unexercised=reasons)


class TestWhatTheHostSays:
    def test_a_body_that_nobody_can_guess(self):
        """Without it the route is not exercised, with it it is."""
        without = prove(replace(PROOF, prefix="/closed/"))
        bodies = {"POST /closed/guess/": lambda side: {"password": "open sesame"}}

        assert [each.route for each in without.unexercised] == ["POST /closed/guess/"]
        assert_api_isolated(PROOF, prefix="/closed/", bodies=bodies)

    def test_a_factory_takes_the_place_of_the_inferred_one(self):
        """It gets the organization, and rows for the foreign keys by their names."""
        from tests.hosts.full.widgets.models import Widget

        made = []

        def make_widget(organization, **related):
            made.append(organization)
            return Widget.objects.create(organization=organization, name=f"made by hand {len(made)}")

        assert_api_isolated(PROOF, factories={"widgets.Widget": make_widget})

        assert len(set(made)) == 2

    def test_a_model_of_which_no_row_can_be_made_fails_the_run(self):
        def fail(organization, **related):
            raise RuntimeError("no widgets today")

        report = prove(replace(PROOF, prefix="/careful/status/", factories={"widgets.Widget": fail}))

        (widget,) = [each for each in report.unexercised if each.route == "widgets.Widget"]
        assert "no widgets today" in widget.why
        assert not report.is_clean

    def test_what_has_to_be_done_first(self):
        """It is done for both organizations."""
        prepared = []
        prepare = {"GET /careful/status/": lambda side: prepared.append(side.name)}

        assert_api_isolated(PROOF, prefix="/careful/status/", prepare=prepare)

        assert set(prepared) == {"a", "b"}


class TestFixture:
    def test_it_is_the_assertion(self, prove_isolation):
        """`prove_isolation` of the pytest plugin takes a proof or its fields."""
        report = prove_isolation(urlconf="tests.testing.careless", prefix="/careful/status/")

        assert report.is_clean
        with pytest.raises(AssertionError, match="LEAK"):
            prove_isolation(IsolationProof(urlconf="tests.testing.careless", prefix="/careless/"))
