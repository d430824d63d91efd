"""Writes to accounts and organizations."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from saas_kit.core.context import fresh_context
from saas_kit.core.exceptions import NotDeleted, NotFound, NotUnique, ParentDeleted
from saas_kit.tenancy import services, signals
from saas_kit.tenancy.exceptions import LastOwner, NotInAccount, RoleTooHigh, SlugTaken
from saas_kit.tenancy.models import Account, AccountMembership, Membership, Status, get_organization_model

Organization = get_organization_model()


@pytest.fixture(params=["account", "organization"])
def kind(request, make_account, make_organization):
    """What accounts and organizations have in common, as one set of names for either."""
    if request.param == "account":
        return SimpleNamespace(
            name="account",
            model=Account,
            make=make_account,
            change=services.change_account,
            delete=services.delete_account,
            restore=services.restore_account,
            set_status=services.set_account_status,
        )
    return SimpleNamespace(
        name="organization",
        model=Organization,
        make=make_organization,
        change=services.change_organization,
        delete=services.delete_organization,
        restore=services.restore_organization,
        set_status=services.set_organization_status,
    )


def _told(kind, fact):
    return getattr(signals, f"{kind.name}_{fact}")


class TestCreate:
    def test_account_has_its_first_owner(self, make_user, events, catch_signal, on_commit):
        """The account comes with an owner, a slug from its name, an event and a signal."""
        owner, actor = make_user(), make_user()

        with catch_signal(signals.account_created) as sent, on_commit():
            account = services.create_account(name="Acme Ltd.", owner=owner, actor=actor, metadata={"a": 1})

        [membership] = account.memberships.all()
        assert (membership.user, membership.role) == (owner, "owner")
        assert (account.slug, account.status, account.metadata) == ("acme-ltd", "active", {"a": 1})
        [event] = events("account.created")
        assert (event.actor, event.account_id, event.target_id) == (actor, account.pk, str(account.pk))
        assert sent == [{"sender": Account, "account": account, "actor": actor}]

    def test_organization_has_its_first_owner(self, make_account, make_user, events, catch_signal, on_commit):
        """The organization comes with an owner, a slug from its name, an event and a signal."""
        account, owner = make_account(), make_user()

        with catch_signal(signals.organization_created) as sent, on_commit():
            organization = services.create_organization(
                account=account, name="Acme Berlin", owner=owner, metadata={"a": 1}, actor=owner
            )

        [membership] = organization.memberships.all()
        assert (membership.user, membership.role) == (owner, "owner")
        assert (organization.slug, organization.status) == ("acme-berlin", "active")
        assert organization.account == account
        [event] = events("organization.created")
        assert (event.account_id, event.organization_id) == (account.pk, organization.pk)
        assert sent == [{"sender": Organization, "organization": organization, "actor": owner}]

    @pytest.mark.hosts("custom_organization")
    def test_fields_of_the_hosts_own_model_are_passed_on(self, make_organization, fresh):
        """A host's organization has more fields, which the services write like their own."""
        organization = make_organization(vat_id="DE123")
        services.change_organization(organization, vat_id="DE456", actor=None)

        assert fresh(organization).vat_id == "DE456"

    def test_nothing_is_created_in_a_deleted_account(self, make_account, make_user):
        """An account that was deleted meanwhile gets no new organization."""
        account, owner = make_account(), make_user()
        services.delete_account(account, actor=None)

        with pytest.raises(NotFound):
            services.create_organization(account=account, name="Late", owner=owner, actor=None)

        services.restore_account(account, actor=None)
        assert services.create_organization(account=account, name="Late", owner=owner, actor=None)

    def test_system_is_an_actor_too(self, make_account, events):
        """Nobody in particular acted: the event says so."""
        make_account()

        [event] = events("account.created")
        assert event.actor is None
        assert event.actor_label == ""


class TestSlug:
    def test_given_slug_must_be_free(self, kind):
        """A slug that somebody asked for is theirs or refused, whatever the case."""
        kind.make(slug="taken")

        for slug in ("taken", "TAKEN"):
            with pytest.raises(SlugTaken) as refusal:
                kind.make(slug=slug)
            assert refusal.value.field == "slug"

        assert kind.make(slug="free").slug == "free"

    def test_made_slug_gives_way(self, kind):
        """A slug that was made from the name gets an ending where the plain one is taken."""
        slugs = {kind.make("Same name").slug for _ in range(5)}

        assert len(slugs) == 5
        assert "same-name" in slugs
        assert all(slug.startswith("same-name") for slug in slugs)

    @pytest.mark.parametrize(
        ("name", "slug"),
        [
            ("Äpfel & Öl", "apfel-ol"),
            ("snake_case  name", "snake-case-name"),
            ("--- a --- b ---", "a-b"),
            ("x" * 120, "x" * 63),
            ("a " * 60, ("a-" * 60)[:63].rstrip("-")),
        ],
    )
    def test_slug_is_made_of_the_name(self, kind, name, slug):
        """The slug is a label that DNS accepts: letters, digits and single dashes, 63 at most."""
        made = kind.make(name)

        assert made.slug == slug
        made.clean_fields()

    @pytest.mark.parametrize("name", ["漢字", "___", "!!!", " "])
    def test_name_without_letters_is_called_what_it_is(self, kind, name):
        """A name that leaves nothing gives a slug all the same."""
        first, second = kind.make(name), kind.make(name)

        assert first.slug == kind.model._meta.model_name
        assert second.slug.startswith(first.slug)
        second.clean_fields()

    def test_long_names_stay_within_the_limit_with_an_ending(self, kind):
        """The ending takes the place of the last letters."""
        kind.make("y" * 120)
        second = kind.make("y" * 120)

        assert len(second.slug) <= 63
        second.clean_fields()

    def test_slug_of_the_deleted_is_free(self, kind, fresh):
        """I97: a deleted one's slug can be taken, and then it cannot be restored."""
        old = kind.make(slug="mine")
        kind.delete(old, actor=None)
        new = kind.make(slug="mine")

        with pytest.raises(NotUnique):
            kind.restore(old, actor=None)
        assert fresh(old).is_deleted

        kind.delete(new, actor=None)
        assert kind.restore(old, actor=None).slug == "mine"
        assert not fresh(old).is_deleted

    def test_accounts_and_organizations_do_not_share_slugs(self, make_account, make_organization):
        """Their slugs are unique each for themselves."""
        make_account(slug="acme")

        assert make_organization(slug="acme").slug == "acme"


class TestChange:
    def test_what_changed_is_recorded_and_told(self, kind, make_user, events, catch_signal, on_commit, fresh):
        """Only what differs is a change."""
        row, actor = kind.make("Old", slug="old"), make_user()

        with catch_signal(_told(kind, "changed")) as sent, on_commit():
            changed = kind.change(row, name="New", slug="old", metadata={"k": ["v"]}, actor=actor)

        changes = {"name": ["Old", "New"], "metadata": [{}, {"k": ["v"]}]}
        assert (changed.name, fresh(row).name, fresh(row).slug) == ("New", "New", "old")
        [event] = events(f"{kind.name}.changed")
        assert (event.actor, event.changes) == (actor, changes)
        assert [each["changes"] for each in sent] == [changes]

    def test_no_change_is_no_event(self, kind, events, catch_signal, on_commit):
        """Saving what is there already is not worth a line."""
        row = kind.make("Same")

        with catch_signal(_told(kind, "changed")) as sent, on_commit():
            kind.change(row, name="Same", actor=None)

        assert events(f"{kind.name}.changed") == []
        assert sent == []

    def test_slug_of_another_is_refused(self, kind, fresh):
        """One's own slug may be kept, in any case of letters, another's may not be taken."""
        row, other = kind.make("Mine", slug="mine"), kind.make(slug="theirs")

        with pytest.raises(SlugTaken):
            kind.change(row, slug="Theirs", name="New", actor=None)
        assert fresh(row).name == "Mine"

        kind.change(row, slug="mine", actor=None)
        kind.change(row, slug="new", actor=None)
        kind.change(other, slug="mine", actor=None)
        assert (fresh(row).slug, fresh(other).slug) == ("new", "mine")

    def test_deleted_meanwhile(self, kind):
        """What is no longer there is not found."""
        row = kind.make()
        kind.delete(row, actor=None)

        with pytest.raises(NotFound):
            kind.change(row, name="New", actor=None)
        with pytest.raises(NotFound):
            kind.set_status(row, Status.SUSPENDED, actor=None)

    def test_status_can_be_set_and_set_back(self, kind, events, catch_signal, on_commit, fresh):
        """Suspending is recorded as a change; doing it twice is not."""
        row = kind.make()

        with catch_signal(_told(kind, "changed")) as sent, on_commit():
            kind.set_status(row, Status.SUSPENDED, actor=None)
            kind.set_status(row, Status.SUSPENDED, actor=None)
        assert fresh(row).status == "suspended"
        kind.set_status(row, Status.ACTIVE, actor=None)
        assert fresh(row).status == "active"

        assert [each["changes"] for each in sent] == [{"status": ["active", "suspended"]}]
        assert len(events(f"{kind.name}.changed")) == 2


class TestDeleteAndRestore:
    def test_deleted_and_back(self, kind, make_user, events, catch_signal, on_commit):
        """Both are recorded and told once."""
        row, actor = kind.make(), make_user()

        with (
            catch_signal(_told(kind, "deleted")) as deleted,
            catch_signal(_told(kind, "restored")) as restored,
        ):
            with on_commit():
                kind.delete(row, actor=actor)
            assert not kind.model.objects.filter(pk=row.pk).exists()
            with on_commit():
                kind.restore(row, actor=actor)
            assert kind.model.objects.filter(pk=row.pk).exists()

        assert len(deleted) == len(restored) == 1
        assert events(f"{kind.name}.deleted")[0].actor == actor
        assert events(f"{kind.name}.restored")[0].actor == actor

    def test_alive_is_not_restored(self, kind, events):
        """Only what was deleted can be restored, and the refusal leaves no event."""
        row = kind.make()

        with pytest.raises(NotDeleted):
            kind.restore(row, actor=None)

        assert events(f"{kind.name}.restored") == []

    def test_account_takes_its_organizations_along(self, make_organization, fresh):
        """I99: they come back with it, except the one that was deleted before."""
        one = make_organization()
        before = make_organization(account=one.account)
        services.delete_organization(before, actor=None)
        services.delete_account(one.account, actor=None)
        assert fresh(one).is_deleted

        with pytest.raises(ParentDeleted):
            services.restore_organization(one, actor=None)
        services.restore_account(one.account, actor=None)

        assert not fresh(one).is_deleted
        assert fresh(before).is_deleted

    def test_memberships_outlast_the_deletion(self, make_membership):
        """I100: roles in a deleted organization reach nothing and are back when it is."""
        membership = make_membership(role="admin")
        organization, user = membership.organization, membership.user
        services.delete_organization(organization, actor=None)
        assert not Organization.objects.visible_to(user).exists()

        services.restore_organization(organization, actor=None)
        assert list(Organization.objects.visible_to(user)) == [organization]
        assert Membership.objects.get(pk=membership.pk).role == "admin"


class TestTransfer:
    def test_member_becomes_owner_and_owner_admin(
        self, make_account, make_account_membership, events, catch_signal, on_commit
    ):
        """I31: the account changes hands in one transaction."""
        account = make_account()
        owner = account.memberships.get().user
        heir = make_account_membership(account).user

        with catch_signal(signals.account_transferred) as sent, on_commit():
            services.transfer_account(account, to=heir, actor=owner)

        roles = dict(account.memberships.values_list("user", "role"))
        assert roles == {owner.pk: "admin", heir.pk: "owner"}
        assert (sent[0]["new_owner"], sent[0]["old_owner"]) == (heir, owner)
        assert events("account.transferred")[0].changes == {"owner": [str(owner.pk), str(heir.pk)]}

    @pytest.mark.parametrize("who", ["stranger", "self", "inactive", "other account"])
    def test_only_another_active_member_can_take_it(
        self, make_account, make_account_membership, make_user, who
    ):
        """Nobody else than an active member of the account becomes its owner."""
        account = make_account()
        owner = account.memberships.get().user
        candidate = {
            "stranger": make_user,
            "self": lambda: owner,
            "inactive": lambda: make_account_membership(account, user=make_user(is_active=False)).user,
            "other account": lambda: make_account_membership().user,
        }[who]()

        with pytest.raises(NotInAccount):
            services.transfer_account(account, to=candidate, actor=owner)

        assert [each.user for each in account.memberships.filter(role="owner")] == [owner]

    @pytest.mark.parametrize("role", ["admin", "member"])
    def test_whoever_is_not_owner_any_more_hands_nothing_over(
        self, make_account, make_account_membership, role
    ):
        """I29: what the actor holds is looked at under the lock, so nobody rises by a transfer."""
        account = make_account()
        owner = account.memberships.get().user
        actor = make_account_membership(account, role=role).user
        heir = make_account_membership(account).user

        with pytest.raises(RoleTooHigh):
            services.transfer_account(account, to=heir, actor=actor)

        roles = dict(account.memberships.values_list("user", "role"))
        assert roles == {owner.pk: "owner", actor.pk: role, heir.pk: "member"}

    def test_platform_staff_can_and_are_not_made_admin(
        self, make_account, make_account_membership, make_user, settings, events
    ):
        """I35: with staff access a superuser hands an account over, on record, without a role in it."""
        account = make_account()
        heir, staff = make_account_membership(account).user, make_user(superuser=True)
        with pytest.raises(RoleTooHigh):
            services.transfer_account(account, to=heir, actor=staff)

        settings.SAAS_KIT_TENANCY_STAFF_ACCESS = True
        with fresh_context():
            services.transfer_account(account, to=heir, actor=staff)

        assert events("account.transferred")[0].staff_access
        assert account.memberships.get(user=heir).role == "owner"
        assert not account.memberships.filter(user=staff).exists()


class TestEndMemberships:
    def test_all_that_is_theirs_alone_is_deleted(self, make_account, make_organization, make_user, fresh):
        """An account that nobody else is in goes with the person, and can be restored."""
        person = make_user()
        account = make_account(owner=person)
        organization = make_organization(account=account, owner=person)

        services.end_memberships(person, actor=None)

        assert fresh(account).is_deleted
        assert fresh(organization).is_deleted

    def test_memberships_elsewhere_end(self, make_membership, make_account_membership, events):
        """Roles in what belongs to others end, each with its event, and the others' stay."""
        membership = make_membership(role="admin")
        account_membership = make_account_membership(user=membership.user, role="admin")

        services.end_memberships(membership.user, actor=None)

        assert not Membership.objects.filter(user=membership.user).exists()
        assert not AccountMembership.objects.filter(user=membership.user).exists()
        assert membership.organization.memberships.owners().count() == 1
        assert account_membership.account.memberships.owners().count() == 1
        assert len(events("member.removed")) == len(events("account_member.removed")) == 1

    @pytest.mark.parametrize("shared", ["account", "organization", "organization of the account"])
    def test_sole_owner_of_what_others_share_stays(
        self, make_organization, make_membership, make_account_membership, make_user, shared
    ):
        """I30: what others use is not left without an owner; with a second owner they can go."""
        person, other = make_user(), make_user()
        if shared == "account":
            account = make_account_membership(user=person, role="owner").account
            second = make_account_membership(account, user=other)
            promote = services.change_account_role
        elif shared == "organization":
            organization = make_organization(owner=person)
            second = make_membership(organization, user=other)
            promote = services.change_role
        else:
            account = make_account_membership(user=person, role="owner").account
            organization = make_organization(account=account)
            second = make_account_membership(account, user=other)
            promote = services.change_account_role
        with pytest.raises(LastOwner):
            services.end_memberships(person, actor=None)
        assert person.memberships.exists() or person.account_memberships.exists()

        promote(second, "owner", actor=None)
        services.end_memberships(person, actor=None)
        assert not person.memberships.exists()
        assert not person.account_memberships.exists()

    def test_second_owner_who_is_not_active_does_not_count(self, make_membership, make_user):
        """I30: an owner who cannot sign in is nobody in charge."""
        owner = make_membership(role="owner")
        make_membership(owner.organization, user=make_user(is_active=False), role="owner")

        with pytest.raises(LastOwner):
            services.end_memberships(owner.user, actor=None)

        make_membership(owner.organization, role="owner")
        services.end_memberships(owner.user, actor=None)
