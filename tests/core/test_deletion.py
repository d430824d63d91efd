"""Deletion by a mark: what it takes along, how it comes back, and when it goes for good."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from saas_kit.core.deletion import is_soft_deletable, purge, soft_deletable_models
from saas_kit.core.exceptions import NotDeleted, NotUnique, ParentDeleted, StillReferenced
from saas_kit.tenancy.models import Account, Membership

pytestmark = [pytest.mark.hosts("full"), pytest.mark.django_db]


@pytest.fixture
def host():
    """The models of the host's own app: a widget with parts, and shipments that protect it."""
    return SimpleNamespace(
        **{name: apps.get_model("widgets", name) for name in ("Widget", "Part", "Shipment")}
    )


@pytest.fixture
def make_widget(host, make_organization, number):
    def make(organization=None, *, name=None, parts=0):
        organization = organization or make_organization()
        widget = host.Widget.objects.create(organization=organization, name=name or f"Widget {next(number)}")
        host.Part.objects.bulk_create(host.Part(widget=widget, name=f"Part {n}") for n in range(parts))
        return widget

    return make


def _alive(model):
    return set(model.objects.values_list("pk", flat=True))


class TestDelete:
    def test_deleted_row_is_hidden_and_kept(self, make_widget, host):
        """I96: `objects` no longer finds it, `all_objects` does, and its row is still there."""
        widget, other = make_widget(), make_widget()

        assert widget.delete() == (1, {"widgets.Widget": 1})

        assert widget.is_deleted
        assert not other.is_deleted
        assert list(host.Widget.objects.all()) == [other]
        assert set(host.Widget.all_objects.all()) == {widget, other}
        assert list(host.Widget.all_objects.deleted()) == [widget]
        assert list(host.Widget.all_objects.alive()) == [other]

    def test_takes_along_what_belongs_to_it(self, make_widget, host):
        """I99: what points to it with CASCADE is deleted with it, over several levels, and only that."""
        widget, other = make_widget(parts=3), make_widget(parts=2)

        total, counts = widget.organization.delete()

        assert counts == {type(widget.organization)._meta.label: 1, "widgets.Widget": 1, "widgets.Part": 3}
        assert total == 5
        assert _alive(host.Widget) == {other.pk}
        assert host.Part.objects.count() == 2

    def test_from_the_account_down(self, make_widget, host):
        """I99: deleting the account reaches the parts of the widgets of its organizations."""
        widget = make_widget(parts=2)

        _, counts = widget.organization.account.delete()

        assert set(counts) == {
            "saas_kit_tenancy.Account", "saas_kit_tenancy.Organization", "widgets.Widget", "widgets.Part"
        }  # fmt: skip
        assert not host.Part.objects.exists()
        assert not host.Widget.objects.exists()

    def test_rows_that_cannot_be_marked_stay(self, make_membership):
        """Memberships are out of reach while the organization is, and are there again when it is."""
        membership = make_membership()

        membership.organization.delete()

        assert Membership.objects.filter(pk=membership.pk).exists()

    @pytest.mark.parametrize("rows", [1, 40])
    def test_number_of_statements_does_not_depend_on_the_rows(self, make_widget, make_organization, rows):
        """One UPDATE a relation, however many rows there are."""
        organization = make_organization()
        for _ in range(rows):
            make_widget(organization, parts=2)

        with CaptureQueriesContext(
            connection,
        ) as captured:
            organization.delete()

        updates = [each["sql"] for each in captured if each["sql"].startswith("UPDATE")]
        assert len(updates) == len(set(updates)) <= 6
        assert len(captured) <= 22

    def test_deleting_twice_changes_nothing(self, make_widget, fresh):
        """The second deletion finds nothing alive, and the time of the first stays."""
        widget = make_widget()
        widget.delete()
        first = fresh(widget)

        assert widget.delete() == (0, {})

        assert (fresh(widget).deleted_at, fresh(widget).deletion_id) == (first.deleted_at, first.deletion_id)

    @pytest.mark.parametrize("which", ["alive", "related", "sliced", "ordered", "joined", "distinct"])
    def test_query_sets_delete_by_the_mark(self, make_widget, make_organization, host, which):
        """I98: `QuerySet.delete()` hides rows, whatever the query set looks like."""
        organization = make_organization()
        widget = make_widget(organization, name="A", parts=2)
        queryset = {
            "alive": lambda: host.Widget.objects.filter(pk=widget.pk),
            "related": lambda: organization.account.organizations.filter(pk=organization.pk),
            "sliced": lambda: host.Widget.objects.filter(organization=organization)[:1],
            "ordered": lambda: host.Widget.objects.filter(pk=widget.pk).order_by("-name"),
            "joined": lambda: host.Widget.objects.filter(
                parts__name="Part 1", organization__slug=organization.slug
            ),
            "distinct": lambda: host.Widget.objects.filter(parts__name__startswith="Part").distinct(),
        }[which]()

        queryset.delete()

        assert not host.Widget.objects.exists()
        assert host.Widget.all_objects.get() == widget
        assert host.Part.all_objects.count() == 2

    def test_related_manager_deletes_by_the_mark(self, make_widget, host):
        """I98: so does the manager of the other side of a foreign key."""
        widget = make_widget(parts=2)

        widget.parts.all().delete()

        assert host.Part.objects.count() == 0
        assert host.Part.all_objects.count() == 2
        assert widget.parts.count() == 0

    def test_one_restore_brings_back_what_one_query_set_deleted(self, make_widget, host):
        """Rows that went with one call belong together, and each restores what belongs to it alone or not at all."""
        first, second = make_widget(parts=1), make_widget(parts=1)
        host.Widget.objects.filter(pk__in=[first.pk, second.pk]).delete()

        first.refresh_from_db(from_queryset=host.Widget.all_objects)
        first.restore()

        assert first.pk in _alive(host.Widget)

    def test_raw_foreign_key_does_not_find_the_deleted(self, make_widget, host):
        """I96: a filter through a relation still sees only what the manager in front of it hides."""
        widget = make_widget(parts=1)
        host.Part.objects.get().delete()

        assert host.Part.objects.filter(widget=widget).count() == 0
        assert host.Part.all_objects.filter(widget=widget).count() == 1


class TestProtection:
    def test_what_is_protected_cannot_be_deleted(self, make_widget, host):
        """Something alive that points to it with PROTECT keeps it, and nothing at all is marked."""
        widget = make_widget(parts=2)
        shipment = host.Shipment.objects.create(widget=widget, address="Here")

        with pytest.raises(StillReferenced):
            widget.delete()
        assert widget.pk in _alive(host.Widget)
        assert host.Part.objects.count() == 2

        shipment.delete()
        widget.delete()
        assert not host.Widget.objects.exists()

    def test_protects_from_above_too(self, make_widget, host):
        """A protected row two levels down keeps the account."""
        widget = make_widget()
        host.Shipment.objects.create(widget=widget, address="Here")

        with pytest.raises(StillReferenced):
            widget.organization.account.delete()

        assert Account.objects.filter(pk=widget.organization.account_id).exists()
        assert widget.pk in _alive(host.Widget)


class TestRestore:
    def test_brings_back_exactly_what_went_along(self, make_widget, host, fresh):
        """I99: what had been deleted before on its own stays deleted."""
        widget = make_widget(parts=3)
        before = host.Part.objects.first()
        before.delete()
        earlier = make_widget(widget.organization)
        earlier.delete()
        organization = widget.organization
        organization.delete()

        organization.restore()

        assert not organization.is_deleted
        assert not fresh(widget).is_deleted
        assert host.Part.objects.count() == 2
        assert fresh(before).is_deleted
        assert fresh(earlier).is_deleted

    def test_from_the_account_down(self, make_widget, host):
        """I99: the account brings its organizations, widgets and parts back."""
        widget = make_widget(parts=2)
        gone = make_widget(widget.organization)
        gone.delete()
        account = widget.organization.account
        account.delete()

        account.restore()

        assert _alive(host.Widget) == {widget.pk}
        assert host.Part.objects.count() == 2

    def test_only_the_deleted_can_be_restored(self, make_widget):
        """Restoring twice, or something alive, is refused."""
        widget = make_widget()
        with pytest.raises(NotDeleted):
            widget.restore()
        widget.delete()
        widget.restore()
        with pytest.raises(NotDeleted):
            widget.restore()

    def test_what_was_purged_is_not_there(self, make_widget):
        """A row that is gone for good cannot be restored."""
        widget = make_widget()
        widget.delete()
        key = widget.pk
        widget.purge()
        widget.pk = key

        with pytest.raises(NotDeleted):
            widget.restore()

    def test_names_are_free_while_deleted(self, make_widget, make_organization):
        """I97: what is deleted does not hold its name, what is alive does."""
        organization = make_organization()
        widget = make_widget(organization, name="Best")
        with pytest.raises(IntegrityError), transaction.atomic():
            make_widget(organization, name="BEST")

        widget.delete()

        make_widget(organization, name="best")

    def test_taken_name_is_refused_and_nothing_restored(self, make_widget, make_organization, host, fresh):
        """I97: where the name was taken meanwhile nothing comes back; once it is free again, all does."""
        organization = make_organization()
        widget = make_widget(organization, name="Best", parts=2)
        widget.delete()
        usurper = make_widget(organization, name="best")

        with pytest.raises(NotUnique):
            widget.restore()
        assert fresh(widget).is_deleted
        assert not host.Part.objects.exists()

        usurper.delete()
        widget.restore()
        assert host.Part.objects.count() == 2

    def test_taken_name_below_is_refused_as_well(self, make_widget, make_organization, fresh):
        """I97: a name inside an organization counts when the organization is restored."""
        slug = "taken-meanwhile"
        organization = make_organization(slug=slug)
        account = organization.account
        account.delete()
        make_organization(slug=slug)

        with pytest.raises(NotUnique):
            account.restore()

        assert fresh(organization).is_deleted
        assert fresh(account).is_deleted

    def test_needs_what_it_belongs_to(self, make_widget, host, fresh):
        """Something cannot come back into what is deleted; once that is restored, it can."""
        widget = make_widget(parts=1)
        widget.delete()
        part = host.Part.all_objects.get()
        with pytest.raises(ParentDeleted):
            part.restore()

        organization = widget.organization
        organization.delete()
        with pytest.raises(ParentDeleted):
            widget.restore()

        organization.restore()
        widget.restore()
        assert not fresh(part).is_deleted

    def test_comes_back_below_a_parent_that_is_alive(self, make_widget, host):
        """A part that was deleted on its own is restored on its own."""
        make_widget(parts=2)
        part = host.Part.objects.first()
        part.delete()

        part.restore()

        assert host.Part.objects.count() == 2

    @pytest.mark.parametrize("rows", [1, 40])
    def test_number_of_statements_does_not_depend_on_the_rows(self, make_widget, make_organization, rows):
        """One UPDATE a model, however many rows there are."""
        organization = make_organization()
        for _ in range(rows):
            make_widget(organization, parts=2)
        organization.delete()

        with CaptureQueriesContext(connection) as captured:
            organization.restore()

        assert len([each for each in captured if each["sql"].startswith("UPDATE")]) <= 5
        assert len(captured) <= 16


class TestPurge:
    def test_removes_the_row_and_what_belongs_to_it(self, make_widget, host):
        """`purge()` of a row removes it for good, its neighbours stay."""
        widget, other = make_widget(parts=2), make_widget(parts=1)

        widget.purge()

        assert list(host.Widget.all_objects.all()) == [other]
        assert host.Part.all_objects.count() == 1

    def test_query_set_removes_rows_for_good(self, make_widget, host):
        """`QuerySet.purge()` is the only way for a query set to remove rows."""
        widget, other = make_widget(parts=2), make_widget()

        host.Widget.all_objects.filter(pk=widget.pk).purge()

        assert list(host.Widget.all_objects.all()) == [other]

    def test_batches_are_bounded(self, make_widget, make_organization, host):
        """However much is due, a transaction removes only so many rows of the model."""
        organization = make_organization()
        for _ in range(7):
            make_widget(organization)
        host.Widget.objects.all().delete()

        batches = list(purge(host.Widget, deleted_before=timezone.now() + timedelta(days=1), batch_size=3))

        assert batches == [3, 3, 1]
        assert not host.Widget.all_objects.exists()

    def test_only_what_is_due_goes(self, make_widget, host):
        """What is alive, or was deleted since, stays."""
        due, later, alive = make_widget(), make_widget(), make_widget()
        due.delete()
        later.delete()
        host.Widget.all_objects.filter(pk=due.pk).update(deleted_at=timezone.now() - timedelta(days=31))

        list(purge(host.Widget, deleted_before=timezone.now() - timedelta(days=30), batch_size=10))

        assert set(host.Widget.all_objects.all()) == {later, alive}


def _delete_long_ago(instance, days):
    instance.delete()
    for model in soft_deletable_models():
        model._base_manager.filter(deletion_id=instance.deletion_id).update(
            deleted_at=timezone.now() - timedelta(days=days)
        )


def _purge(capsys, *arguments):
    call_command("saas_kit_purge", *arguments)
    return capsys.readouterr().out.splitlines()


class TestPurgeCommand:
    def test_removes_what_is_older_than_the_retention_time(self, make_widget, host, settings, capsys, fresh):
        """I102: after the retention time rows are gone; what is younger can still be restored."""
        settings.SAAS_KIT_TENANCY_RETENTION_DAYS = 10
        old, young, alive = make_widget(parts=2), make_widget(parts=1), make_widget(parts=1)
        _delete_long_ago(old, days=11)
        _delete_long_ago(young, days=9)

        lines = _purge(capsys)

        assert set(host.Widget.all_objects.all()) == {young, alive}
        assert host.Part.all_objects.count() == 2
        assert "widgets.Widget: 1 rows removed, with what belonged to them" in [
            line.replace(" 3 ", " 1 ") for line in lines
        ]
        young.refresh_from_db(from_queryset=host.Widget.all_objects)
        young.restore()
        assert not fresh(young).is_deleted

    def test_whole_account_goes_with_all_that_it_owns(self, make_widget, make_membership, host, capsys):
        """I102: organizations, memberships and the host's rows go with the account, and no other account's do."""
        widget, other = make_widget(parts=1), make_widget(parts=1)
        make_membership(widget.organization)
        account = widget.organization.account
        _delete_long_ago(account, days=31)

        _purge(capsys)

        assert not Account.all_objects.filter(pk=account.pk).exists()
        assert not Membership.objects.filter(organization=widget.organization_id).exists()
        assert list(host.Widget.all_objects.all()) == [other]
        assert Membership.objects.filter(organization=other.organization_id).exists()

    def test_days_can_be_given(self, make_widget, host, capsys):
        """`--days` stands in for the setting, 0 means all that is deleted."""
        widget = make_widget()
        _delete_long_ago(widget, days=5)

        _purge(capsys, "--days=6")
        assert host.Widget.all_objects.exists()

        _purge(capsys, "--days=0")
        assert not host.Widget.all_objects.exists()

    def test_dry_run_removes_nothing_and_says_what_it_would(self, make_widget, host, capsys):
        """`--dry-run` counts."""
        widget = make_widget(parts=2)
        _delete_long_ago(widget, days=31)

        lines = _purge(capsys, "--dry-run")

        assert "widgets.Widget: 1 would be removed, with what belongs to them" in lines
        assert "widgets.Part: 2 would be removed, with what belongs to them" in lines
        assert host.Part.all_objects.count() == 2

    def test_running_twice_is_as_running_once(self, make_widget, host, capsys):
        """It can be stopped and run again: the second run finds nothing."""
        _delete_long_ago(make_widget(parts=1), days=31)
        _purge(capsys)

        lines = _purge(capsys)

        assert lines
        assert all(": 0 rows removed" in line for line in lines)

    def test_says_how_far_it_is_when_asked(self, make_widget, make_organization, capsys):
        """With `--verbosity=2` each batch is reported."""
        organization = make_organization()
        for _ in range(3):
            _delete_long_ago(make_widget(organization), days=31)

        lines = _purge(capsys, "--batch-size=2", "--verbosity=2")

        assert [line for line in lines if line.startswith("widgets.Widget") and "so far" in line] == [
            "widgets.Widget: 2 rows removed so far",
            "widgets.Widget: 3 rows removed so far",
        ]

    def test_what_protected_it_goes_in_the_same_run(self, make_widget, host, capsys):
        """I102: a row that was protected by something that is due as well does not hold up the purge."""
        widget = make_widget()
        shipment = host.Shipment.objects.create(widget=widget, address="Here")
        _delete_long_ago(shipment, days=32)
        _delete_long_ago(widget, days=31)

        _purge(capsys)

        assert not host.Widget.all_objects.exists()
        assert not host.Shipment.all_objects.exists()

    def test_what_is_still_protected_waits_and_holds_up_nothing(self, make_widget, host, capsys):
        """What something younger points to waits for it; all else goes."""
        waiting, due = make_widget(), make_widget()
        shipment = host.Shipment.objects.create(widget=waiting, address="Here")
        _delete_long_ago(shipment, days=1)
        _delete_long_ago(waiting, days=31)
        _delete_long_ago(due, days=31)

        _purge(capsys, "--batch-size=1")

        assert list(host.Widget.all_objects.all()) == [waiting]
        assert list(host.Shipment.all_objects.all()) == [shipment]

    @pytest.mark.parametrize("arguments", [["--days=-1"], ["--batch-size=0"]])
    def test_senseless_numbers_are_refused(self, make_widget, host, capsys, arguments):
        """A negative number of days would remove what was deleted just now, and an empty batch would never end."""
        make_widget().delete()

        with pytest.raises(SystemExit):
            call_command("saas_kit_purge", *arguments)

        assert capsys.readouterr().err
        assert host.Widget.all_objects.exists()


def test_models_that_are_deleted_by_a_mark_are_known(host):
    """The kit's and the host's models are listed, those whose rows go at once are not."""
    listed = soft_deletable_models()

    assert {host.Widget, host.Part, host.Shipment, Account} <= set(listed)
    assert Membership not in listed
    assert all(map(is_soft_deletable, listed))
