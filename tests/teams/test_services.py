"""Writes to teams and their members."""

from __future__ import annotations

from functools import partial

import pytest

from saas_kit.core.exceptions import NotDeleted, NotFound, NotUnique, ParentDeleted
from saas_kit.teams import services, signals
from saas_kit.teams.exceptions import AlreadyInTeam, NameTaken, NotInOrganization
from saas_kit.teams.models import Team, TeamMembership
from saas_kit.tenancy.exceptions import SlugTaken, UnknownRole
from saas_kit.tenancy.models import Membership
from saas_kit.tenancy.services import delete_organization, remove_member, restore_organization


class TestCreate:
    def test_team_is_recorded_and_told(self, make_organization, make_user, events, catch_signal, on_commit):
        """The team, its slug, its event and its signal."""
        organization, actor = make_organization(), make_user()

        with catch_signal(signals.team_created) as sent, on_commit():
            team = services.create_team(organization, name="Design & Co", description="Pixels", actor=actor)

        assert (team.organization, team.slug, team.description) == (organization, "design-co", "Pixels")
        assert sent == [{"sender": Team, "team": team, "actor": actor}]
        [event] = events("team.created")
        assert (event.actor, event.organization_id, event.target_id) == (actor, organization.pk, str(team.pk))

    def test_name_is_unique_in_its_organization(self, make_team, make_organization):
        """I22: whatever the case; in another organization the same name and slug are free."""
        organization, other = make_organization(), make_organization()
        team = make_team("Design", organization=organization)

        for name in ("Design", "DESIGN"):
            with pytest.raises(NameTaken) as refusal:
                make_team(name, organization=organization)
            assert refusal.value.field == "name"

        assert make_team("Design", organization=other).slug == team.slug

    def test_slug_is_unique_in_its_organization(self, make_team, make_organization):
        """A given slug must be free, a made one gives way."""
        organization = make_organization()
        make_team("Design", organization=organization)

        with pytest.raises(SlugTaken) as refusal:
            make_team("Other", slug="design", organization=organization)
        assert refusal.value.field == "slug"
        made = make_team("Design!", organization=organization)
        assert made.slug.startswith("design-")

    def test_deleted_organization_gets_none(self, make_organization):
        """What was deleted meanwhile is not found."""
        organization = make_organization()
        delete_organization(organization, actor=None)

        with pytest.raises(NotFound):
            services.create_team(organization, name="Late", actor=None)

        restore_organization(organization, actor=None)
        assert services.create_team(organization, name="Late", actor=None)


class TestChange:
    def test_what_changed_is_recorded_and_told(self, make_team, events, catch_signal, on_commit, fresh):
        """Only what differs."""
        team = make_team("Old")

        with catch_signal(signals.team_changed) as sent, on_commit():
            services.change_team(team, name="New", description="", actor=None)
            services.change_team(team, name="New", actor=None)

        assert fresh(team).name == "New"
        assert [each["changes"] for each in sent] == [{"name": ["Old", "New"]}]
        assert len(events("team.changed")) == 1

    def test_name_and_slug_of_another_are_refused(self, make_team, fresh):
        """I22: one's own may be kept, in another case of letters too."""
        team = make_team("Mine")
        make_team("Theirs", organization=team.organization)

        with pytest.raises(NameTaken):
            services.change_team(team, name="theirs", actor=None)
        with pytest.raises(SlugTaken):
            services.change_team(team, slug="theirs", actor=None)
        assert fresh(team).name == "Mine"

        assert services.change_team(team, name="MINE", slug="mine", actor=None).name == "MINE"

    def test_deleted_meanwhile(self, make_team):
        """What is no longer there is not found."""
        team = make_team()
        services.delete_team(team, actor=None)

        with pytest.raises(NotFound):
            services.change_team(team, name="New", actor=None)


class TestDeleteAndRestore:
    def test_deleted_and_back_with_its_members(self, make_team_membership, events, catch_signal, on_commit):
        """Who was in the team is in it again."""
        place = make_team_membership(role="lead")
        team = place.team

        with catch_signal(signals.team_deleted) as deleted, catch_signal(signals.team_restored) as restored:
            with on_commit():
                services.delete_team(team, actor=None)
            assert not Team.objects.exists()
            with on_commit():
                services.restore_team(team, actor=None)

        assert list(Team.objects.all()) == [team]
        assert TeamMembership.objects.get().role == "lead"
        assert len(deleted) == len(restored) == 1
        assert [each.action for each in events() if each.action.startswith("team.")] == [
            "team.created",
            "team.deleted",
            "team.restored",
        ]

    def test_alive_is_not_restored(self, make_team):
        """Only what was deleted."""
        with pytest.raises(NotDeleted):
            services.restore_team(make_team(), actor=None)

    def test_name_is_free_while_deleted(self, make_team, fresh):
        """I97: and where it was taken meanwhile the team does not come back."""
        team = make_team("Design")
        services.delete_team(team, actor=None)
        usurper = make_team("design", organization=team.organization)

        with pytest.raises(NotUnique):
            services.restore_team(team, actor=None)
        assert fresh(team).is_deleted

        services.delete_team(usurper, actor=None)
        services.restore_team(team, actor=None)

    def test_organization_takes_its_teams_along(self, make_team, fresh):
        """I99: they come back with it, except the one that was deleted before."""
        team = make_team()
        before = make_team(organization=team.organization)
        services.delete_team(before, actor=None)
        delete_organization(team.organization, actor=None)
        assert fresh(team).is_deleted
        with pytest.raises(ParentDeleted):
            services.restore_team(team, actor=None)

        restore_organization(team.organization, actor=None)

        assert not fresh(team).is_deleted
        assert fresh(before).is_deleted


class TestMembers:
    def test_member_joins(self, make_team, make_membership, events, catch_signal, on_commit):
        """The place in the team, its event and its signal."""
        team = make_team()
        membership = make_membership(team.organization)

        with catch_signal(signals.team_member_joined) as sent, on_commit():
            place = services.add_team_member(team, membership.user, "lead", actor=None)

        assert (place.team, place.membership, place.role) == (team, membership, "lead")
        assert place.get_role().key == "lead"
        assert [each["team_membership"] for each in sent] == [place]
        [event] = events("team_member.joined")
        assert (event.organization_id, event.changes) == (team.organization_id, {"role": [None, "lead"]})

    def test_only_members_of_the_organization(self, make_team, make_user, make_membership, make_organization):
        """I33: nobody is in a team of an organization that they are not in, the account's owner neither."""
        team = make_team()
        neighbour = make_membership(make_organization(account=team.organization.account))
        account_owner = team.organization.account.memberships.get()

        for user in (make_user(), neighbour.user, account_owner.user):
            with pytest.raises(NotInOrganization) as refusal:
                services.add_team_member(team, user, "member", actor=None)
            assert refusal.value.field == "user"

        assert services.add_team_member(team, make_membership(team.organization).user, "member", actor=None)

    def test_member_is_added_once(self, make_team_membership):
        """I32: who is in the team already is not added again."""
        place = make_team_membership()

        with pytest.raises(AlreadyInTeam):
            services.add_team_member(place.team, place.membership.user, "lead", actor=None)

        assert TeamMembership.objects.get().role == "member"

    @pytest.mark.parametrize("role", ["owner", "admin", "", None])
    def test_role_is_one_of_teams(self, make_team_membership, role):
        """A role of another level is refused."""
        place = make_team_membership()

        with pytest.raises(UnknownRole):
            services.add_team_member(place.team, place.membership.user, role, actor=None)
        with pytest.raises(UnknownRole):
            services.change_team_role(place, role, actor=None)

    def test_deleted_team_takes_nobody(self, make_team, make_membership):
        """What was deleted meanwhile is not found."""
        team = make_team()
        membership = make_membership(team.organization)
        services.delete_team(team, actor=None)

        with pytest.raises(NotFound):
            services.add_team_member(team, membership.user, "member", actor=None)

    def test_role_changes(self, make_team_membership, events, catch_signal, on_commit, fresh):
        """With the role before; the same role again is no change."""
        place = make_team_membership()

        with catch_signal(signals.team_role_changed) as sent, on_commit():
            services.change_team_role(place, "lead", actor=None)
            services.change_team_role(place, "lead", actor=None)

        assert fresh(place).role == "lead"
        assert [each["old_role"] for each in sent] == ["member"]
        assert [each.changes for each in events("team_member.role_changed")] == [{"role": ["member", "lead"]}]

    def test_who_left_has_no_role(self, make_team_membership):
        """A place that ended meanwhile is not found."""
        place = make_team_membership()
        again = TeamMembership.objects.get(pk=place.pk)
        services.remove_team_member(place, actor=None)

        with pytest.raises(NotFound):
            services.change_team_role(again, "lead", actor=None)

    def test_member_is_taken_out(self, make_team_membership, events, catch_signal, on_commit):
        """They stay in the organization; the event and the signal still name the place."""
        place = make_team_membership()
        key = place.pk

        with catch_signal(signals.team_member_removed) as sent, on_commit():
            services.remove_team_member(place, actor=None)

        assert not TeamMembership.objects.exists()
        assert Membership.objects.filter(pk=place.membership_id).exists()
        assert [each["team_membership"].pk for each in sent] == [key]
        [event] = events("team_member.removed")
        assert (event.target_id, event.changes) == (str(key), {"role": ["member", None]})

    def test_removed_twice_is_recorded_once(self, make_team_membership, events):
        """Who was taken out already is not found."""
        place = make_team_membership()
        again = TeamMembership.objects.get(pk=place.pk)
        services.remove_team_member(place, actor=None)

        with pytest.raises(NotFound):
            services.remove_team_member(again, actor=None)

        assert len(events("team_member.removed")) == 1


class TestQueries:
    def test_teams_of_a_person(self, make_team_membership, make_team):
        """Those that the person is in."""
        place = make_team_membership()
        make_team(organization=place.team.organization)

        assert list(Team.objects.with_member(place.membership.user)) == [place.team]

    def test_number_of_members(self, make_team_membership, make_team, django_assert_num_queries):
        """One statement counts the members of every team, of the empty ones too."""
        place = make_team_membership()
        make_team_membership(place.team)
        empty = make_team(organization=place.team.organization)

        with django_assert_num_queries(1):
            counts = {each.pk: each.member_count for each in Team.objects.with_member_count()}
        assert counts == {place.team.pk: 2, empty.pk: 0}


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
class TestAtTheSameMoment:
    def test_one_name_makes_one_team(self, race, make_organization):
        """I22: of those who ask for one name at once one gets it."""
        organization = make_organization()

        outcomes = race(
            *(
                partial(services.create_team, organization, name=name, actor=None)
                for name in ("Design", "DESIGN", "design", "dEsIgN")
            )
        )

        assert sum(isinstance(each, Team) for each in outcomes) == 1, outcomes
        assert sum(isinstance(each, NameTaken) for each in outcomes) == 3

    def test_one_new_name(self, race, make_organization, make_team):
        """Changing to it is no different."""
        organization = make_organization()
        teams = [make_team(organization=organization) for _ in range(4)]

        outcomes = race(*(partial(services.change_team, each, name="Design", actor=None) for each in teams))

        assert sum(isinstance(each, Team) for each in outcomes) == 1, outcomes
        assert sum(isinstance(each, NameTaken) for each in outcomes) == 3

    def test_ten_adds_make_one_member(self, race, make_team, make_membership):
        """I32: the same person added ten times at once is in the team once."""
        team = make_team()
        user = make_membership(team.organization).user

        outcomes = race(*[partial(services.add_team_member, team, user, "member", actor=None)] * 10)

        assert sum(isinstance(each, TeamMembership) for each in outcomes) == 1, outcomes
        assert sum(isinstance(each, AlreadyInTeam) for each in outcomes) == 9

    def test_leaving_while_being_added(self, race, make_team, make_membership):
        """I33: who leaves the organization at the moment of joining a team is in neither."""
        team = make_team()
        for _ in range(20):
            membership = make_membership(team.organization)

            outcomes = race(
                partial(remove_member, membership, actor=None),
                partial(services.add_team_member, team, membership.user, "member", actor=None),
            )

            assert outcomes[0] is None, outcomes
            assert isinstance(outcomes[1], TeamMembership | NotInOrganization), outcomes
            assert not Membership.objects.filter(pk=membership.pk).exists()
            assert not TeamMembership.objects.exists()

    def test_restored_once(self, race, make_team, fresh):
        """Of two who restore a team at once one is told that it is not deleted."""
        team = make_team()
        services.delete_team(team, actor=None)

        outcomes = race(*[partial(services.restore_team, fresh(team), actor=None)] * 2)

        assert sum(isinstance(each, Team) for each in outcomes) == 1, outcomes
        assert sum(isinstance(each, NotDeleted) for each in outcomes) == 1
