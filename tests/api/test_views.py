"""A host's own collection on the kit's bases: all that it need say is in its declarations."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

import pytest
from django.apps import apps

from tests.api.conftest import fields_of

pytestmark = [pytest.mark.hosts("full"), pytest.mark.django_db]


def _names(response):
    assert response.status_code == 200, response.content
    return [row["name"] for row in response.json()["results"]]


class TestCollection:
    def test_life_of_a_row(self, api, owner):
        """Created, read, replaced, changed, deleted and restored."""
        created = api.send("POST", "widgets/", {"name": "First", "size": 2})
        assert created.status_code == 201
        row = created.json()
        path = f"widgets/{row['id']}/"
        assert row["organization"] == str(owner.organization_id)
        assert api.get(path).json() == row

        assert api.send("PUT", path, {"name": "Second"}).json()["name"] == "Second"
        assert api.send("PATCH", path, {"size": 7}).json()["size"] == 7
        assert api.send("DELETE", path).status_code == 204
        assert api.get(path).status_code == 404
        assert _names(api.get("widgets/")) == []
        restored = api.send("POST", f"{path}restore/")
        assert restored.status_code == 200
        assert api.get(path).json() == restored.json()

    def test_replacing_needs_every_required_field(self, api, make_widget):
        """PUT replaces, PATCH changes what it names."""
        path = f"widgets/{make_widget(name='Same').pk}/"

        assert fields_of(api.send("PUT", path, {"size": 3})) == {"name": "required"}
        assert api.send("PATCH", path, {"size": 3}).json()["name"] == "Same"
        assert api.send("PATCH", path, {}).status_code == 200

    def test_taken_name_is_an_error_on_its_field(self, api, make_widget, make_organization):
        """I22: unique in its organization whatever the case: 400 `unique`; a name of another's is free."""
        make_widget(name="Mine")
        make_widget(make_organization(), name="Theirs")
        other = make_widget(name="Other")

        assert fields_of(api.send("POST", "widgets/", {"name": "MINE"})) == {"name": "unique"}
        assert fields_of(api.send("PATCH", f"widgets/{other.pk}/", {"name": "mine"})) == {"name": "unique"}
        assert api.send("POST", "widgets/", {"name": "Theirs"}).status_code == 201

    def test_restore(self, api, make_widget):
        """I97: 409 for what is alive, and where the name was taken meanwhile."""
        widget = make_widget(name="Mine")
        path = f"widgets/{widget.pk}/restore/"
        alive = api.send("POST", path)
        assert (alive.status_code, alive.json()["code"]) == (409, "not_deleted")

        widget.delete()
        usurper = make_widget(name="mine")
        taken = api.send("POST", path)
        assert (taken.status_code, taken.json()["code"]) == (409, "unique")

        usurper.delete()
        assert api.send("POST", path).status_code == 200

    def test_restore_below_what_is_deleted(self, api, make_widget, owner):
        """What belongs to a deleted organization is not there."""
        widget = make_widget()
        widget.delete()
        owner.organization.delete()

        assert api.send("POST", f"widgets/{widget.pk}/restore/").status_code == 404

    def test_delete_of_what_is_in_use(self, api, make_widget):
        """409 `in_use` while something protects it."""
        widget = make_widget()
        shipment = apps.get_model("widgets.Shipment").objects.create(widget=widget, address="Here")
        path = f"widgets/{widget.pk}/"
        refused = api.send("DELETE", path)
        assert (refused.status_code, refused.json()["code"]) == (409, "in_use")

        shipment.delete()
        assert api.send("DELETE", path).status_code == 204

    def test_restore_is_for_who_may_delete(self, api, caller, make_widget, make_membership, owner):
        """I103: 403 to a member, 404 to a stranger."""
        member = caller(make_membership(owner.organization).user)
        stranger = caller(make_membership(role="owner").user)
        widget = make_widget()
        widget.delete()
        path = f"widgets/{widget.pk}/restore/"

        assert member.send("POST", path).status_code == 403
        assert stranger.send("POST", path).status_code == 404
        assert api.send("POST", path).status_code == 200

    def test_suspended_organization_can_be_read_only(self, api, make_widget, owner):
        """What is suspended answers 403 to every write, and reads as before."""
        from saas_kit.tenancy.models import Status
        from saas_kit.tenancy.services import set_organization_status

        path = f"widgets/{make_widget().pk}/"
        set_organization_status(owner.organization, Status.SUSPENDED, actor=None)
        for method, where, body in (
            ("PATCH", path, {}),
            ("DELETE", path, None),
            ("POST", "widgets/", {"name": "x"}),
        ):
            refused = api.send(method, where, body)
            assert (refused.status_code, refused.json()["code"]) == (403, "suspended")
        assert api.get(path).status_code == 200

        set_organization_status(owner.organization, Status.ACTIVE, actor=None)
        assert api.send("PATCH", path, {}).status_code == 200

    @pytest.mark.parametrize("rows", [1, 50])
    def test_statements_do_not_depend_on_the_rows(
        self, api, make_widget, rows, django_assert_max_num_queries
    ):
        """A list costs the caller's statement and its own, an object two more at most."""
        widgets = [make_widget() for _ in range(rows)]

        with django_assert_max_num_queries(3):
            api.get("widgets/", page_size=100)
        with django_assert_max_num_queries(3):
            api.get(f"widgets/{widgets[0].pk}/")


class TestOrganizationOfANewRow:
    def test_only_one_need_not_be_named(self, api, owner):
        """Whoever is in one organization need not say which."""
        assert api.send("POST", "widgets/", {"name": "x"}).json()["organization"] == str(
            owner.organization_id
        )

    def test_one_of_several_must(self, api, owner, make_organization):
        """In two it must be said; naming either is fine."""
        other = make_organization(owner=owner.user)

        assert fields_of(api.send("POST", "widgets/", {"name": "x"})) == {"organization": "required"}
        for organization in (other, owner.organization):
            answer = api.send("POST", "widgets/", {"name": "x", "organization": str(organization.pk)})
            assert answer.json()["organization"] == str(organization.pk)

    def test_of_somebody_else_does_not_exist(self, api, make_organization):
        """I7: another customer's id is answered as a random one."""
        answers = []
        for key in (make_organization().pk, uuid4()):
            answer = api.send("POST", "widgets/", {"name": "x", "organization": str(key)})
            assert fields_of(answer) == {"organization": "does_not_exist"}
            answers.append(answer.json()["errors"][0]["detail"].replace(str(key), ""))
        assert answers[0] == answers[1]

    def test_permission_is_asked_there(self, caller, make_membership, make_organization):
        """I29: a member of one organization and viewer of another creates in the one only."""
        member = make_membership()
        viewer = make_membership(user=member.user, role="viewer")
        asking = caller(member.user)

        answers = [
            asking.send(
                "POST", "widgets/", {"name": "x", "organization": str(each.organization_id)}
            ).status_code
            for each in (member, viewer)
        ]
        assert answers == [201, 403]


class TestActiveOrganization:
    @pytest.fixture
    def two(self, owner, make_organization, make_widget):
        """Two organizations of the owner's with a widget each."""
        organizations = [owner.organization, make_organization(owner=owner.user)]
        for n, organization in enumerate(organizations):
            make_widget(organization, name=f"in {n}")
        return organizations

    @pytest.mark.parametrize("by", ["id", "slug", "SLUG"])
    def test_narrows_lists_and_objects(self, api, two, by):
        """I10: one of the caller's organizations, by id or slug, is all that the request sees."""
        name = {"id": str(two[1].pk), "slug": two[1].slug, "SLUG": two[1].slug.upper()}[by]
        send = partial(api.send, headers={"X-Organization": name})
        everything = {row["name"]: row["id"] for row in api.get("widgets/").json()["results"]}
        assert set(everything) == {"in 0", "in 1"}

        assert _names(send("GET", "widgets/")) == ["in 1"]
        assert send("GET", f"widgets/{everything['in 1']}/").status_code == 200
        assert send("GET", f"widgets/{everything['in 0']}/").status_code == 404
        assert send("POST", "widgets/", {"name": "x"}).json()["organization"] == str(two[1].pk)
        elsewhere = send("POST", "widgets/", {"name": "y", "organization": str(two[0].pk)})
        assert fields_of(elsewhere) == {"organization": "does_not_exist"}

    @pytest.mark.parametrize(
        "name",
        ["", "nowhere", "\x00", "a b", "{}", "%00", "x" * 5000, "01920000-0000-7000-8000-000000000000"],
    )
    def test_unknown_one_is_not_found(self, api, two, name):
        """I120: 404 whatever the header says."""
        assert api.send("GET", "widgets/", headers={"X-Organization": name}).status_code == 404

    def test_never_widens(self, api, caller, two, make_organization, make_widget):
        """I10: another customer's organization is 404, and other headers and parameters change nothing."""
        other = make_organization(slug="other")
        make_widget(other)
        for name in (str(other.pk), "other"):
            assert api.send("GET", "widgets/", headers={"X-Organization": name}).status_code == 404
        usual = set(_names(api.get("widgets/")))
        for header in ("X-Org-Id", "X-Tenant-ID", "X-Original-URL", "X-Forwarded-Host"):
            assert set(_names(api.send("GET", "widgets/", headers={header: str(other.pk)}))) == usual
        assert fields_of(api.get("widgets/", org=str(other.pk))) == {"org": "unknown_parameter"}
        assert _names(api.get("widgets/", organization=str(other.pk))) == []
        assert caller().send("GET", "widgets/", headers={"X-Organization": "other"}).status_code == 401


class TestFilters:
    @pytest.fixture(autouse=True)
    def widgets(self, make_widget, make_organization):
        for name, size in (("Apple", 3), ("banana", 1), ("Cherry pie", 2), ("apple pie", 3)):
            make_widget(name=name, size=size)
        make_widget(make_organization(), name="Apple of another", size=3)

    def test_search(self, api):
        """I11: in the documented fields, whatever the case, among the caller's rows only."""
        assert set(_names(api.get("widgets/", search="APPLE"))) == {"Apple", "apple pie"}
        assert _names(api.get("widgets/", search="pie apple")) == ["apple pie"]
        assert _names(api.get("widgets/", search="another")) == []
        assert len(_names(api.get("widgets/", search=""))) == 4

    @pytest.mark.parametrize("text", ["\x00", "x" * 201, "a\x00b"])
    def test_bad_search(self, api, text):
        """I120: what is too long or no text is 400."""
        assert set(fields_of(api.get("widgets/", search=text))) == {"search"}

    @pytest.mark.parametrize("text", ["%", "_", "\\", "😀", "a'b", '"a b', "x" * 200])
    def test_odd_search_finds_what_it_says(self, api, text):
        """Characters that mean something elsewhere mean themselves."""
        assert _names(api.get("widgets/", search=text)) == []

    def test_ordering(self, api):
        """I11: by the documented fields, either way, several at once."""
        assert _names(api.get("widgets/", ordering="size,-created_at"))[0] == "banana"
        assert _names(api.get("widgets/", ordering="-size,created_at"))[:2] == ["Apple", "apple pie"]
        assert _names(api.get("widgets/", ordering=" -size , created_at "))[:2] == ["Apple", "apple pie"]
        assert _names(api.get("widgets/"))[0] == "apple pie"

    @pytest.mark.parametrize(
        "ordering",
        [
            "id",
            "organization__name",
            "password",
            "organization__owner__password",
            "",
            ",",
            "-",
            "--size",
            "size,",
            "?",
            "\x00",
            "size;drop",
        ],
    )
    def test_unknown_ordering(self, api, ordering):
        """I11: any other field is 400 `unknown_ordering`."""
        assert fields_of(api.get("widgets/", ordering=ordering)) == {"ordering": "unknown_ordering"}

    @pytest.mark.parametrize("ordering", ["size,size", "size,-size"])
    def test_field_twice(self, api, ordering):
        """A field named twice makes no sense."""
        assert fields_of(api.get("widgets/", ordering=ordering)) == {"ordering": "invalid"}

    def test_filter(self, api, owner):
        """I11: by what is documented, among the caller's rows only."""
        assert set(_names(api.get("widgets/", size="3"))) == {"Apple", "apple pie"}
        assert len(_names(api.get("widgets/", organization=str(owner.organization_id)))) == 4
        assert _names(api.get("widgets/", organization=str(uuid4()))) == []

    @pytest.mark.parametrize(
        "parameter",
        ["siez", "size__gt", "organization__name__startswith", "deleted_at", "pk", "expand", "_method"],
    )
    def test_unknown_filter(self, api, parameter):
        """I10, I11: a typing error never returns everything."""
        assert fields_of(api.get("widgets/", **{parameter: "x"})) == {parameter: "unknown_parameter"}

    @pytest.mark.parametrize("value", ["x", "\x00", "nan", "inf", "1e400", "-1e999999999", "9" * 5000])
    def test_bad_number(self, api, value):
        """I120: what is no number that fits is 400, or finds nothing."""
        response = api.get("widgets/", size=value)

        assert response.status_code == 400 or response.json()["results"] == []

    @pytest.mark.parametrize("value", ["1.5", "3.0000000000000000000000001", "1e40", "99999999999999999999"])
    def test_number_that_the_column_cannot_hold(self, api, value):
        """I11, I120: an integer column takes whole numbers of 64 bits; they may be written as ``3.0``."""
        assert fields_of(api.get("widgets/", size=value)) == {"size": "invalid"}
        assert set(_names(api.get("widgets/", size="3.0"))) == {"Apple", "apple pie"}

    @pytest.mark.parametrize("value", ["x", "\x00", "1", "0" * 33, "{}"])
    def test_bad_id(self, api, value):
        """I120: what is no id is 400."""
        assert set(fields_of(api.get("widgets/", organization=value))) == {"organization"}

    def test_filters_are_for_lists(self, api, make_widget):
        """A parameter does not make an object disappear."""
        assert api.get(f"widgets/{make_widget(size=1).pk}/", size="3", search="x").status_code == 200


class TestVersions:
    def _etag(self, api, path):
        return api.get(path)["ETag"]

    def test_same_object_same_tag(self, api, make_widget):
        """I121: a tag is of what the caller was answered, and a new one of a new answer."""
        path = f"widgets/{make_widget().pk}/"
        first = self._etag(api, path)
        assert first == self._etag(api, path)

        changed = api.send("PATCH", path, {"size": 9})
        assert changed["ETag"] != first
        assert changed["ETag"] == self._etag(api, path)
        assert api.send("POST", "widgets/", {"name": "x"})["ETag"]

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    def test_stale_tag_is_refused(self, api, make_widget, method):
        """I121: 412, and nothing is changed; with the present tag it is done."""
        widget = make_widget(name="before")
        path, body = f"widgets/{widget.pk}/", {"name": "after"}
        stale = self._etag(api, path)
        api.send("PATCH", path, {"size": 9})
        for tag in (stale, '"nonsense"', "", f"W/{self._etag(api, path)}"):
            refused = api.send(method, path, body, headers={"If-Match": tag})
            assert (refused.status_code, refused.json()["code"]) == (412, "stale")
        assert api.get(path).json()["name"] == "before"

        present = f'"other", {self._etag(api, path)}'
        assert api.send(method, path, body, headers={"If-Match": present}).status_code in (200, 204)

    def test_any_version_will_do(self, api, make_widget):
        """I121: `*` asks only that it be there."""
        path = f"widgets/{make_widget().pk}/"

        assert api.send("PATCH", path, {"size": 3}, headers={"If-Match": "*"}).status_code == 200
        assert api.send("PATCH", f"widgets/{uuid4()}/", {}, headers={"If-Match": "*"}).status_code == 404

    def test_refusals_come_first(self, caller, make_widget, make_membership, owner):
        """I1, I24, I121: 404 and 403 do not depend on the tag."""
        path = f"widgets/{make_widget().pk}/"
        stranger = caller(make_membership(role="owner").user)
        viewer = caller(make_membership(owner.organization, role="viewer").user)

        for tag in ('"x"', "*"):
            assert stranger.send("PATCH", path, {}, headers={"If-Match": tag}).status_code == 404
            assert viewer.send("PATCH", path, {}, headers={"If-Match": tag}).status_code == 403

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_of_parallel_changes_with_one_tag_one_is_done(self, api, caller, owner, make_widget, race):
        """I121: people who change the same version at the same moment do not overwrite each other."""
        path = f"widgets/{make_widget().pk}/"
        headers = {"If-Match": self._etag(api, path)}
        callers = [caller(owner.user) for _ in range(6)]

        answers = race(
            *(
                partial(each.send, "PATCH", path, {"size": n + 10}, headers=headers)
                for n, each in enumerate(callers)
            )
        )

        assert sorted(each.status_code for each in answers) == [200, 412, 412, 412, 412, 412]
        [winner] = [each for each in answers if each.status_code == 200]
        assert api.get(path).json()["size"] == winner.json()["size"]


class TestStaffAccess:
    def test_superuser_is_a_stranger_without_it(self, caller, make_user, make_widget):
        """I35: 404 and an empty list, as for anybody else."""
        staff, widget = caller(make_user(superuser=True)), make_widget()

        assert staff.get(f"widgets/{widget.pk}/").status_code == 404
        assert _names(staff.get("widgets/")) == []

    def test_each_act_is_recorded(self, caller, make_user, make_widget, settings, events):
        """I35: with it each act is in the audit log as staff access."""
        settings.SAAS_KIT_TENANCY_STAFF_ACCESS = True
        person, widget = make_user(superuser=True), make_widget()
        staff = caller(person)

        assert staff.get(f"widgets/{widget.pk}/").status_code == 200
        assert staff.send("PATCH", f"widgets/{widget.pk}/", {"size": 5}).status_code == 200

        recorded = events("staff.access")
        assert [each.changes["method"] for each in recorded] == ["GET", "PATCH"]
        assert {(each.actor, each.target_id, each.staff_access) for each in recorded} == {
            (person, str(widget.pk), True)
        }
        assert [each.staff_access for each in events("widget.changed")] == [True]
