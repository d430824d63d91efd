"""People and their sessions in Django's admin."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from saas_kit.audit.models import Event
from saas_kit.auth.models import Session
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


def test_i74_deactivating_ends_sessions(admin, make_signed_in):
    signed_in = make_signed_in()
    url = reverse("admin:saas_kit_auth_user_change", args=[signed_in.user.pk])
    assert admin.get(url).status_code == 200

    admin.post(url, {"email": signed_in.user.get_username(), "first_name": "Ann", "last_name": ""})

    signed_in.user.refresh_from_db()
    assert (signed_in.user.is_active, signed_in.user.first_name) == (False, "Ann")
    assert not Session.objects.filter(revoked_at__isnull=True).exists()


def test_sessions_can_be_ended_and_not_changed(admin, make_signed_in):
    ended, kept = make_signed_in(), make_signed_in()
    url = reverse("admin:saas_kit_auth_session_changelist")
    assert admin.get(url).status_code == 200
    assert admin.get(reverse("admin:saas_kit_auth_session_change", args=[kept.session.pk])).status_code == 200
    assert admin.get(reverse("admin:saas_kit_auth_session_add")).status_code == 403

    admin.post(url, {"action": "revoke", "_selected_action": [str(ended.session.pk)]})

    assert Session.objects.live().get() == kept.session
    assert Event.objects.filter(action="session.revoked").count() == 1
