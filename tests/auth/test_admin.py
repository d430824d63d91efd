"""People and their sessions in Django's admin."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from saas_kit.audit.models import Event
from saas_kit.auth import services
from saas_kit.auth.models import Erasure, Session
from tests.auth.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full")]


@pytest.fixture
def admin(make_person):
    person = make_person("root@example.com", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(person, backend="saas_kit.auth.backends.EmailBackend")
    return client


def test_staff_sign_in_with_their_address(make_person):
    make_person("root@example.com", is_staff=True)

    response = Client().post(reverse("admin:login"), {"username": "ROOT@example.com", "password": PASSWORD})

    assert response.status_code == 302


def test_a_person_is_made_by_the_service(admin):
    response = admin.post(
        reverse("admin:saas_kit_auth_user_add"),
        {"email": "Ann@Example.com", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD},
    )

    person = get_user_model().objects.get(email="ann@example.com")
    assert response.headers["Location"] == reverse("admin:saas_kit_auth_user_change", args=[person.pk])
    assert person.check_password(PASSWORD)
    assert EmailAddress.objects.filter(user=person, email="ann@example.com").exists()
    assert Event.objects.filter(action="user.created", target_id=str(person.pk), actor__isnull=False).exists()


def test_a_taken_address_is_an_error_of_the_form(admin, make_person):
    make_person("ann@example.com")

    response = admin.post(
        reverse("admin:saas_kit_auth_user_add"),
        {"email": "ANN@example.com", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD},
    )

    assert "There is an account with this address already." in response.content.decode()


def test_i58_a_weak_password_is_an_error_of_the_form(admin, make_person):
    weak = "x-" * 100
    url = reverse("admin:saas_kit_auth_user_add")
    body = {"email": "ann@example.com", "usable_password": "true"}

    response = admin.post(url, {**body, "password1": weak, "password2": weak})

    assert "A password has 8 to 128 characters." in response.content.decode()
    assert not get_user_model().objects.filter(email="ann@example.com").exists()
    url = reverse("admin:auth_user_password_change", args=[make_person("bob@example.com").pk])
    response = admin.post(url, {"usable_password": "true", "password1": weak, "password2": weak})
    assert "A password has 8 to 128 characters." in response.content.decode()


@pytest.mark.parametrize("usable", ["true", "false"])
def test_m2_i74_a_new_password_ends_sessions_and_is_recorded_without_it(admin, make_signed_in, usable):
    signed_in, unchanged = make_signed_in(), make_signed_in()
    new = {"password1": "another good one", "password2": "another good one"} if usable == "true" else {}
    url = reverse("admin:auth_user_password_change", args=[signed_in.user.pk])
    assert admin.get(url).status_code == 200

    response = admin.post(url, {"usable_password": usable, "unset-password": "1", **new})

    assert response.status_code == 302
    signed_in.user.refresh_from_db()
    assert signed_in.user.check_password("another good one") is (usable == "true")
    assert Session.objects.live().get() == unchanged.session
    event = Event.objects.get(action="user.changed")
    assert (event.target_id, event.changes) == (str(signed_in.user.pk), {"password": [None, None]})
    assert event.actor.email == "root@example.com"


def test_a_person_cannot_be_deleted(admin, make_person):
    person = make_person()
    url = reverse("admin:saas_kit_auth_user_changelist")

    assert admin.post(reverse("admin:saas_kit_auth_user_delete", args=[person.pk])).status_code == 403
    admin.post(url, {"action": "delete_selected", "_selected_action": [str(person.pk)], "post": "yes"})

    assert get_user_model().objects.filter(pk=person.pk).exists()
    response = admin.get(reverse("admin:saas_kit_auth_user_change", args=[person.pk]))
    assert "Deactivate people, don" in response.content.decode()


@pytest.fixture
def change(admin):
    """Return a function that sends a person's form with some fields changed."""

    def change(person, **values):
        url = reverse("admin:saas_kit_auth_user_change", args=[person.pk])
        body = {"email": person.email, "first_name": "", "last_name": "", "is_active": "on", **values}
        response = admin.post(url, {name: value for name, value in body.items() if value is not None})
        person.refresh_from_db()
        return response

    return change


def test_every_change_is_recorded(change, make_person):
    person, group = make_person(), Group.objects.create(name="Support")

    change(person, first_name="Ann", is_staff="on", is_superuser="on", groups=[group.pk])
    change(person, first_name="Ann", is_staff="on", is_superuser="on", groups=[group.pk])

    event = Event.objects.get(action="user.changed")
    assert event.changes == {
        "first_name": ["", "Ann"],
        "is_staff": [False, True],
        "is_superuser": [False, True],
        "groups": [[], ["Support"]],
    }
    assert event.actor.email == "root@example.com"


def test_i74_another_address_is_unverified_recorded_and_ends_sessions(change, make_signed_in):
    signed_in, unchanged = make_signed_in(), make_signed_in()
    person, old = signed_in.user, signed_in.user.email
    EmailAddress.objects.filter(user=person).update(verified=True)

    assert change(person, email="New@Example.com").status_code == 302

    address = EmailAddress.objects.get(user=person)
    assert person.email == address.email == "new@example.com"
    assert (address.primary, address.verified) == (True, False)
    event = Event.objects.get(action="user.changed")
    assert event.changes == {"email": [old, "new@example.com"]}
    assert Session.objects.live().get() == unchanged.session


@pytest.mark.parametrize("email", ["TAKEN@example.com", "a@" + "\ua7dc" * 60 + ".com"])
def test_i57_an_address_that_cannot_be_had_is_an_error_of_the_form(change, make_person, email):
    make_person("taken@example.com")
    person = make_person("ann@example.com")

    assert change(person, email=email).status_code == 200

    assert person.email == EmailAddress.objects.get(user=person).email == "ann@example.com"


def test_somebody_is_deactivated_once_and_reactivated(change, make_person):
    person = make_person()

    change(person, is_active=None)
    change(person, is_active=None, first_name="Ann")
    assert (person.is_active, person.first_name) == (False, "Ann")
    change(person, first_name="Ann")

    assert person.is_active
    assert Event.objects.filter(action="user.deactivated").count() == 1
    changes = list(
        Event.objects.filter(action="user.changed").order_by("id").values_list("changes", flat=True)
    )
    assert changes == [{"first_name": ["", "Ann"]}, {"is_active": [False, True]}]


def test_i74_deactivating_ends_sessions(admin, make_signed_in):
    signed_in = make_signed_in()
    url = reverse("admin:saas_kit_auth_user_change", args=[signed_in.user.pk])
    assert admin.get(url).status_code == 200

    admin.post(url, {"email": signed_in.user.get_username(), "first_name": "Ann", "last_name": ""})

    signed_in.user.refresh_from_db()
    assert (signed_in.user.is_active, signed_in.user.first_name) == (False, "Ann")
    assert not Session.objects.filter(revoked_at__isnull=True).exists()


@pytest.fixture
def sessions(admin):
    """Return a function that lists the sessions that a search and filters leave."""

    def sessions(**query):
        response = admin.get(reverse("admin:saas_kit_auth_session_changelist"), query)
        assert response.status_code == 200
        return set(response.context["cl"].result_list)

    return sessions


@pytest.fixture
def end_sessions(admin):
    """Return a function that has the action end sessions, and returns what it says."""

    def end_sessions(*chosen, client=admin):
        body = {"action": "revoke", "_selected_action": [str(each.pk) for each in chosen]}
        response = client.post(reverse("admin:saas_kit_auth_session_changelist"), body, follow=True)
        return [str(message) for message in response.context["messages"]]

    return end_sessions


def test_sessions_can_be_ended_and_not_changed(admin, end_sessions, make_signed_in):
    ended, kept = make_signed_in(), make_signed_in()
    url = reverse("admin:saas_kit_auth_session_change", args=[kept.session.pk])
    assert admin.get(url).status_code == 200
    assert admin.post(url, {"user_agent": "x"}).status_code == 403
    assert admin.get(reverse("admin:saas_kit_auth_session_add")).status_code == 403
    delete = reverse("admin:saas_kit_auth_session_delete", args=[kept.session.pk])
    assert admin.post(delete, {"post": "yes"}).status_code == 403

    assert end_sessions(ended.session) == ["1 session was ended."]

    assert Session.objects.live().get() == kept.session
    event = Event.objects.get(action="session.revoked")
    assert (event.target_id, event.actor.email) == (str(ended.session.pk), "root@example.com")


def test_sessions_that_are_over_are_not_ended_again(end_sessions, make_signed_in):
    live, ended, expired = (make_signed_in().session for _ in range(3))
    services.revoke_session(ended, actor=None)
    Session.objects.filter(pk=expired.pk).update(expires_at=timezone.now())

    assert end_sessions(live, ended, expired) == ["1 session was ended."]

    expired.refresh_from_db()
    assert expired.revoked_at is None


def test_who_may_only_look_ends_none(end_sessions, make_person, make_signed_in):
    """The action is for who may delete sessions in Django's terms."""
    operator, session = make_person("op@example.com", is_staff=True), make_signed_in().session
    permissions = Permission.objects.filter(content_type__app_label="saas_kit_auth")
    operator.user_permissions.add(permissions.get(codename="view_session"))
    client = Client()
    client.force_login(operator, backend="saas_kit.auth.backends.EmailBackend")

    end_sessions(session, client=client)
    assert Session.objects.live().exists()

    operator.user_permissions.add(permissions.get(codename="delete_session"))
    assert end_sessions(session, client=client) == ["1 session was ended."]


def test_sessions_are_found_by_what_an_operator_knows(sessions, make_person):
    ann = make_person("ann@example.com")
    found = services.open_session(ann, ip_address="203.0.113.7", user_agent="Mozilla Firefox/140.0").session
    other = services.open_session(make_person(), ip_address="203.0.113.8", user_agent="curl/8").session

    for known in (str(found.pk), str(ann.pk), "ann@example.com", "ANN@", "203.0.113.7", "firefox"):
        assert sessions(q=known) == {found}, known
    assert sessions(q="example.com") == {found, other}
    for nothing in ("nobody", "203.0.113.9", "x' OR 1=1"):
        assert sessions(q=nothing) == set(), nothing


def test_sessions_are_told_apart_by_their_state(sessions, make_signed_in):
    live, ended, expired = (make_signed_in().session for _ in range(3))
    services.revoke_session(ended, actor=None)
    Session.objects.filter(pk=expired.pk).update(expires_at=timezone.now())

    assert sessions(state="live") == {live}
    assert sessions(state="ended") == {ended}
    assert sessions(state="expired") == {expired}
    assert sessions() == {live, ended, expired}


def test_sessions_name_the_device(admin, make_person):
    agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
    session = services.open_session(make_person(), user_agent=agent).session

    for name, args in (("changelist", []), ("change", [session.pk])):
        page = admin.get(reverse(f"admin:saas_kit_auth_session_{name}", args=args)).content.decode()
        assert "Firefox on Windows" in page


@pytest.mark.parametrize("others", [0, 5])
def test_the_list_of_sessions_takes_as_many_statements_whatever_there_is(
    admin, make_signed_in, django_assert_num_queries, others
):
    for _ in range(others + 1):
        make_signed_in()

    with django_assert_num_queries(4):
        admin.get(reverse("admin:saas_kit_auth_session_changelist"))


def test_erasures_can_be_cancelled_and_not_changed(admin, make_person):
    cancelled, kept = (services.request_erasure(make_person(), actor=None) for _ in range(2))
    url = reverse("admin:saas_kit_auth_erasure_changelist")
    assert admin.get(url).status_code == 200
    assert admin.get(reverse("admin:saas_kit_auth_erasure_change", args=[kept.pk])).status_code == 200
    assert admin.get(reverse("admin:saas_kit_auth_erasure_add")).status_code == 403

    admin.post(url, {"action": "cancel", "_selected_action": [str(cancelled.pk)]})

    assert Erasure.objects.get() == kept
    assert Event.objects.get(action="erasure.cancelled").target_id == str(cancelled.user_id)
