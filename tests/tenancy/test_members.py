"""Writes to who belongs to accounts and organizations; both keep the same rules."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from saas_kit.core.exceptions import NotFound
from saas_kit.tenancy import services, signals
from saas_kit.tenancy.exceptions import AlreadyMember, LastOwner, NotInAccount, RoleTooHigh, UnknownRole
from saas_kit.tenancy.models import AccountMembership, Membership

RANKS = {"account": ("member", "admin", "owner"), "organization": ("viewer", "member", "admin", "owner")}


@pytest.fixture(params=["account", "organization"])
def place(request, make_membership, make_account_membership):
    """What memberships of accounts and of organizations have in common, as one set of names for either."""
    if request.param == "account":
        return SimpleNamespace(
            kind="account",
            noun="account_member",
            model=AccountMembership,
            make=make_account_membership,
            of=lambda membership: membership.account,
            add=services.add_account_member,
            change=services.change_account_role,
            remove=services.remove_account_member,
            delete=services.delete_account,
            joined=signals.account_member_joined,
            changed=signals.account_role_changed,
            removed=signals.account_member_removed,
        )
    return SimpleNamespace(
        kind="organization",
        noun="member",
        model=Membership,
        make=make_membership,
        of=lambda membership: membership.organization,
        add=services.add_member,
        change=services.change_role,
        remove=services.remove_member,
        delete=services.delete_organization,
        joined=signals.member_joined,
        changed=signals.role_changed,
        removed=signals.member_removed,
    )


def _colleague(place, make_organization, make_membership, membership):
    """Somebody who belongs to the same account and is not in the place yet."""
    account = membership.account if place.kind == "account" else membership.organization.account
    return make_membership(make_organization(account=account)).user


class TestAdd:
    def test_joins_with_a_role(self, place, make_user, events, catch_signal, on_commit):
        """The membership, its event and its signal."""
        there, newcomer = place.of(place.make(role="owner")), make_user()

        with catch_signal(place.joined) as sent, on_commit():
            membership = place.add(there, newcomer, "member", actor=None)

        assert (membership.user, membership.role, place.of(membership)) == (newcomer, "member", there)
        assert sent == [{"sender": place.model, "membership": membership, "actor": None}]
        assert events(f"{place.noun}.joined")[-1].changes == {"role": [None, "member"]}

    def test_member_is_added_once(self, place):
        """I32: who is a member already is not added again, with no other role either."""
        membership = place.make()

        for role in ("member", "admin"):
            with pytest.raises(AlreadyMember):
                place.add(place.of(membership), membership.user, role, actor=None)

        assert place.model.objects.filter(user=membership.user).get().role == "member"

    @pytest.mark.parametrize("role", ["", "boss", "OWNER", "lead"])
    def test_role_must_exist_at_the_level(self, place, make_user, role):
        """A role of another level, or of none, is refused."""
        there = place.of(place.make(role="owner"))

        with pytest.raises(UnknownRole) as refusal:
            place.add(there, make_user(), role, actor=None)

        assert refusal.value.field == "role"

    @pytest.mark.parametrize("actor_rank", range(4))
    @pytest.mark.parametrize("granted_rank", range(4))
    def test_nobody_grants_above_their_own_role(
        self, place, make_organization, make_membership, fresh, actor_rank, granted_rank
    ):
        """I29: an actor grants their own role and those below it, and no other."""
        ranks = RANKS[place.kind]
        if max(actor_rank, granted_rank) >= len(ranks):
            actor_rank, granted_rank = actor_rank % len(ranks), granted_rank % len(ranks)
        there = place.of(place.make(role="owner"))
        actor = place.make(there, role=ranks[actor_rank])
        newcomer = _colleague(place, make_organization, make_membership, actor)

        def add():
            return place.add(there, newcomer, ranks[granted_rank], actor=fresh(actor.user))

        if granted_rank <= actor_rank:
            assert add().role == ranks[granted_rank]
        else:
            with pytest.raises(RoleTooHigh):
                add()
            assert not place.model.objects.filter(user=newcomer, **{place.kind: there}).exists()

    def test_stranger_grants_nothing(self, place, make_organization, make_membership, make_user):
        """I29: an actor without a role adds nobody."""
        owner = place.make(role="owner")
        newcomer = _colleague(place, make_organization, make_membership, owner)

        with pytest.raises(RoleTooHigh):
            place.add(place.of(owner), newcomer, "member", actor=make_user())

        assert place.add(place.of(owner), newcomer, "member", actor=owner.user)

    def test_actor_adds_only_who_belongs_to_the_account(
        self, place, make_user, make_organization, make_membership
    ):
        """Anybody else is invited; the refusal does not tell whether the person exists."""
        owner = place.make(role="owner")
        there = place.of(owner)

        for stranger in (make_user(), make_membership().user):
            with pytest.raises(NotInAccount) as refusal:
                place.add(there, stranger, "member", actor=owner.user)
            assert refusal.value.field == "user"

        colleague = _colleague(place, make_organization, make_membership, owner)
        assert place.add(there, colleague, "member", actor=owner.user)

    def test_actor_adds_nobody_inactive(self, place, make_organization, make_membership):
        """Somebody who was deactivated is not there to be added."""
        owner = place.make(role="owner")
        colleague = _colleague(place, make_organization, make_membership, owner)
        colleague.is_active = False

        with pytest.raises(NotInAccount):
            place.add(place.of(owner), colleague, "member", actor=owner.user)

    def test_membership_of_a_deleted_organization_does_not_count(
        self, place, make_organization, make_membership
    ):
        """Who was only in an organization that is deleted belongs to the account no more."""
        owner = place.make(role="owner")
        colleague = _colleague(place, make_organization, make_membership, owner)
        elsewhere = colleague.memberships.get().organization
        services.delete_organization(elsewhere, actor=None)
        with pytest.raises(NotInAccount):
            place.add(place.of(owner), colleague, "member", actor=owner.user)

        services.restore_organization(elsewhere, actor=None)
        assert place.add(place.of(owner), colleague, "member", actor=owner.user)

    def test_nobody_joins_what_is_deleted(self, place, make_user):
        """What was deleted meanwhile is not found."""
        there = place.of(place.make(role="owner"))
        place.delete(there, actor=None)

        with pytest.raises(NotFound):
            place.add(there, make_user(), "member", actor=None)

    def test_colleague_may_be_in_the_account_only(self, make_organization, make_account_membership):
        """Who has a role in the account can be added to each of its organizations."""
        organization = make_organization()
        owner = organization.memberships.get().user
        clerk = make_account_membership(organization.account).user

        assert services.add_member(organization, clerk, "viewer", actor=owner).role == "viewer"

    def test_introducing_needs_no_account_but_the_same_rank(self, make_membership, make_user):
        """Somebody whom the actor has just brought in need not belong to the account."""
        admin = make_membership(role="admin")

        with pytest.raises(RoleTooHigh):
            services.introduce_member(admin.organization, make_user(), "owner", actor=admin.user)

        membership = services.introduce_member(admin.organization, make_user(), "admin", actor=admin.user)
        assert membership.role == "admin"


class TestChangeRole:
    def test_only_owner_cannot_step_down(self, place, fresh):
        """I30: nobody is ever left without an owner."""
        owner = place.make(role="owner")

        with pytest.raises(LastOwner):
            place.change(owner, "member", actor=owner.user)
        with pytest.raises(LastOwner):
            place.change(owner, "admin", actor=None)

        assert fresh(owner).is_owner

    def test_one_of_two_owners_can(self, place, fresh):
        """I30: the other one is in charge then, and stays."""
        owner = place.make(role="owner")
        second = place.make(place.of(owner), role="owner")

        place.change(owner, "member", actor=owner.user)

        assert fresh(owner).role == "member"
        with pytest.raises(LastOwner):
            place.change(second, "admin", actor=second.user)

    def test_owner_who_is_not_active_does_not_count(self, place, make_user):
        """I30: an owner who cannot sign in is nobody in charge."""
        owner = place.make(role="owner")
        place.make(place.of(owner), user=make_user(is_active=False), role="owner")

        with pytest.raises(LastOwner):
            place.change(owner, "member", actor=None)

    def test_owner_may_become_owner(self, place, events):
        """The role that the only owner has already is no change."""
        owner = place.make(role="owner")

        place.change(owner, "owner", actor=owner.user)

        assert events(f"{place.noun}.role_changed") == []

    def test_change_is_recorded_and_told(self, place, events, catch_signal, on_commit):
        """With the role before."""
        owner = place.make(role="owner")
        membership = place.make(place.of(owner))

        with catch_signal(place.changed) as sent, on_commit():
            place.change(membership, "admin", actor=owner.user)

        [event] = events(f"{place.noun}.role_changed")
        assert (event.changes, event.actor) == ({"role": ["member", "admin"]}, owner.user)
        assert [(each["membership"], each["old_role"], each["actor"]) for each in sent] == [
            (membership, "member", owner.user)
        ]

    @pytest.mark.parametrize(
        ("actor", "member", "role", "allowed"),
        [
            ("owner", "admin", "owner", True),
            ("owner", "owner", "member", True),
            ("admin", "member", "admin", True),
            ("admin", "admin", "member", True),
            ("admin", "member", "owner", False),
            ("admin", "owner", "member", False),
            ("admin", "owner", "admin", False),
            ("member", "member", "admin", False),
            ("member", "admin", "member", False),
        ],
    )
    def test_nobody_acts_on_or_grants_what_is_above_them(self, place, fresh, actor, member, role, allowed):
        """I29: neither the role that the member has nor the one they get is above the actor's."""
        there = place.of(place.make(role="owner"))
        acting, membership = place.make(there, role=actor), place.make(there, role=member)

        if allowed:
            place.change(membership, role, actor=acting.user)
            assert fresh(membership).role == role
        else:
            with pytest.raises(RoleTooHigh):
                place.change(membership, role, actor=acting.user)
            assert fresh(membership).role == member

    def test_nobody_promotes_themselves(self, place, fresh):
        """I29: with one's own membership it is no different."""
        there = place.of(place.make(role="owner"))
        admin = place.make(there, role="admin")

        with pytest.raises(RoleTooHigh):
            place.change(admin, "owner", actor=admin.user)
        place.change(admin, "member", actor=admin.user)

        assert fresh(admin).role == "member"

    def test_actor_is_judged_by_what_they_hold_now(self, place):
        """I27: a role that was taken away counts no more, although the actor's instance remembers it."""
        owner = place.make(role="owner")
        there = place.of(owner)
        admin, membership = place.make(there, role="admin"), place.make(there)
        place.change(membership, "admin", actor=admin.user)
        place.change(membership, "member", actor=admin.user)
        place.model.objects.filter(pk=admin.pk).update(role="member")

        with pytest.raises(RoleTooHigh):
            place.change(membership, "admin", actor=admin.user)

    def test_unknown_role_is_refused(self, place, fresh):
        """A role that does not exist at the level is nobody's."""
        membership = place.make()

        with pytest.raises(UnknownRole):
            place.change(membership, "lead", actor=None)

        assert fresh(membership).role == "member"

    def test_member_who_left_is_not_found(self, place):
        """A membership that ended meanwhile cannot be changed."""
        membership = place.make()
        place.remove(membership, actor=None)

        with pytest.raises(NotFound):
            place.change(membership, "admin", actor=None)
        with pytest.raises(NotFound):
            place.remove(membership, actor=None)


class TestRemove:
    def test_membership_ends(self, place, events, catch_signal, on_commit):
        """The event and the signal still name it."""
        owner = place.make(role="owner")
        membership = place.make(place.of(owner))

        with catch_signal(place.removed) as sent, on_commit():
            place.remove(membership, actor=owner.user)

        assert not place.model.objects.filter(pk=membership.pk).exists()
        [told] = sent
        assert (told["membership"].pk, told["membership"].user) == (membership.pk, membership.user)
        [event] = events(f"{place.noun}.removed")
        assert event.changes == {"role": ["member", None]}
        assert event.target_id == str(membership.pk)

    def test_only_owner_cannot_leave(self, place):
        """I30: by themselves as little as by the system."""
        owner = place.make(role="owner")
        place.make(place.of(owner))

        for actor in (owner.user, None):
            with pytest.raises(LastOwner):
                place.remove(owner, actor=actor)

        assert place.model.objects.filter(pk=owner.pk).exists()

    def test_one_of_two_owners_can(self, place):
        """I30: the other one stays in charge."""
        owner = place.make(role="owner")
        second = place.make(place.of(owner), role="owner")

        place.remove(owner, actor=owner.user)

        with pytest.raises(LastOwner):
            place.remove(second, actor=second.user)

    def test_everybody_can_leave(self, place):
        """Leaving needs no role above one's own."""
        there = place.of(place.make(role="owner"))
        for role in RANKS[place.kind][:-1]:
            membership = place.make(there, role=role)
            place.remove(membership, actor=membership.user)

        assert place.model.objects.filter(**{place.kind: there}).count() == 1

    @pytest.mark.parametrize(
        ("actor", "member", "allowed"),
        [
            ("owner", "owner", True),
            ("admin", "member", True),
            ("admin", "admin", True),
            ("admin", "owner", False),
            ("member", "admin", False),
        ],
    )
    def test_nobody_removes_somebody_above_them(self, place, actor, member, allowed):
        """I29: the member's role must not be above the actor's."""
        there = place.of(place.make(role="owner"))
        acting, membership = place.make(there, role=actor), place.make(there, role=member)

        if allowed:
            place.remove(membership, actor=acting.user)
        else:
            with pytest.raises(RoleTooHigh):
                place.remove(membership, actor=acting.user)

        assert place.model.objects.filter(pk=membership.pk).exists() is not allowed

    def test_leaving_an_organization_leaves_its_teams(self, make_team_membership, make_membership):
        """I33: places in its teams end with the membership, in the same transaction; those elsewhere stay."""
        from saas_kit.teams.models import TeamMembership

        place_in_team = make_team_membership()
        user = place_in_team.membership.user
        elsewhere = make_team_membership(user=user)
        neighbour = make_team_membership(place_in_team.team)

        services.remove_member(place_in_team.membership, actor=None)

        assert set(TeamMembership.objects.all()) == {elsewhere, neighbour}

    def test_leaving_an_account_keeps_memberships_of_its_organizations(
        self, make_organization, make_account_membership, make_membership
    ):
        """The role in the account is one thing, those in its organizations others."""
        organization = make_organization()
        membership = make_account_membership(organization.account)
        make_membership(organization, user=membership.user)

        services.remove_account_member(membership, actor=None)

        assert Membership.objects.filter(organization=organization, user=membership.user).exists()


class TestRolesThatAreGone:
    @pytest.fixture
    def odd(self, place):
        """A member whose role the host has since removed from its roles."""
        membership = place.make()
        place.model.objects.filter(pk=membership.pk).update(role="retired")
        membership.refresh_from_db()
        return membership

    def test_can_be_given_another(self, place, odd, fresh):
        """What grants nothing stands in nobody's way."""
        owner = place.model.objects.owners().get(**{place.kind: place.of(odd)})

        place.change(odd, "member", actor=owner.user)

        assert fresh(odd).role == "member"

    def test_can_be_removed(self, place, odd):
        """Nor does it keep somebody in."""
        owner = place.model.objects.owners().get(**{place.kind: place.of(odd)})

        place.remove(odd, actor=owner.user)

        assert not place.model.objects.filter(pk=odd.pk).exists()


def test_superuser_needs_staff_access_to_act(make_membership, make_user, settings, fresh):
    """I35: a superuser holds no role anywhere unless the host turned staff access on; then it is recorded."""
    from saas_kit.audit.models import Event
    from saas_kit.core.context import fresh_context

    membership, staff = make_membership(), make_user(superuser=True)
    with fresh_context():
        with pytest.raises(RoleTooHigh):
            services.change_role(membership, "admin", actor=fresh(staff))

        settings.SAAS_KIT_TENANCY_STAFF_ACCESS = True
        services.change_role(membership, "owner", actor=fresh(staff))

    assert Event.objects.get(action="member.role_changed").staff_access
