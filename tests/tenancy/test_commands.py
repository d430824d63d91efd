"""Commands that name the organizations that they work on, and any other command in a scope."""

from __future__ import annotations

import json
import logging
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from saas_kit.tenancy import current_scope, scope, unscoped
from saas_kit.tenancy.exceptions import ScopeRequired
from saas_kit.tenancy.management.scoped import OrganizationCommand

pytestmark = [
    pytest.mark.hosts("full", "default_user", "custom_organization"),
    pytest.mark.django_db,
    pytest.mark.without_scope,
]


class Seen(OrganizationCommand):
    """Tells in which scope it ran; a subclass adds its own arguments without a word of the scope."""

    seen = None

    def add_arguments(self, parser):
        parser.add_argument("--fail", action="store_true")

    def handle(self, *args, **options):
        self.seen = current_scope()
        if options["fail"]:
            raise RuntimeError


@pytest.fixture
def command():
    """A command of the host's."""
    return Seen()


class TestOrganizationCommand:
    @pytest.mark.parametrize("name", ["pk", "slug"])
    def test_runs_in_the_scope_that_is_named(self, command, make_organization, name):
        """By its id or its slug; nothing of the scope is left afterwards."""
        organization = make_organization()

        call_command(command, "--organization", str(getattr(organization, name)))

        assert command.seen.organization_ids == {organization.pk}
        assert command.organizations == [organization]
        assert current_scope() is None

    def test_takes_several(self, command, make_organization):
        """The scope holds each."""
        one, two = make_organization(), make_organization()

        call_command(command, organization=[one.slug, two.pk])

        assert command.seen.organization_ids == {one.pk, two.pk}

    def test_takes_one_as_a_keyword(self, command, make_organization):
        """From code an organization itself does, too."""
        organization = make_organization()

        call_command(command, organization=organization)

        assert command.seen.only == organization.pk

    def test_takes_all_and_logs_it(self, command, caplog):
        """The log names the command."""
        with caplog.at_level(logging.INFO, logger="saas_kit.tenancy"):
            call_command(command, "--all-organizations")

        assert command.seen.organization_ids is None
        assert "--all-organizations" in caplog.text

    @pytest.mark.parametrize("arguments", [(), ("--all-organizations", "--organization", "acme")])
    def test_needs_one_of_the_two(self, command, make_organization, arguments):
        """Nothing is assumed where nothing, or both, is said."""
        make_organization(slug="acme")

        with pytest.raises(CommandError, match="Give either"):
            call_command(command, *arguments)

        assert command.seen is None

    @pytest.mark.parametrize("name", ["nobody", "01920000-0000-7000-8000-000000000000", ""])
    def test_refuses_an_unknown_organization(self, command, make_organization, name):
        """Before anything ran, also where another one is known."""
        known = make_organization()

        with pytest.raises(CommandError, match="There is no organization"):
            call_command(command, "--organization", known.slug, "--organization", name)

        assert command.seen is None

    def test_refuses_a_deleted_organization(self, command, make_organization):
        """By its id it is told that it is deleted; its slug may be somebody else's by now."""
        organization = make_organization()
        with unscoped(reason="the test deletes it"):
            organization.delete()

        with pytest.raises(CommandError, match="is deleted"):
            call_command(command, "--organization", str(organization.pk))
        with pytest.raises(CommandError, match="There is no organization"):
            call_command(command, "--organization", organization.slug)
        assert command.seen is None

    def test_scope_ends_with_an_error(self, command, make_organization):
        """M20: the next command in the process has none of it."""
        with pytest.raises(RuntimeError):
            call_command(command, "--fail", organization=make_organization())

        assert current_scope() is None


@pytest.fixture
def team(make_team):
    """A team of A, the organization in scope."""
    return make_team("Ours")


@pytest.fixture
def other_team(make_team):
    """A team of B, which nobody asked about."""
    return make_team("Canary of B")


def run(*arguments):
    """What a command that runs in a scope prints."""
    printed = StringIO()
    call_command("saas_kit_in_scope", *arguments, stdout=printed)
    return printed.getvalue()


def dump(organization, *labels):
    return run("--organization", str(organization.pk), "--", "dumpdata", *labels)


@pytest.fixture
def load(tmp_path):
    """Load rows in the scope of an organization."""

    def load_rows(organization, rows):
        path = tmp_path / "rows.json"
        path.write_text(json.dumps(rows))
        return run("--organization", str(organization.pk), "--", "loaddata", str(path))

    return load_rows


class TestInScope:
    def test_dumps_nothing_of_others(self, team, other_team):
        """I13: the dump of A's rows has A's, and nothing of B's."""
        text = dump(team.organization, "saas_kit_teams", "--indent", "1")

        assert {row["pk"] for row in json.loads(text)} == {str(team.pk)}
        for canary in (other_team.name, str(other_team.pk), str(other_team.organization_id)):
            assert canary not in text

    def test_dumps_several_and_all(self, team, other_team):
        """Where they are named, or all are asked for with a reason."""
        both = {str(team.pk), str(other_team.pk)}
        names = [f"--organization={each.organization_id}" for each in (team, other_team)]

        assert {row["pk"] for row in json.loads(run(*names, "--", "dumpdata", "saas_kit_teams"))} == both
        everything = run(
            "--all-organizations", "--reason", "moving house", "--", "dumpdata", "saas_kit_teams"
        )
        assert {row["pk"] for row in json.loads(everything)} == both

    def test_all_organizations_need_a_reason(self, team):
        """It is written to the log, so it must be there."""
        with pytest.raises(CommandError, match="--reason"):
            run("--all-organizations", "--", "dumpdata", "saas_kit_teams")

    def test_nothing_is_dumped_or_loaded_without_a_scope(self, team, tmp_path):
        """The same commands by themselves are refused."""
        path = tmp_path / "rows.json"
        path.write_text(dump(team.organization, "saas_kit_teams"))

        with pytest.raises(CommandError, match="no scope says which"):
            call_command("dumpdata", "saas_kit_teams", stdout=StringIO())
        with pytest.raises(ScopeRequired):
            call_command("loaddata", str(path), stdout=StringIO())

    def test_loads_rows_of_the_scope(self, team, load, fresh):
        """What was dumped can be changed, removed and loaded again."""
        from saas_kit.teams.models import Team

        rows = json.loads(dump(team.organization, "saas_kit_teams"))
        with scope(team.organization):
            rows[0]["fields"]["name"] = "Renamed"
            load(team.organization, rows)
            assert fresh(team).name == "Renamed"
            team.purge()
            load(team.organization, rows)
            assert Team.objects.get().pk == team.pk

    def test_loads_nothing_elsewhere(self, team, other_team, load, fresh):
        """Neither a change of B's row, nor a new row in B, nor B's row moved to A."""
        [row] = json.loads(dump(other_team.organization, "saas_kit_teams"))
        row["fields"]["name"] = "Taken over"
        new = {**row, "pk": str(uuid4()), "fields": {**row["fields"], "slug": "new"}}
        moved = {**row, "fields": {**row["fields"], "organization": str(team.organization_id)}}

        for rows in ([row], [new], [moved]):
            with pytest.raises((CommandError, IntegrityError), match=r"does not belong|(?i:unique)"):
                load(team.organization, rows)
            with unscoped(reason="the test looks at all rows"):
                kept = fresh(other_team)
                assert (kept.name, kept.organization_id) == (other_team.name, other_team.organization_id)
                assert type(kept)._base_manager.count() == 2

        load(other_team.organization, [row])
        with scope(other_team.organization):
            assert fresh(other_team).name == "Taken over"

    def test_other_commands_run_with_their_own_arguments(self, team, other_team, capfd):
        """What stands behind the two dashes is the other command's, its options too."""
        named = ("--organization", team.organization.slug, "--")
        code = "from saas_kit.teams.models import Team; print('teams:', Team.objects.count())"

        run(*named, "shell", "-c", code)

        assert "teams: 1\n" in capfd.readouterr().out
        with pytest.raises(CommandError, match="Unknown command"):
            run(*named, "no_such_command")
        with pytest.raises(CommandError, match="unrecognized arguments"):
            run(*named, "dumpdata", "--nonsense")

    def test_scope_ends_with_the_command(self, team):
        """M20: also where the command failed."""
        with pytest.raises(CommandError):
            run("--organization", team.organization.slug, "--", "dumpdata", "no_such_app")

        assert current_scope() is None
