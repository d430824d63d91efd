"""Domains of e-mail addresses: claims, their proof in DNS, and joining by an address."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from threading import Thread
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from saas_kit.core import context
from saas_kit.core.exceptions import InvalidInput, NotFound, RateLimited, SaasKitError
from saas_kit.email.models import OutboxMessage
from saas_kit.tenancy import domain_proofs, services, signals
from saas_kit.tenancy.domain_proofs import record_name, record_value
from saas_kit.tenancy.exceptions import (
    AlreadyMember,
    DnsUnavailable,
    DomainClaimed,
    DomainTaken,
    DomainUnproved,
    EmailUnverified,
    MfaEnrollmentRequired,
    NoSeatsLeft,
    OwnerByDomain,
    PublicMailDomain,
    RoleTooHigh,
    TooManyDomains,
    UnknownRole,
)
from saas_kit.tenancy.models import (
    EmailDomain,
    Enrollment,
    Membership,
    RemovedMember,
    Status,
    get_organization_model,
)
from saas_kit.tenancy.scoping import scope, unscoped
from saas_kit.tenancy.services import domains
from saas_kit.tenancy.tasks import check_domains

pytestmark = pytest.mark.django_db

START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def _record(domain: EmailDomain) -> dict[str, str]:
    return {"name": record_name(domain.domain), "value": record_value(domain.proof)}


@contextmanager
def patch_look_up(*, after: Callable[[], Any]) -> Iterator[None]:
    """Let something happen once DNS has answered, and before anybody acts on it; what that looks up is not told."""
    look_up = domains.is_published

    def told(*asked: str) -> bool:
        answer = look_up(*asked)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(domains, "is_published", look_up)
            after()
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(domains, "is_published", told)
        yield


def two_seats(organization: Any) -> int:
    """Let an organization have two members."""
    return 2


class TestClaim:
    @pytest.mark.parametrize(
        ("written", "stored"),
        [
            ("acme.example", "acme.example"),
            ("  ACME.Example ", "acme.example"),
            ("acme.example.", "acme.example"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("\uff41cme\uff0eexample", "acme.example"),  # as wide as Chinese characters
            ("a.b.acme.co.uk", "a.b.acme.co.uk"),
        ],
    )
    def test_every_spelling_is_one_domain(self, written, stored, make_organization):
        """I45: a domain is stored as it is in the normalized addresses there."""
        domain = services.claim_domain(make_organization(), domain=written, actor=None)

        assert domain.domain == stored

    @pytest.mark.parametrize(
        "written",
        [
            *("", ".", "acme", "localhost", "https://acme.example", "ada@acme.example", "acme .example"),
            *(
                "-acme.example",
                "acme..example",
                "192.0.2.1",
                "[2001:db8::1]",
                "*.acme.example",
                "acme.example/",
            ),
            *(
                "_dmarc.acme.example",
                "acme.example\x00",
                "acme\n.example",
                "acme.example:53",
                "a" * 64 + ".example",
            ),
            ".".join(["a" * 56] * 4) + ".example",
        ],
    )
    def test_what_is_no_domain(self, written, make_organization):
        """What DNS does not have, or has under the name of the proof only, is refused on the field."""
        with pytest.raises(InvalidInput) as caught:
            services.claim_domain(make_organization(), domain=written, actor=None)

        assert caught.value.field == "domain"

    def test_the_longest(self, make_organization):
        """A domain can be as long as leaves room for the name of its proof in DNS."""
        longest = ".".join(["a" * 56] * 4)[:225] + ".example"

        domain = services.claim_domain(make_organization(), domain=longest, actor=None)

        assert len(domain.domain) == 233
        assert len(record_name(domain.domain)) == 253

    @pytest.mark.parametrize("written", ["gmail.com", "GMail.com.", "web.de", "mail.host.example"])
    def test_public_mail_domain(self, written, make_organization, settings):
        """Nobody claims a domain in which anybody can have an address, by the kit's list or the host's."""
        settings.SAAS_KIT_TENANCY_PUBLIC_MAIL_DOMAINS = ("Mail.Host.Example",)

        with pytest.raises(PublicMailDomain) as caught:
            services.claim_domain(make_organization(), domain=written, actor=None)
        assert services.claim_domain(make_organization(), domain=f"not-{written}", actor=None)

        assert caught.value.field == "domain"

    def test_once_in_an_organization_and_in_any_number_of_them(self, make_organization, make_domain):
        """A claim that is not proved blocks nobody; the same one again is a mistake."""
        domain = make_domain(verified=False)

        with pytest.raises(DomainClaimed):
            services.claim_domain(domain.organization, domain="ACME.example", actor=None)
        other = services.claim_domain(make_organization(), domain="acme.example", actor=None)

        assert other.proof != domain.proof

    def test_beside_a_proved_one(self, make_organization, make_domain):
        """T18: whether another organization has a domain cannot be told by claiming it."""
        make_domain()

        assert not services.claim_domain(make_organization(), domain="acme.example", actor=None).is_verified

    def test_how_many(self, make_membership, make_organization):
        """People claim twenty for one organization, and another is refused until one is deleted; the system goes on."""
        owner = make_membership(role="owner")
        organization, actor = owner.organization, owner.user
        for number in range(services.MAX_DOMAINS):
            last = services.claim_domain(organization, domain=f"d{number}.example", actor=actor)

        with pytest.raises(TooManyDomains):
            services.claim_domain(organization, domain="more.example", actor=actor)
        with pytest.raises(DomainClaimed):
            services.claim_domain(organization, domain="d0.example", actor=actor)
        assert services.claim_domain(make_organization(), domain="d0.example", actor=None)
        assert services.claim_domain(organization, domain="system.example", actor=None)
        for each in (last, EmailDomain.objects.get(domain="system.example")):
            services.delete_domain(each, actor=actor)
        assert services.claim_domain(organization, domain="more.example", actor=actor)

    def test_what_it_is_recorded_as(self, make_membership, events, catch_signal, on_commit):
        """The claim begins off, for members, and is in the audit log without what proves it."""
        owner = make_membership(role="owner")

        with catch_signal(signals.domain_claimed) as sent, on_commit():
            domain = services.claim_domain(owner.organization, domain="acme.example", actor=owner.user)

        assert (domain.enrollment, domain.role, domain.verified_at) == (Enrollment.OFF, "member", None)
        [event] = events("email_domain.claimed")
        assert event.organization_id == owner.organization_id
        assert event.actor == owner.user
        assert event.changes["domain"] == [None, "acme.example"]
        assert domain.proof not in str(event.changes)
        assert sent[0]["domain"] == domain


class TestRole:
    @pytest.mark.parametrize("role", ["member", "admin"])
    def test_up_to_ones_own(self, role, make_membership, fresh):
        """I48: an admin lets people join as what an admin could make them."""
        admin = make_membership(role="admin")

        domain = services.claim_domain(admin.organization, domain="acme.example", role=role, actor=admin.user)

        assert fresh(domain).role == role

    def test_none_above_ones_own(self, make_membership, make_domain, settings):
        """I48: nobody lets people join above themselves, neither by the role nor by turning it on."""
        settings.SAAS_KIT_TENANCY_ROLES = "tests.tenancy.sample_roles.WITH_BILLING"
        clerk = make_membership(role="clerk")
        domain = make_domain(organization=clerk.organization, role="admin")

        with pytest.raises(RoleTooHigh):
            services.claim_domain(clerk.organization, domain="b.example", role="admin", actor=clerk.user)
        with pytest.raises(RoleTooHigh):
            services.change_domain(domain, enrollment="automatic", actor=clerk.user)
        with pytest.raises(RoleTooHigh):
            services.change_domain(domain, role="admin", enrollment="suggest", actor=clerk.user)

        changed = services.change_domain(domain, role="clerk", enrollment="suggest", actor=clerk.user)
        assert (changed.role, changed.enrollment) == ("clerk", "suggest")

    def test_turning_off_needs_no_role(self, make_membership, make_domain, settings):
        """Whoever may change the organization may stop what somebody above them allowed."""
        settings.SAAS_KIT_TENANCY_ROLES = "tests.tenancy.sample_roles.WITH_BILLING"
        clerk = make_membership(role="clerk")
        domain = make_domain(organization=clerk.organization, role="admin", enrollment="automatic")

        assert services.change_domain(domain, enrollment="off", actor=clerk.user).enrollment == "off"

    @pytest.mark.parametrize(("role", "error"), [("owner", OwnerByDomain), ("nobody", UnknownRole)])
    def test_neither_owner_nor_unknown(self, role, error, make_membership, make_domain):
        """Nobody becomes an owner by their address, whoever wants it."""
        owner = make_membership(role="owner")
        domain = make_domain(organization=owner.organization)

        for act in (
            partial(
                services.claim_domain, owner.organization, domain="b.example", role=role, actor=owner.user
            ),
            partial(services.change_domain, domain, role=role, actor=owner.user),
            partial(services.change_domain, domain, role=role, actor=None),
        ):
            with pytest.raises(error) as caught:
                act()
            assert caught.value.field == "role"


class TestChange:
    def test_what_changed_is_recorded_and_told(
        self, make_membership, make_domain, events, catch_signal, on_commit
    ):
        """Each change has one event and one signal, and what is the same again has none."""
        owner = make_membership(role="owner")
        domain = make_domain(organization=owner.organization)

        with catch_signal(signals.domain_changed) as sent, on_commit():
            services.change_domain(domain, enrollment="suggest", actor=owner.user)
            services.change_domain(domain, enrollment="suggest", role="member", actor=owner.user)

        assert [each["changes"] for each in sent] == [{"enrollment": ["off", "suggest"]}]
        [event] = events("email_domain.changed")
        assert event.changes == {"enrollment": ["off", "suggest"]}

    def test_deleting(self, make_domain, events, catch_signal, on_commit):
        """What was deleted is gone, once, and can be claimed again with another proof."""
        domain = make_domain()

        with catch_signal(signals.domain_deleted) as sent, on_commit():
            services.delete_domain(domain, actor=None)
        with pytest.raises(NotFound):
            services.delete_domain(domain, actor=None)
        with pytest.raises(NotFound):
            services.change_domain(domain, enrollment="suggest", actor=None)

        assert sent[0]["domain"].pk == domain.pk
        assert [each.target_label for each in events("email_domain.deleted")] == ["acme.example"]
        again = services.claim_domain(domain.organization, domain="acme.example", actor=None)
        assert again.proof != domain.proof
        assert not again.is_verified


class TestProof:
    def test_right(self, make_domain, make_user, name_server, events, catch_signal, on_commit, fresh):
        """The record that the organization was told to publish proves the domain."""
        domain, actor = make_domain(verified=False), make_user()
        name_server.publish(_record(domain))

        with catch_signal(signals.domain_verified) as sent, on_commit():
            services.verify_domain(domain, actor=actor)

        assert fresh(domain).is_verified
        assert name_server.asked == ["_saas-kit-challenge.acme.example"]
        [event] = events("email_domain.verified")
        assert event.actor == actor
        assert sent[0]["domain"] == domain

    @pytest.mark.parametrize(
        "text",
        [
            "{value}x",
            "x{value}",
            "{proof}",
            "saas-kit-verification=",
            "saas-kit-verification={other}",
            "{upper}",
            " {value}",
        ],
    )
    def test_wrong(self, text, make_domain, name_server, fresh):
        """Nothing but the whole text proves it; neither does what proves it for another organization."""
        domain, other = make_domain(verified=False), make_domain(verified=False)
        value = _record(domain)["value"]
        written = text.format(value=value, proof=domain.proof, other=other.proof, upper=value.upper())
        name_server.texts[_record(domain)["name"]] = [f'"{written}"']

        with pytest.raises(DomainUnproved):
            services.verify_domain(domain, actor=None)

        assert not fresh(domain).is_verified

    def test_elsewhere(self, make_domain, name_server):
        """The record has to be at its own name: at the domain itself anybody's texts are."""
        domain = make_domain(verified=False)
        for name in ("acme.example", "_saas-kit-challenge.www.acme.example", "_saas-kit-challenge.example"):
            name_server.publish({**_record(domain), "name": name})

        with pytest.raises(DomainUnproved):
            services.verify_domain(domain, actor=None)

    def test_none(self, make_domain, name_server):
        """A name that is not there, and one without a text, prove nothing."""
        domain, other = make_domain(verified=False), make_domain("b.example", verified=False)
        name_server.texts[_record(other)["name"]] = []

        for each in (domain, other):
            with pytest.raises(DomainUnproved):
                services.verify_domain(each, actor=None)

    def test_failing(self, make_domain, name_server, caplog):
        """A name server that fails does not say that the record is not there."""
        domain = make_domain(verified=False)
        name_server.failing.add(_record(domain)["name"])

        with pytest.raises(DnsUnavailable):
            services.verify_domain(domain, actor=None)

        assert "do not tell" in caplog.text
        assert domain.proof not in caplog.text

    def test_silent(self, make_domain, name_server, monkeypatch):
        """A name server that does not answer is waited for so long, and not longer."""
        assert (domain_proofs.SERVER_PATIENCE, domain_proofs.PATIENCE) == (2, 5)
        monkeypatch.setattr(domain_proofs, "SERVER_PATIENCE", 0.2)
        monkeypatch.setattr(domain_proofs, "PATIENCE", 0.5)
        domain = make_domain(verified=False)
        name_server.silent.add(_record(domain)["name"])

        began = time.monotonic()
        with pytest.raises(DnsUnavailable):
            services.verify_domain(domain, actor=None)

        assert 0.4 < time.monotonic() - began < 2

    def test_alias(self, make_domain, name_server):
        """Whoever runs the domain may let others publish the record."""
        domain = make_domain(verified=False)
        name, value = _record(domain).values()
        name_server.aliases[name] = "acme.proofs.example"
        name_server.texts["acme.proofs.example"] = [f'"{value}"']

        assert services.verify_domain(domain, actor=None).is_verified

    @pytest.mark.parametrize(
        "texts",
        [
            ['"v=spf1 -all"', '"{value}"', '"another=1"'],
            ['"saas-kit-verification=" "{proof}"'],
            ['"{value}"', *(f'"{number} {"x" * 200}"' for number in range(5))],
        ],
        ids=["several", "in parts", "over TCP"],
    )
    def test_among_others(self, texts, make_domain, name_server):
        """The record may have others beside it, come in parts, and in an answer that needs TCP."""
        domain = make_domain(verified=False)
        name, value = _record(domain).values()
        name_server.texts[name] = [each.format(value=value, proof=domain.proof) for each in texts]

        assert services.verify_domain(domain, actor=None).is_verified

    def test_again(self, make_domain, name_server, events):
        """What is proved is not looked up again."""
        domain = make_domain()

        assert services.verify_domain(domain, actor=None).is_verified

        assert name_server.asked == []
        assert events("email_domain.verified") == []

    def test_too_often(self, make_domain, make_organization, name_server, settings):
        """One organization has DNS asked so often for all of its domains; another is not held by that."""
        settings.SAAS_KIT_TENANCY_RATE_LIMITS = {"domain_proofs": "2/h"}
        domain = make_domain(verified=False)
        other = make_domain("b.example", organization=domain.organization, verified=False)
        for each in (domain, other):
            with pytest.raises(DomainUnproved):
                services.verify_domain(each, actor=None)

        with pytest.raises(RateLimited):
            services.verify_domain(domain, actor=None)
        with pytest.raises(DomainUnproved):
            services.verify_domain(make_domain(verified=False), actor=None)

        assert len(name_server.asked) == 3

    def test_without_dnspython(self, make_domain, monkeypatch, caplog):
        """Where nothing can ask DNS nothing is proved, and the log says why."""
        monkeypatch.setitem(sys.modules, "dns", None)

        with pytest.raises(DnsUnavailable):
            services.verify_domain(make_domain(verified=False), actor=None)

        assert "dnspython" in caplog.text

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ("192.0.2.53", ("192.0.2.53", 53)),
            ("192.0.2.53:5353", ("192.0.2.53", 5353)),
            ("2001:db8::53", ("2001:db8::53", 53)),
            ("[2001:db8::53]", ("2001:db8::53", 53)),
            ("[2001:db8::53]:5353", ("2001:db8::53", 5353)),
        ],
    )
    def test_name_servers(self, text, place):
        """A name server is an address, with or without a port."""
        assert domain_proofs.parse_nameserver(text) == place


class TestOneOrganizationHasIt:
    def test_the_first_to_prove_it(self, make_domain, name_server, fresh):
        """A domain belongs to one organization; the second learns that only once it has proved it too."""
        first, second = make_domain(verified=False), make_domain(verified=False)
        name_server.publish(_record(first))
        services.verify_domain(first, actor=None)

        with pytest.raises(DomainUnproved):
            services.verify_domain(second, actor=None)
        name_server.publish(_record(first), _record(second)["value"])
        with pytest.raises(DomainTaken):
            services.verify_domain(second, actor=None)

        assert fresh(first).is_verified
        assert not fresh(second).is_verified

    def test_whoever_runs_the_domain_says_whose_it_is(
        self, make_domain, name_server, events, catch_signal, on_commit, fresh
    ):
        """Where the record of the one that has it is gone, the one that proves it has it from then on."""
        first, second = make_domain(), make_domain(verified=False)
        name_server.publish(_record(second))

        with catch_signal(signals.domain_lost) as sent, on_commit():
            services.verify_domain(second, actor=None)

        assert fresh(second).is_verified
        assert not fresh(first).is_verified
        assert [(each["domain"], each["actor"]) for each in sent] == [(first, None)]
        [lost] = events("email_domain.lost")
        assert lost.organization_id == first.organization_id

    def test_the_one_that_loses_it_is_not_told_who_proved_it(
        self, make_domain, make_user, name_server, events
    ):
        """Its audit log has neither the person nor the address nor the request of another organization's."""
        make_domain()
        second = make_domain(verified=False)
        name_server.publish(_record(second))

        with context.fresh_context(request="theirs", ip="192.0.2.7"), scope(second.organization_id):
            services.verify_domain(second, actor=make_user())

        [lost] = events("email_domain.lost")
        assert (lost.actor_id, lost.ip_address, lost.request_id) == (None, None, "")

    def test_proved_again_while_another_one_proves_it(self, make_domain, name_server, fresh):
        """What was looked up before is no reason to take it from who has proved it since."""
        first, second = make_domain(), make_domain(verified=False)
        first.missing_since = timezone.now()
        first.save()
        name_server.publish(_record(second))
        asked = []

        def prove() -> None:
            asked.append(1)
            if len(asked) == 2:  # the answer about the first is on its way
                with scope(first.organization_id):
                    EmailDomain.objects.update(checked_at=timezone.now(), missing_since=None)

        with patch_look_up(after=prove), pytest.raises(DomainTaken):
            services.verify_domain(second, actor=None)

        assert fresh(first).is_verified

    @pytest.mark.without_scope
    def test_in_the_scope_of_the_one_alone(self, make_domain, name_server):
        """A request sees one organization, and no scope but its own is left when it is done."""
        with unscoped(reason="two organizations are made"):
            first, second = make_domain(), make_domain(verified=False)
        name_server.publish(_record(second))

        with scope(second.organization_id):
            services.verify_domain(second, actor=None)
            assert [each.pk for each in EmailDomain.objects.all()] == [second.pk]

        with scope(first.organization_id):
            assert not EmailDomain.objects.get().is_verified

    def test_nothing_is_taken_on_the_word_of_who_cannot_prove_it(self, make_domain, name_server, fresh):
        """A record that is gone alone gives the domain to nobody."""
        first, second = make_domain(), make_domain(verified=False)

        with pytest.raises(DomainUnproved):
            services.verify_domain(second, actor=None)

        assert fresh(first).is_verified

    def test_after_it_was_given_up(self, make_domain, name_server):
        """What one organization gives up another can prove."""
        first, second = make_domain(), make_domain(verified=False)
        name_server.publish(_record(second))
        services.delete_domain(first, actor=None)

        assert services.verify_domain(second, actor=None).is_verified

    def test_after_the_organization_was_deleted(self, make_domain, name_server, events, fresh):
        """A deleted organization keeps its domain from nobody, and proves it again should it come back."""
        first, second = make_domain(), make_domain(verified=False)
        name_server.publish(_record(second))
        services.delete_organization(first.organization, actor=None)

        assert services.verify_domain(second, actor=None).is_verified
        organization = get_organization_model().all_objects.get(pk=first.organization_id)
        services.restore_organization(organization, actor=None)

        assert not fresh(first).is_verified
        [event] = events("email_domain.lost")
        assert event.organization_id == first.organization_id

    def test_a_restored_organization_has_what_nobody_else_took(self, make_domain, fresh):
        """Deleting and restoring an organization alone does not cost it its domain."""
        domain = make_domain()
        services.delete_organization(domain.organization, actor=None)
        organization = get_organization_model().all_objects.get(pk=domain.organization_id)

        services.restore_organization(organization, actor=None)

        assert fresh(domain).is_verified


class TestCheck:
    """What proves a domain is looked up again, as domains get other owners."""

    @pytest.fixture
    def told(self) -> Any:
        def told() -> list[tuple[str, str]]:
            found = OutboxMessage.objects.filter(kind="saas_kit_tenancy.domain_unproved").order_by("id")
            return [(each.recipient, str(each.organization_id)) for each in found]

        return told

    @pytest.fixture
    def domain(self, make_domain, time_machine) -> EmailDomain:
        """A domain that was proved a day and an hour ago."""
        time_machine.move_to(START, tick=False)
        with unscoped(reason="rows of tests are made"):
            domain = make_domain(enrollment=Enrollment.SUGGEST)
        time_machine.shift(timedelta(hours=25))
        return domain

    def test_one_that_is_there(self, domain, name_server, told, time_machine, fresh):
        name_server.publish(_record(domain))

        assert services.check_domains() == services.CheckedDomains(found=1)
        assert services.check_domains() == services.CheckedDomains()
        time_machine.shift(timedelta(days=1))
        assert services.check_domains() == services.CheckedDomains(found=1)

        assert fresh(domain).is_verified
        assert len(name_server.asked) == 2
        assert told() == []

    def test_one_that_is_gone(
        self,
        domain,
        make_verified_user,
        name_server,
        told,
        time_machine,
        events,
        catch_signal,
        on_commit,
        fresh,
    ):
        """The owners are told, once; a week later the organization has the domain no longer, and nobody joins by it."""
        person = make_verified_user("grace@acme.example")
        owner = Membership.objects.in_organization(domain.organization).owners().get().user

        assert services.check_domains() == services.CheckedDomains(missing=1)
        assert fresh(domain).missing_since == START + timedelta(hours=25)
        assert services.find_offer(person) == domain
        time_machine.shift(timedelta(days=6))
        assert services.check_domains() == services.CheckedDomains(missing=1)
        assert told() == [(owner.email, str(domain.organization_id))]
        time_machine.shift(timedelta(days=1))
        with catch_signal(signals.domain_lost) as sent, on_commit():
            assert services.check_domains() == services.CheckedDomains(lost=1)

        lost = fresh(domain)
        assert (lost.verified_at, lost.checked_at, lost.missing_since) == (None, None, None)
        assert (lost.domain, lost.enrollment) == ("acme.example", Enrollment.SUGGEST)
        assert services.find_offer(person) is None
        assert [(each["domain"], each["actor"]) for each in sent] == [(domain, None)]
        assert [len(events(f"email_domain.{name}")) for name in ("unproved", "lost")] == [1, 1]
        assert told() == [(owner.email, str(domain.organization_id))]
        time_machine.shift(timedelta(days=1))
        assert services.check_domains() == services.CheckedDomains()
        name_server.publish(_record(domain))
        assert services.verify_domain(domain, actor=None).is_verified

    def test_one_that_is_back(self, domain, name_server, told, time_machine, fresh):
        """The week begins anew, and the owners are told anew, when it is gone once more."""
        services.check_domains()
        time_machine.shift(timedelta(days=6))
        name_server.publish(_record(domain))
        assert services.check_domains() == services.CheckedDomains(found=1)
        assert fresh(domain).missing_since is None
        name_server.texts.clear()
        time_machine.shift(timedelta(days=2))

        assert services.check_domains() == services.CheckedDomains(missing=1)
        assert fresh(domain).is_verified
        assert len(told()) == 2

    def test_one_that_somebody_has_put_back(self, domain, name_server, fresh):
        """Who asks at once need not wait for the next day."""
        services.check_domains()
        with pytest.raises(DomainUnproved):
            services.verify_domain(fresh(domain), actor=None)
        assert fresh(domain).is_verified
        name_server.publish(_record(domain))

        verified = services.verify_domain(fresh(domain), actor=None)

        assert (verified.is_verified, verified.missing_since) == (True, None)
        assert fresh(domain).missing_since is None

    def test_where_dns_does_not_tell(self, domain, name_server, told, time_machine, fresh):
        """An outage takes nothing from anybody, however long it lasts."""
        name_server.failing.add(_record(domain)["name"])

        assert services.check_domains() == services.CheckedDomains(untold=1)
        time_machine.shift(timedelta(days=30))
        assert services.check_domains() == services.CheckedDomains(untold=1)

        assert fresh(domain).is_verified
        assert told() == []

    def test_where_dns_is_out_of_order(self, domain, make_domain, name_server, time_machine, monkeypatch):
        """The rest waits for the next time; one that is told of begins the count anew."""
        monkeypatch.setattr("saas_kit.tenancy.services.domains.MAX_UNTOLD", 2)
        others = [make_domain(f"acme{each}.example", organization=domain.organization) for each in range(4)]
        time_machine.shift(timedelta(days=2))
        for each in (domain, others[1], others[2]):
            name_server.failing.add(_record(each)["name"])

        assert services.check_domains(batch_size=2) == services.CheckedDomains(missing=1, untold=3)

        assert _record(others[3])["name"] not in name_server.asked
        name_server.failing.clear()
        assert services.check_domains(batch_size=2) == services.CheckedDomains(missing=1)
        assert _record(others[3])["name"] in name_server.asked

    def test_what_fails_with_one_stops_no_other(
        self, domain, make_domain, name_server, time_machine, monkeypatch, caplog
    ):
        other = make_domain("other.example")
        time_machine.shift(timedelta(days=2))
        name_server.publish(_record(other))

        def fail(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError("boom")

        monkeypatch.setattr("saas_kit.tenancy.services.domains.tell_of_missing_proof", fail)

        assert services.check_domains() == services.CheckedDomains(found=1)
        assert str(domain.pk) in caplog.text

    def test_what_is_left_out(self, domain, make_domain, name_server, time_machine):
        """Claims, what was checked today, and what deleted organizations have."""
        make_domain("claimed.example", verified=False)
        make_domain("today.example")
        services.delete_organization(domain.organization, actor=None)

        assert services.check_domains() == services.CheckedDomains()
        assert name_server.asked == []

    def test_of_nobody_where_it_is_turned_off(self, domain, name_server, settings):
        settings.SAAS_KIT_TENANCY_DOMAIN_CHECK_INTERVAL = timedelta(0)

        assert services.check_domains() == services.CheckedDomains()
        assert name_server.asked == []

    @pytest.mark.parametrize("is_there", [True, False])
    def test_deleted_while_dns_is_asked(self, is_there, domain, name_server):
        """What was read is looked at once more before anything is written."""
        if is_there:
            name_server.publish(_record(domain))

        with patch_look_up(after=lambda: services.delete_domain(domain, actor=None)):
            assert services.check_domains() == services.CheckedDomains()

    def test_proved_while_dns_is_asked(self, domain, name_server, told, time_machine, fresh):
        """An old answer says nothing of what was proved since, and nobody is told of it."""
        services.check_domains()
        time_machine.shift(timedelta(days=1))

        def prove() -> None:
            time_machine.shift(timedelta(seconds=1))
            name_server.publish(_record(domain))
            services.verify_domain(fresh(domain), actor=None)

        with patch_look_up(after=prove):
            assert services.check_domains() == services.CheckedDomains()

        assert fresh(domain).missing_since is None
        assert len(told()) == 1

    def test_has_one_turn(self, domain, make_domain, name_server, time_machine):
        """Of two that check at once, each domain is one's."""
        make_domain("other.example")
        time_machine.shift(timedelta(days=2))
        others = []

        def check() -> None:
            others.append(services.check_domains())

        with patch_look_up(after=check):
            assert services.check_domains() == services.CheckedDomains(missing=1)
        assert others == [services.CheckedDomains(missing=1)]

    def test_ends_where_it_is_asked_to(self, domain, name_server):
        """Celery's soft limit of time is no failure of a domain."""
        exceptions = pytest.importorskip("billiard.exceptions", reason="Celery, which raises it, is not here")

        def end() -> None:
            raise exceptions.SoftTimeLimitExceeded

        with patch_look_up(after=end), pytest.raises(exceptions.SoftTimeLimitExceeded):
            services.check_domains()

    def test_changes_nothing_that_is_seen(self, domain, name_server, fresh):
        """Whoever changes a domain meanwhile is not told that it was changed."""
        name_server.publish(_record(domain))
        before = fresh(domain).updated_at

        services.check_domains()

        assert fresh(domain).updated_at == before

    @pytest.mark.without_scope
    def test_without_a_scope(self, domain, name_server, time_machine):
        """As cron and Celery do it, who are in no organization."""
        assert services.check_domains() == services.CheckedDomains(missing=1)
        time_machine.shift(timedelta(days=8))
        assert services.check_domains() == services.CheckedDomains(lost=1)

        with unscoped(reason="a test looks at all rows"):
            assert not EmailDomain.objects.get().is_verified

    def test_by_a_command_and_a_task(self, domain, name_server, time_machine, fresh):
        output = StringIO()
        name_server.publish(_record(domain))

        call_command("saas_kit_check_domains", stdout=output)
        time_machine.shift(timedelta(days=1))
        check_domains()

        assert output.getvalue() == "domains: 1 found, 0 missing, 0 lost, 0 not told by DNS\n"
        assert fresh(domain).checked_at == START + timedelta(hours=49)

    def test_queries_do_not_grow_with_what_is_not_due(self, domain, make_domain, name_server):
        """One statement finds what is due, whatever the organizations have."""
        for each in range(5):
            make_domain(f"today{each}.example", organization=domain.organization)
        name_server.publish(_record(domain))

        with CaptureQueriesContext(connection) as first:
            services.check_domains()
        with CaptureQueriesContext(connection) as second:
            services.check_domains()

        assert len(second) == 1
        assert len(first) <= 12


class TestOffer:
    @pytest.mark.parametrize("enrollment", ["suggest", "automatic"])
    def test_to_whoever_has_an_address_there(self, enrollment, make_domain, make_verified_user):
        """Who was there before is asked, whether or not new people join automatically."""
        domain = make_domain(enrollment=enrollment)

        assert services.find_offer(make_verified_user("Ada@ACME.example")) == domain
        assert services.find_offer(make_verified_user("ada@acme.example.org")) is None

    def test_of_an_international_domain(self, make_domain, make_verified_user):
        """I45: an address and a domain are compared as in DNS."""
        domain = make_domain("BÜCHER.example", enrollment="suggest")

        assert services.find_offer(make_verified_user("ada@bücher.example")) == domain

    @pytest.mark.parametrize(
        "email",
        [
            "ada@b.example",
            "ada@www.acme.example",
            "ada@notacme.example",
            "acme.example@b.example",
        ],
    )
    def test_not_to_another_domain(self, email, make_domain, make_verified_user):
        """The whole domain has to be the same: what is below it or above it is another."""
        make_domain(enrollment="suggest")

        assert services.find_offer(make_verified_user(email)) is None

    def test_not_of_a_claim(self, make_domain, make_verified_user):
        """T18: nobody joins by a domain that is claimed and not proved."""
        domain = make_domain(verified=False, enrollment="automatic")
        person = make_verified_user("ada@acme.example")

        assert services.find_offer(person) is None
        assert services.join_by_domain(person) is None
        with pytest.raises(NotFound):
            services.join_on_offer(domain.organization_id, person)

    def test_not_to_an_unverified_address(self, make_domain, make_user):
        """I52: an address that is not proved opens nothing, and tells nothing."""
        domain = make_domain(enrollment="automatic")
        person = make_user("ada@acme.example")

        assert services.find_offer(person) is None
        assert services.join_by_domain(person) is None
        for organization_id in (domain.organization_id, domain.pk):
            with pytest.raises(EmailUnverified):
                services.join_on_offer(organization_id, person)

    @pytest.mark.parametrize(
        "end",
        [
            lambda domain: services.change_domain(domain, enrollment="off", actor=None),
            lambda domain: services.delete_domain(domain, actor=None),
            lambda domain: services.delete_organization(domain.organization, actor=None),
            lambda domain: services.delete_account(domain.organization.account, actor=None),
            lambda domain: services.set_organization_status(
                domain.organization, Status.SUSPENDED, actor=None
            ),
            lambda domain: services.set_account_status(
                domain.organization.account, Status.SUSPENDED, actor=None
            ),
            lambda domain: EmailDomain.objects.filter(pk=domain.pk).update(role="no_longer_there"),
            lambda domain: EmailDomain.objects.filter(pk=domain.pk).update(role="owner"),
        ],
        ids=["off", "deleted", "organization", "account", "suspended", "account suspended", "role", "owner"],
    )
    def test_ends_at_once(self, end, make_domain, make_verified_user):
        """What is turned off, deleted or suspended takes in nobody from then on."""
        domain = make_domain(enrollment="automatic")
        person = make_verified_user("ada@acme.example")
        assert services.find_offer(person) == domain

        end(domain)

        assert services.find_offer(person) is None
        assert services.join_by_domain(person) is None
        with pytest.raises(NotFound):
            services.join_on_offer(domain.organization_id, person)

    def test_ends_with_a_public_domain(self, make_domain, make_verified_user, settings):
        """A domain that the host comes to know as public opens nothing any more."""
        make_domain(enrollment="suggest")
        person = make_verified_user("ada@acme.example")
        assert services.find_offer(person)

        settings.SAAS_KIT_TENANCY_PUBLIC_MAIL_DOMAINS = ("acme.example",)

        assert services.find_offer(person) is None

    def test_not_to_somebody_who_was_removed(self, make_domain, make_verified_user):
        """Whom an organization removed does not come back by the address that they have; who left may."""
        domain = make_domain(enrollment="suggest")
        removed, gone = make_verified_user("a@acme.example"), make_verified_user("b@acme.example")
        owner = domain.organization.memberships.get().user
        for person, actor in ((removed, owner), (gone, gone)):
            services.remove_member(services.join_on_offer(domain.organization_id, person), actor=actor)

        assert services.find_offer(removed) is None
        with pytest.raises(NotFound):
            services.join_on_offer(domain.organization_id, removed)
        assert services.find_offer(gone) == domain
        assert [each.user for each in RemovedMember.objects.all()] == [removed]

        membership = services.introduce_member(domain.organization, removed, "member", actor=owner)
        services.remove_member(membership, actor=None)
        assert RemovedMember.objects.count() == 1

    def test_not_to_an_inactive_person(self, make_domain, make_verified_user):
        """Who may not sign in joins nothing."""
        make_domain(enrollment="automatic")
        person = make_verified_user("ada@acme.example")
        person.is_active = False

        assert services.find_offer(person) is None
        assert services.join_by_domain(person) is None


class TestJoinOnOffer:
    def test_makes_a_member(self, make_domain, make_verified_user, events, catch_signal, on_commit):
        """Somebody joins with the role that the organization chose, and by their own act."""
        domain = make_domain(enrollment="suggest", role="viewer")
        person = make_verified_user("ada@acme.example")

        with catch_signal(signals.member_joined) as sent, on_commit():
            membership = services.join_on_offer(domain.organization_id, person)

        assert (membership.user, membership.organization, membership.role) == (
            person,
            domain.organization,
            "viewer",
        )
        [event] = events("member.joined")
        assert event.actor == person
        assert sent[0]["membership"] == membership
        assert services.find_offer(person) is None

    def test_of_a_member(self, make_domain, make_verified_user):
        """I32: a member is one already, by whatever way."""
        domain = make_domain(enrollment="suggest")
        person = make_verified_user("ada@acme.example")
        services.join_on_offer(domain.organization_id, person)

        with pytest.raises(AlreadyMember):
            services.join_on_offer(domain.organization_id, person)

        assert Membership.objects.filter(user=person).count() == 1

    def test_of_another_organization(self, make_domain, make_organization, make_verified_user):
        """T18: an offer is of one organization; others are as if they were not there."""
        domain = make_domain(enrollment="suggest")
        person = make_verified_user("ada@acme.example")

        for organization_id in (make_organization().pk, domain.pk):
            with pytest.raises(NotFound):
                services.join_on_offer(organization_id, person)

        assert not Membership.objects.filter(user=person).exists()

    def test_needs_the_second_factor_that_is_required(
        self, make_organization, make_domain, make_verified_user, settings
    ):
        """An organization that requires a second factor takes in nobody without one."""
        settings.SAAS_KIT_TENANCY_SECOND_FACTOR = "tests.tenancy.sample_second_factor.has_key"
        organization = make_organization(require_mfa=True)
        make_domain(organization=organization, enrollment="suggest")

        with pytest.raises(MfaEnrollmentRequired):
            services.join_on_offer(organization.pk, make_verified_user("ada@acme.example"))

        assert services.join_on_offer(organization.pk, make_verified_user("key-ada@acme.example"))

    def test_needs_a_seat(self, make_domain, make_verified_user, settings):
        """I37: joining takes a seat, and where there is none left it is refused."""
        settings.SAAS_KIT_TENANCY_SEAT_LIMIT = f"{__name__}.two_seats"
        domain = make_domain(enrollment="suggest")
        services.join_on_offer(domain.organization_id, make_verified_user("a@acme.example"))

        with pytest.raises(NoSeatsLeft):
            services.join_on_offer(domain.organization_id, make_verified_user("b@acme.example"))


class TestJoinByDomain:
    def test_takes_in_somebody_new(self, make_domain, make_verified_user, events):
        """Who signs up with an address there is a member, once."""
        domain = make_domain(enrollment="automatic")
        person = make_verified_user("ada@acme.example")

        membership = services.join_by_domain(person)

        assert membership is not None
        assert (membership.organization, membership.role) == (domain.organization, "member")
        assert services.join_by_domain(person) is None
        assert len(events("member.joined")) == 1

    def test_leaves_it_to_them_where_it_is_suggested(self, make_domain, make_verified_user):
        """A suggestion makes nobody a member."""
        domain = make_domain(enrollment="suggest")
        person = make_verified_user("ada@acme.example")

        assert services.join_by_domain(person) is None
        assert services.find_offer(person) == domain

    def test_does_nothing_to_others(self, make_verified_user):
        """Nothing happens to people without an offer."""
        assert services.join_by_domain(make_verified_user("ada@acme.example")) is None

    def test_never_takes_in_who_was_there_before(self, make_domain, make_verified_user, name_server):
        """No act of an organization makes somebody a member who has an account: they are asked."""
        person = make_verified_user("ada@acme.example")
        domain = make_domain(verified=False)
        name_server.publish(_record(domain))

        services.verify_domain(domain, actor=None)
        services.change_domain(domain, enrollment="automatic", actor=None)

        assert not Membership.objects.filter(user=person).exists()
        assert services.find_offer(person) == domain

    def test_where_it_cannot_be(self, make_organization, make_domain, make_verified_user, settings):
        """Signing up does not fail for want of a seat or a second factor; the offer stays."""
        settings.SAAS_KIT_TENANCY_SECOND_FACTOR = "tests.tenancy.sample_second_factor.has_key"
        settings.SAAS_KIT_TENANCY_SEAT_LIMIT = f"{__name__}.two_seats"
        full = make_domain("full.example", enrollment="automatic")
        services.join_by_domain(make_verified_user("a@full.example"))
        strict = make_domain(
            "strict.example", organization=make_organization(require_mfa=True), enrollment="automatic"
        )

        for domain in (full, strict):
            person = make_verified_user(f"b@{domain.domain}")
            assert services.join_by_domain(person) is None
            assert services.find_offer(person) == domain
            assert not Membership.objects.filter(user=person).exists()


@pytest.mark.hosts("full", "default_user", "custom_organization")
class TestAdmin:
    @pytest.fixture
    def pages(self, admin_client):
        """The admin, in which staff chose to see every organization."""
        admin_client.post(reverse("admin:saas_kit_tenancy_choose_organization"), {"organization": "*"})
        return admin_client

    def test_shows_whose_they_are(self, pages, make_domain):
        """Staff see each domain, whether it is proved, and whose it is; they add and change none."""
        domain = make_domain(enrollment="suggest")

        listed = pages.get(reverse("admin:saas_kit_tenancy_emaildomain_changelist"), {"q": "acme"})
        shown = pages.get(reverse("admin:saas_kit_tenancy_emaildomain_change", args=[domain.pk]))

        for response in (listed, shown):
            assert response.status_code == 200
            assert domain.domain in response.content.decode()
            assert domain.organization.name in response.content.decode()
            assert domain.proof not in response.content.decode()
        values = {"enrollment": "automatic"}
        sent = pages.post(reverse("admin:saas_kit_tenancy_emaildomain_change", args=[domain.pk]), values)
        assert sent.status_code == 403
        assert pages.get(reverse("admin:saas_kit_tenancy_emaildomain_add")).status_code == 403

    def test_takes_them_away(self, pages, make_domain, events):
        """Staff take domains from organizations, one or several, and the audit log says who did."""
        domains = [make_domain("a.example"), make_domain("b.example"), make_domain("c.example")]

        pages.post(
            reverse("admin:saas_kit_tenancy_emaildomain_delete", args=[domains[0].pk]), {"post": "yes"}
        )
        several = {"action": "delete_selected", "_selected_action": [each.pk for each in domains[1:]]}
        pages.post(reverse("admin:saas_kit_tenancy_emaildomain_changelist"), {**several, "post": "yes"})

        assert not EmailDomain.objects.exists()
        deleted = events("email_domain.deleted")
        assert {each.target_label for each in deleted} == {"a.example", "b.example", "c.example"}
        assert {each.organization_id for each in deleted} == {each.organization_id for each in domains}
        assert all(each.actor.is_superuser for each in deleted)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
class TestAtTheSameMoment:
    def test_two_proofs(self, race, make_domain, name_server, fresh):
        """Of two organizations that prove a domain at the same moment one has it."""
        first, second = make_domain(verified=False), make_domain(verified=False)
        name_server.publish(_record(first), _record(second)["value"])
        for _ in range(10):
            EmailDomain.objects.update(verified_at=None)

            outcomes = race(
                *(partial(services.verify_domain, fresh(each), actor=None) for each in (first, second))
            )

            assert sorted(type(each).__name__ for each in outcomes) == ["DomainTaken", "EmailDomain"], (
                outcomes
            )
            assert EmailDomain.objects.verified().count() == 1

    def test_ten_joins(self, race, make_domain, make_verified_user, fresh):
        """I32: somebody who joins ten times at once is a member once."""
        domain = make_domain(enrollment="automatic")
        person = make_verified_user("ada@acme.example")

        outcomes = race(
            *[partial(services.join_on_offer, domain.organization_id, fresh(person))] * 5,
            *[partial(services.join_by_domain, fresh(person))] * 5,
        )

        assert sum(isinstance(each, Membership) for each in outcomes) == 1, outcomes
        assert all(each is None or isinstance(each, Membership | AlreadyMember) for each in outcomes), (
            outcomes
        )
        assert Membership.objects.filter(user=person).count() == 1

    @pytest.mark.parametrize("join", [services.join_by_domain, None], ids=["automatically", "on offer"])
    def test_turned_off_while_somebody_waits(
        self, join, make_domain, make_verified_user, fresh, wait_for_a_waiter
    ):
        """An offer that ends while somebody waits to join is over; an automatic one may become a suggestion."""
        domain = make_domain(enrollment="automatic")
        person = make_verified_user("ada@acme.example")
        join = join or partial(services.join_on_offer, domain.organization_id)
        outcome: list[Any] = []

        def act() -> None:
            try:
                outcome.append(join(fresh(person)))
            except SaasKitError as error:
                outcome.append(error)
            finally:
                connections.close_all()

        with transaction.atomic():
            services.lock_organization(domain.organization)
            joining = Thread(target=act, daemon=True)
            joining.start()
            wait_for_a_waiter()
            enrollment = "suggest" if join is services.join_by_domain else "off"
            services.change_domain(domain, enrollment=enrollment, actor=None)
        joining.join(30)

        assert outcome[0] is None or isinstance(outcome[0], NotFound), outcome
        assert not Membership.objects.filter(user=person).exists()

    def test_nothing_is_held_while_dns_is_asked(self, make_domain, name_server):
        """A slow name server holds up nobody else in the organization."""
        domain = make_domain(verified=False)
        name_server.publish(_record(domain))
        outcomes: list[Any] = []

        def hold():
            try:
                with transaction.atomic():
                    rows = get_organization_model().objects.select_for_update(nowait=True)
                    outcomes.append(rows.get(pk=domain.organization_id))
            except Exception as error:  # noqa: BLE001 - it is the outcome
                outcomes.append(error)
            finally:
                connections.close_all()

        name_server.when_asked = hold

        services.verify_domain(domain, actor=None)

        assert outcomes == [domain.organization]
        assert not connection.in_atomic_block
