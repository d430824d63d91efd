"""What a request names as its organization, and what that is checked against."""

from __future__ import annotations

from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import DisallowedHost, ImproperlyConfigured
from django.test import RequestFactory
from django.urls import ResolverMatch

from saas_kit.core.exceptions import NotFound
from saas_kit.tenancy import resolver_checks
from saas_kit.tenancy.resolvers import resolve_organization
from saas_kit.tenancy.services import remove_member

pytestmark = pytest.mark.django_db

HEADER = "saas_kit.tenancy.resolvers.header"
SUBDOMAIN = "saas_kit.tenancy.resolvers.subdomain"
PATH = "saas_kit.tenancy.resolvers.path"
CLAIM = "saas_kit.tenancy.resolvers.claim"
COOKIE = "tests.tenancy.sample_resolvers.from_cookie"


@pytest.fixture
def acme(make_organization):
    return make_organization("Acme", slug="acme")


@pytest.fixture
def member(acme, make_membership):
    return make_membership(acme).user


@pytest.fixture
def outsider(make_organization):
    """Somebody who owns an organization, but is not in Acme."""
    return make_organization("Rival", slug="rival").memberships.get(role="owner").user


@pytest.fixture(autouse=True)
def _hosts(settings):
    settings.ALLOWED_HOSTS = [".example.com", ".example.org", "testserver", "[::1]"]
    settings.SAAS_KIT_TENANCY_BASE_DOMAIN = "example.com"


def _request(host="testserver", *, argument=None, auth=None, **headers):
    request = RequestFactory().get("/", headers={"Host": host, **headers})
    request.resolver_match = ResolverMatch(
        lambda: None, (), {} if argument is None else {"organization_slug": argument}
    )
    request.auth = auth
    return request


REQUESTS = {
    HEADER: lambda name: _request(**{"X-Organization": str(name)}),
    SUBDOMAIN: lambda name: _request(f"{name}.example.com"),
    PATH: lambda name: _request(argument=name),
    CLAIM: lambda name: _request(auth={"org": name}),
    COOKIE: lambda name: _request(Cookie=f"workspace={name}"),
}


class TestEachResolver:
    @pytest.mark.parametrize("resolver", REQUESTS)
    def test_i10_finds_an_organization_of_the_callers_by_slug_or_id(self, settings, resolver, acme, member):
        settings.SAAS_KIT_TENANCY_RESOLVERS = [resolver]

        for name in ("acme", "ACME", acme.pk, str(acme.pk), acme.pk.hex):
            assert resolve_organization(REQUESTS[resolver](name), member) == acme

    @pytest.mark.parametrize("resolver", REQUESTS)
    def test_i10_t5_does_not_find_it_for_an_outsider(self, settings, resolver, acme, member, outsider):
        """What an outsider gets for it is what anybody gets for one that is not there."""
        settings.SAAS_KIT_TENANCY_RESOLVERS = [resolver]

        for user, name in (
            *((outsider, name) for name in ("acme", acme.pk)),
            *((member, name) for name in ("nowhere", uuid4(), "rival")),
        ):
            with pytest.raises(NotFound):
                resolve_organization(REQUESTS[resolver](name), user)
        assert resolve_organization(REQUESTS[resolver]("rival"), outsider).slug == "rival"

    @pytest.mark.parametrize("resolver", REQUESTS)
    def test_does_not_find_what_is_deleted_or_was_left(self, settings, resolver, acme, member):
        settings.SAAS_KIT_TENANCY_RESOLVERS = [resolver]
        assert resolve_organization(REQUESTS[resolver]("acme"), member) == acme

        remove_member(acme.memberships.get(user=member), actor=None)
        with pytest.raises(NotFound):
            resolve_organization(REQUESTS[resolver]("acme"), type(member).objects.get(pk=member.pk))

        owner = acme.memberships.get(role="owner").user
        assert resolve_organization(REQUESTS[resolver]("acme"), owner) == acme
        acme.delete()
        with pytest.raises(NotFound):
            resolve_organization(REQUESTS[resolver]("acme"), owner)

    @pytest.mark.parametrize("resolver", REQUESTS)
    def test_names_none_where_the_request_does_not(self, settings, resolver, member):
        settings.SAAS_KIT_TENANCY_RESOLVERS = [resolver]

        assert resolve_organization(_request(), member) is None

    @pytest.mark.parametrize("resolver", REQUESTS)
    def test_nobody_has_none(self, settings, resolver, acme):
        settings.SAAS_KIT_TENANCY_RESOLVERS = [resolver]

        assert resolve_organization(REQUESTS[resolver]("acme"), AnonymousUser()) is None

    @pytest.mark.parametrize("resolver", REQUESTS)
    def test_is_not_heard_where_it_is_not_listed(self, settings, resolver, acme, member):
        """I10: only what the host listed names an organization; by default that is the header."""
        request = REQUESTS[resolver]("acme")
        if resolver != HEADER:
            assert resolve_organization(request, member) is None

        settings.SAAS_KIT_TENANCY_RESOLVERS = []
        assert resolve_organization(request, member) is None

        settings.SAAS_KIT_TENANCY_RESOLVERS = [resolver]
        assert resolve_organization(request, member) == acme

    @pytest.mark.parametrize("resolver", REQUESTS)
    def test_takes_one_statement(self, settings, resolver, acme, member, django_assert_num_queries):
        settings.SAAS_KIT_TENANCY_RESOLVERS = list(REQUESTS)
        request = REQUESTS[resolver]("acme")
        resolve_organization(request, member)  # reads the roles, which a request does anyway

        with django_assert_num_queries(1):
            assert resolve_organization(request, member).account.pk == acme.account_id
        with django_assert_num_queries(0):
            assert resolve_organization(_request(), member) is None


class TestSubdomain:
    @pytest.fixture(autouse=True)
    def _resolver(self, settings):
        settings.SAAS_KIT_TENANCY_RESOLVERS = [SUBDOMAIN]

    @pytest.mark.parametrize(
        "host",
        [
            "acme.example.com",
            "ACME.Example.COM",
            "acme.example.com:8000",
            "acme.example.com.",
            "Acme.example.com.:443",
        ],
    )
    def test_whatever_the_case_and_the_port(self, host, acme, member):
        assert resolve_organization(_request(host), member) == acme

    def test_whatever_the_case_of_the_setting(self, settings, acme, member):
        settings.SAAS_KIT_TENANCY_BASE_DOMAIN = "Example.COM"

        assert resolve_organization(_request("acme.example.com"), member) == acme

    @pytest.mark.parametrize(
        "host",
        [
            *("example.com", "EXAMPLE.com:443", "www.example.com", "WWW.example.com:8000"),
            *("acme.example.org", "testserver", "[::1]:8000"),
        ],
    )
    def test_hosts_that_name_none(self, host, acme, member):
        """The base domain, what is reserved, and what is outside."""
        assert resolve_organization(_request(host), member) is None

    @pytest.mark.parametrize(
        "host",
        [
            *("acme.www.example.com", "www.acme.example.com", "acme.acme.example.com", "acme..example.com"),
            *(".example.com", "acme-.example.com", "-.example.com"),
        ],
    )
    def test_what_is_no_slug_is_not_found(self, host, acme, member):
        with pytest.raises(NotFound):
            resolve_organization(_request(host), member)

    def test_reserved_ones_can_be_set(self, settings, acme, member):
        with pytest.raises(NotFound):
            resolve_organization(_request("api.example.com"), member)

        settings.SAAS_KIT_TENANCY_RESERVED_SUBDOMAINS = ["api", "app"]

        assert resolve_organization(_request("api.example.com"), member) is None

    def test_a_domain_that_only_ends_alike_is_outside(self, settings, acme, member):
        settings.ALLOWED_HOSTS = ["*"]

        assert resolve_organization(_request("acme.badexample.com"), member) is None
        assert resolve_organization(_request("acme.example.com.evil.net"), member) is None

    def test_t5_only_the_host_header_counts(self, settings, acme, member, make_membership):
        other = make_membership(user=member).organization
        forwarded = {
            "X-Forwarded-Host": f"{other.slug}.example.com",
            "X-Host": f"{other.slug}.example.com",
            "Forwarded": f"host={other.slug}.example.com",
            "X-Original-URL": f"https://{other.slug}.example.com/",
        }

        assert resolve_organization(_request("acme.example.com", **forwarded), member) == acme
        assert resolve_organization(_request("example.com", **forwarded), member) is None

        settings.USE_X_FORWARDED_HOST = True  # the host says that its proxy sets it
        assert resolve_organization(_request("example.com", **forwarded), member) == other

    def test_a_host_that_is_not_allowed_is_refused_as_ever(self, settings, acme, member):
        settings.ALLOWED_HOSTS = ["acme.example.com"]

        assert resolve_organization(_request("acme.example.com"), member) == acme
        with pytest.raises(DisallowedHost):
            resolve_organization(_request("rival.example.com"), member)

    def test_without_a_base_domain_no_request_is_answered(self, settings, acme, member):
        settings.SAAS_KIT_TENANCY_BASE_DOMAIN = ""

        with pytest.raises(ImproperlyConfigured):
            resolve_organization(_request("acme.example.com"), member)


class TestPath:
    @pytest.fixture(autouse=True)
    def _resolver(self, settings):
        settings.SAAS_KIT_TENANCY_RESOLVERS = [PATH]
        settings.ROOT_URLCONF = "tests.tenancy.api.urls"

    def test_the_argument_can_be_named(self, settings, acme, member):
        settings.SAAS_KIT_TENANCY_PATH_ARGUMENT = "workspace"
        request = _request(argument="rival")
        assert resolve_organization(request, member) is None

        request.resolver_match.kwargs["workspace"] = "acme"
        assert resolve_organization(request, member) == acme

    def test_is_known_before_the_url_is_resolved(self, acme, member, outsider):
        """A middleware that asks early gets what the view would."""
        request = RequestFactory().get("/o/acme/api/v1/teams/")
        assert request.resolver_match is None

        assert resolve_organization(request, member) == acme
        with pytest.raises(NotFound):
            resolve_organization(request, outsider)
        assert resolve_organization(RequestFactory().get("/nowhere/"), member) is None


class TestClaim:
    @pytest.fixture(autouse=True)
    def _resolver(self, settings):
        settings.SAAS_KIT_TENANCY_RESOLVERS = [CLAIM]

    def test_the_claim_can_be_named(self, settings, acme, member):
        settings.SAAS_KIT_TENANCY_CLAIM = "tenant"

        assert resolve_organization(_request(auth={"org": "rival"}), member) is None
        assert resolve_organization(_request(auth={"tenant": "acme"}), member) == acme

    def test_of_a_token_object(self, acme, member):
        token = SimpleNamespace(payload={"org": "acme"})  # as those of simplejwt

        assert resolve_organization(_request(auth=token), member) == acme

    @pytest.mark.parametrize(
        "auth", [None, "a token", object(), {}, {"org": None}, SimpleNamespace(payload="x")]
    )
    def test_of_something_without_claims(self, auth, member):
        assert resolve_organization(_request(auth=auth), member) is None


class TestAgreement:
    @pytest.fixture(autouse=True)
    def _resolver(self, settings):
        settings.SAAS_KIT_TENANCY_RESOLVERS = [HEADER, SUBDOMAIN, PATH]

    def test_all_may_name_the_same(self, acme, member, django_assert_num_queries):
        request = _request("ACME.example.com", argument=acme.pk, **{"X-Organization": "acme"})
        resolve_organization(request, member)

        with django_assert_num_queries(1):
            assert resolve_organization(request, member) == acme

    def test_two_of_the_callers_own_are_not_found(self, acme, member, make_membership):
        """Each is within reach alone; together they are 404, in whatever order they are asked."""
        other = make_membership(user=member).organization
        own = {"acme": acme, other.slug: other}
        for first, second in (("acme", other.slug), (other.slug, "acme")):
            assert resolve_organization(_request(argument=first), member) == own[first]
            for request in (
                _request(f"{first}.example.com", argument=second),
                _request(f"{first}.example.com", **{"X-Organization": second}),
                _request(argument=own[first].pk, **{"X-Organization": str(own[second].pk)}),
                _request(argument=own[first].pk, **{"X-Organization": second}),
            ):
                with pytest.raises(NotFound):
                    resolve_organization(request, member)

    @pytest.mark.parametrize("value", ["", "nowhere", "\x00", "a b", "x" * 5000])
    def test_what_is_malformed_agrees_with_nothing(self, value, acme, member):
        for request in (
            _request("acme.example.com", **{"X-Organization": value}),
            _request(argument=value, **{"X-Organization": "acme"}),
            _request(argument=value),
        ):
            with pytest.raises(NotFound):
                resolve_organization(request, member)


class TestStaff:
    def test_platform_staff_may_name_any_where_the_host_says_so(self, settings, acme, make_user):
        staff = make_user(superuser=True)
        request = _request(**{"X-Organization": "acme"})
        with pytest.raises(NotFound):
            resolve_organization(request, staff)

        settings.SAAS_KIT_TENANCY_STAFF_ACCESS = True

        assert resolve_organization(request, type(staff).objects.get(pk=staff.pk)) == acme
        with pytest.raises(NotFound):
            resolve_organization(_request(**{"X-Organization": "nowhere"}), staff)


class TestOwnResolver:
    def test_that_returns_something_else_fails_loudly(self, settings, acme, member):
        """It never counts as naming none, which would show more."""
        settings.SAAS_KIT_TENANCY_RESOLVERS = ["tests.tenancy.sample_resolvers.number"]

        with pytest.raises(TypeError, match="number"):
            resolve_organization(_request(), member)

    @pytest.mark.parametrize("value", ["\x00", "\ud800", "\x7f", "%", "_cme", "x" * 5000])
    def test_that_returns_what_no_database_takes_finds_nothing(self, settings, value, acme, member):
        settings.SAAS_KIT_TENANCY_RESOLVERS = [CLAIM]

        with pytest.raises(NotFound):
            resolve_organization(_request(auth={"org": value}), member)

    def test_that_is_not_there_fails_loudly(self, settings, acme, member):
        settings.SAAS_KIT_TENANCY_RESOLVERS = ["tests.tenancy.sample_resolvers.nowhere"]

        with pytest.raises(ImportError):
            resolve_organization(_request(), member)


RESOLVERS = "SAAS_KIT_TENANCY_RESOLVERS"
DOMAIN = "SAAS_KIT_TENANCY_BASE_DOMAIN"
MISTAKES = {
    "resolver is in no module": ("saas_kit_tenancy.E020", {RESOLVERS: ["nowhere.resolver"]}),
    "resolver is not in its module": ("saas_kit_tenancy.E020", {RESOLVERS: (HEADER, f"{HEADER}s")}),
    "resolver is no path": ("saas_kit_tenancy.E020", {RESOLVERS: ["header"]}),
    "resolver is a text": (
        "saas_kit_tenancy.E020",
        {RESOLVERS: ["tests.tenancy.sample_resolvers.NOT_A_RESOLVER"]},
    ),
    "resolver is a function": ("saas_kit_tenancy.E020", {RESOLVERS: [resolve_organization]}),
    "subdomains are below nothing": ("saas_kit_tenancy.E021", {RESOLVERS: [SUBDOMAIN], DOMAIN: ""}),
    "base domain has a dot": ("saas_kit_tenancy.E022", {DOMAIN: ".example.com"}),
    "base domain has a port": ("saas_kit_tenancy.E022", {DOMAIN: "example.com:8000"}),
    "base domain is a URL": ("saas_kit_tenancy.E022", {DOMAIN: "https://example.com"}),
}


def _reported():
    return [message for check in resolver_checks.ALL for message in check()]


@pytest.mark.parametrize(("check_id", "values"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_reported(settings, check_id, values):
    """Each mistake has its id, and a hint that can be followed."""
    for name, value in values.items():
        setattr(settings, name, value)

    (message,) = _reported()

    assert message.id == check_id
    assert message.hint


@pytest.mark.parametrize("domain", ["", "example.com", "Example.com", "localhost", "a.b-c.example.co.uk"])
def test_host_is_without_fault(settings, domain):
    settings.SAAS_KIT_TENANCY_BASE_DOMAIN = domain
    settings.SAAS_KIT_TENANCY_RESOLVERS = [HEADER, PATH, CLAIM, COOKIE, *([SUBDOMAIN] if domain else [])]

    assert _reported() == []
