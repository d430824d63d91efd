"""Who is calling, from the cache: the same as from the database, and never longer than it is true."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core import mail, signing
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from saas_kit.auth import access_cache, services
from saas_kit.auth.access_cache import find_session
from saas_kit.auth.identity import email_field
from saas_kit.auth.models import Purpose, Session
from saas_kit.caching import shared_cache
from saas_kit.core import caller, caller_changes
from saas_kit.tenancy import services as tenancy
from saas_kit.tenancy.access import get_access
from saas_kit.tenancy.models import (
    Account,
    AccountMembership,
    EmailDomain,
    Enrollment,
    Membership,
    Status,
    get_organization_model,
)
from saas_kit.users import services as users
from tests.plugin import ROOT
from tests.services import Services

# at a commit only does the cache learn of a change
pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct horse battery"
OTHER_PASSWORD = "staple battery horse"


@pytest.fixture(autouse=True)
def cached(settings: Any) -> None:
    """Cache access, below a prefix of the test's own."""
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": f"test-{uuid4().hex}"}}
    settings.SAAS_KIT_AUTH_CACHE_ACCESS = True


@dataclass
class Scene:
    """
    An account of ``owner`` with an organization, in both of which ``person`` is a member, and ``peer`` an admin.

    Attributes:
        tokens: Somebody's open session, by the name of the person; ``person`` has a second one, ``device``.
        before: What is needed and has been done before the cache was warm.
    """

    people: dict[str, Any]
    account: Any
    organization: Any
    tokens: dict[str, Any]
    before: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["people"][name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def membership(self) -> Any:
        return Membership.objects.get(organization=self.organization, user=self.person)

    @property
    def account_membership(self) -> Any:
        return AccountMembership.objects.get(account=self.account, user=self.person)

    def keys(self) -> dict[str, tuple[Any, str]]:
        return {
            name: (each.session.pk, str(each.session.user_id)) for name, each in sorted(self.tokens.items())
        }


@pytest.fixture
def make_scene(make_user: Callable[..., Any], make_account: Callable[..., Any]) -> Callable[[], Scene]:
    """Make a scene of new people, so that a test can have many without emptying the database in between."""

    def make() -> Scene:
        people = {name: make_user(password=PASSWORD) for name in ("owner", "person", "peer", "stranger")}
        account = make_account(owner=people["owner"])
        organization = tenancy.create_organization(
            account=account, name=account.name, owner=people["owner"], actor=None
        )
        for name, role in (("person", "member"), ("peer", "admin")):
            tenancy.add_member(organization, people[name], role, actor=None)
            tenancy.add_account_member(account, people[name], role, actor=None)
        tokens = {name: services.open_session(each) for name, each in people.items()}
        tokens["device"] = services.open_session(people["person"])
        return Scene(people, account, organization, tokens)

    return make


@pytest.fixture
def scene(make_scene: Callable[[], Scene]) -> Scene:
    return make_scene()


def facts(found: Any) -> Any:
    """What somebody who authenticates by a session gets to know, but for what the cache leaves out."""
    if found is None:
        return None
    values = {
        each.attname: getattr(each_of, each.attname)
        for each_of, left_out in (
            (found.session, access_cache._OF_ROTATION),
            (found.session.user, {"password"}),
        )
        for each in each_of._meta.concrete_fields
        if each.name not in left_out
    }
    parts = {name: sorted(rows, key=repr) for name, rows in caller.get_parts(found.session.user).items()}
    access = get_access(found.session.user)
    return found.is_live, values, parts, access.organization_ids, access.organizations, access.accounts


@pytest.fixture
def read_all(settings: Any) -> Callable[..., dict[str, Any]]:
    """Read the facts of everybody in the scene, from the cache or from the database."""

    def read(scene: Scene, *, cached: bool) -> dict[str, Any]:
        settings.SAAS_KIT_AUTH_CACHE_ACCESS = cached
        found = {name: facts(find_session(*keys)) for name, keys in scene.keys().items()}
        settings.SAAS_KIT_AUTH_CACHE_ACCESS = True
        return found

    return read


def warm(scene: Scene) -> None:
    """Fill the cache, and see that it is full."""
    for keys in scene.keys().values():
        find_session(*keys)
        with CaptureQueriesContext(connection) as statements:
            assert find_session(*keys).is_live
        assert len(statements) == 0


def new_email() -> str:
    return f"{uuid4().hex}@example.com"


def secret_of(purpose: Purpose) -> Callable[[Scene], None]:
    def make(s: Scene) -> None:
        email = new_email() if purpose is Purpose.CHANGE_EMAIL else getattr(s.person, email_field())
        s.before["secret"] = services.issue_token(purpose, s.person, lifetime=timedelta(hours=1), email=email)

    return make


def delete_organization(s: Scene) -> None:
    tenancy.delete_organization(s.organization, actor=None)


def delete_account(s: Scene) -> None:
    tenancy.delete_account(s.account, actor=None)


def give_passkey(s: Scene) -> None:
    model = apps.get_model("mfa", "Authenticator")
    s.before["passkey"] = model.objects.create(user=s.person, type="webauthn", data={"name": "Phone"})


def verify(s: Scene) -> None:
    services.mark_verified(s.person)


def give_totp(s: Scene) -> None:
    begin_totp(s)
    confirm_totp(s)


def begin_totp(s: Scene) -> None:
    verify(s)
    s.before["enrollment"] = services.begin_totp(s.person)


def confirm_totp(s: Scene) -> None:
    from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time

    counter = next(iter(yield_hotp_counters_from_time()))
    code = format_hotp_value(hotp_value(s.before["enrollment"].secret, counter))
    services.confirm_totp(s.person, code)


def second_account(s: Scene) -> None:
    tenancy.create_account(name="Another", owner=s.person, actor=None)


def email_of(person: Any) -> str:
    return str(getattr(person, email_field()))


def invite(s: Scene, person: Any, organization: Any = None) -> None:
    invitation, _ = tenancy.invite(
        organization or s.organization, email=email_of(person), role="viewer", actor=None
    )
    s.before["invitation"] = invitation


def invite_stranger(s: Scene) -> None:
    services.mark_verified(s.stranger)
    invite(s, s.stranger)


def invite_elsewhere(s: Scene) -> None:
    elsewhere = tenancy.create_organization(account=s.account, name="Oslo", owner=s.peer, actor=None)
    invite(s, s.person, elsewhere)
    (s.before["token"],) = set(re.findall(r"#token=([\w-]+)", str(mail.outbox[-1].body)))


def offer_to_stranger(s: Scene) -> None:
    services.change_email(s.stranger, f"{uuid4().hex}@{uuid4().hex}.example", actor=None)
    services.mark_verified(s.stranger)
    s.tokens["stranger"] = services.open_session(s.stranger)
    EmailDomain.objects.create(
        organization=s.organization,
        domain=email_of(s.stranger).partition("@")[2],
        enrollment=Enrollment.AUTOMATIC,
        role="viewer",
        verified_at=timezone.now(),
    )


# what changes who somebody is or what they may do: the service, what it needs, and the call
CHANGES: dict[str, tuple[Callable[[Scene], Any] | None, Callable[[Scene], Any]]] = {
    "auth.change_email": (None, lambda s: services.change_email(s.person, new_email(), actor=None)),
    "auth.change_password": (
        None,
        lambda s: services.change_password(
            s.person, OTHER_PASSWORD, actor=s.person, keep=s.tokens["person"].session
        ),
    ),
    "auth.change_user": (None, lambda s: services.change_user(s.person, **_names(s.person), actor=None)),
    "auth.claim_unverified": (None, lambda s: services.claim_unverified(s.person)),
    "auth.confirm_email_change": (
        secret_of(Purpose.CHANGE_EMAIL),
        lambda s: services.confirm_email_change(s.before["secret"]),
    ),
    "auth.confirm_totp": (begin_totp, confirm_totp),
    "auth.deactivate_user": (None, lambda s: services.deactivate_user(s.person, actor=None)),
    "auth.disable_totp": (
        give_totp,
        lambda s: services.disable_totp(s.person, actor=s.person),
    ),
    "auth.erase_user": (None, lambda s: services.erase_user(s.person, actor=None)),
    "auth.mark_verified": (None, verify),
    "auth.open_session": (None, lambda s: services.open_session(s.person)),
    "auth.register_again": (
        None,
        lambda s: services.register_again(s.person, password=OTHER_PASSWORD, **_names(s.person)),
    ),
    "auth.register_proved": (
        None,
        lambda s: services.register_proved(
            email=email_of(s.person), password=OTHER_PASSWORD, **_names(s.person)
        ),
    ),
    "auth.remove_passkey": (
        give_passkey,
        lambda s: services.remove_passkey(s.before["passkey"], actor=s.person),
    ),
    "auth.request_erasure": (None, lambda s: services.request_erasure(s.person, actor=s.person)),
    "auth.reset_password": (
        secret_of(Purpose.RESET_PASSWORD),
        lambda s: services.reset_password(s.before["secret"], OTHER_PASSWORD),
    ),
    "auth.revoke_session": (
        None,
        lambda s: services.revoke_session(s.tokens["device"].session, actor=s.person),
    ),
    "auth.revoke_sessions": (None, lambda s: services.revoke_sessions(s.person, actor=s.peer)),
    "auth.rotate": (None, lambda s: services.rotate(s.tokens["device"].refresh)),
    "auth.verify_email": (
        secret_of(Purpose.VERIFY_EMAIL),
        lambda s: services.verify_email(s.before["secret"], keep=s.tokens["person"].session),
    ),
    "tenancy.accept_invitation": (
        invite_stranger,
        lambda s: tenancy.accept_invitation(s.before["invitation"], s.stranger),
    ),
    "tenancy.add_account_member": (
        None,
        lambda s: tenancy.add_account_member(s.account, s.stranger, "admin", actor=None),
    ),
    "tenancy.add_member": (
        None,
        lambda s: tenancy.add_member(s.organization, s.stranger, "viewer", actor=None),
    ),
    "tenancy.change_account_role": (
        None,
        lambda s: tenancy.change_account_role(s.account_membership, "admin", actor=s.owner),
    ),
    "tenancy.change_organization": (
        give_passkey,
        lambda s: tenancy.change_organization(s.organization, require_mfa=True, actor=s.person),
    ),
    "tenancy.change_role": (None, lambda s: tenancy.change_role(s.membership, "viewer", actor=s.owner)),
    "tenancy.create_account": (None, second_account),
    "tenancy.create_organization": (
        None,
        lambda s: tenancy.create_organization(account=s.account, name="Paris", owner=s.person, actor=None),
    ),
    "tenancy.delete_account": (None, delete_account),
    "tenancy.delete_organization": (None, delete_organization),
    "tenancy.end_memberships": (second_account, lambda s: tenancy.end_memberships(s.person, actor=None)),
    "tenancy.introduce_member": (
        None,
        lambda s: tenancy.introduce_member(s.organization, s.stranger, "viewer", actor=s.owner),
    ),
    "tenancy.join_by_domain": (offer_to_stranger, lambda s: tenancy.join_by_domain(s.stranger)),
    "tenancy.join_on_offer": (
        offer_to_stranger,
        lambda s: tenancy.join_on_offer(s.organization.pk, s.stranger),
    ),
    "tenancy.remove_account_member": (
        None,
        lambda s: tenancy.remove_account_member(s.account_membership, actor=s.person),
    ),
    "tenancy.remove_member": (None, lambda s: tenancy.remove_member(s.membership, actor=s.owner)),
    "tenancy.restore_account": (delete_account, lambda s: tenancy.restore_account(s.account, actor=None)),
    "tenancy.restore_organization": (
        delete_organization,
        lambda s: tenancy.restore_organization(s.organization, actor=None),
    ),
    "tenancy.transfer_account": (
        None,
        lambda s: tenancy.transfer_account(s.account, to=s.person, actor=s.owner),
    ),
    "users.leave_everything": (
        second_account,
        lambda s: users.leave_everything(s.person, email_of(s.person)),
    ),
    "users.prove_address": (
        secret_of(Purpose.VERIFY_EMAIL),
        lambda s: users.prove_address(s.before["secret"]),
    ),
    "users.register_by_invitation": (
        invite_elsewhere,
        lambda s: users.register_by_invitation(
            s.before["token"], email=email_of(s.person), password=OTHER_PASSWORD, **_names(s.person)
        ),
    ),
    "users.register_user_again": (
        None,
        lambda s: users.register_user_again(s.person, password=OTHER_PASSWORD, **_names(s.person)),
    ),
    "users.remove_user": (None, lambda s: users.remove_user(s.person, actor=None)),
    "users.rotate_within": (
        None,
        lambda s: users.rotate_within(s.tokens["device"].refresh, s.organization.pk),
    ),
}

# what changes nothing that is kept
OTHERS: dict[str, tuple[Callable[[Scene], Any] | None, Callable[[Scene], Any]]] = {
    "tenancy.change_account": (None, lambda s: tenancy.change_account(s.account, name="New", actor=None)),
    "tenancy.set_account_status": (
        None,
        lambda s: tenancy.set_account_status(s.account, Status.SUSPENDED, actor=None),
    ),
    "tenancy.set_organization_status": (
        None,
        lambda s: tenancy.set_organization_status(s.organization, Status.SUSPENDED, actor=None),
    ),
    "auth.create_user": (None, lambda s: services.create_user(email=new_email(), password=PASSWORD)),
    "auth.record_changes": (None, lambda s: services.record_changes(s.person, {}, actor=None)),
    "users.provision_user": (
        None,
        lambda s: users.provision_user(s.organization, email=new_email(), role="viewer", actor=s.owner),
    ),
    "users.register_user": (None, lambda s: users.register_user(email=new_email(), password=PASSWORD)),
}
NEEDS_MFA = {"auth.confirm_totp", "auth.disable_totp", "auth.remove_passkey", "tenancy.change_organization"}


def test_i113_after_every_service_the_cache_says_what_the_database_says(
    make_scene: Callable[[], Scene], read_all: Callable[..., Any]
) -> None:
    """I113: warm for everybody, then a service, and the next that each of them gets is what is true."""
    has_mfa = apps.is_installed("allauth.mfa")
    wrong = []
    for name, (prepare, act) in (CHANGES | OTHERS).items():
        if name in NEEDS_MFA and not has_mfa:
            continue
        scene = make_scene()
        if prepare is not None:
            prepare(scene)
        before = read_all(scene, cached=False)
        assert read_all(scene, cached=True) == before
        warm(scene)

        act(scene)

        after = read_all(scene, cached=False)
        if read_all(scene, cached=True) != after or read_all(scene, cached=True) != after:
            wrong.append(name)
        assert (after != before) == (name in CHANGES), name
    assert wrong == []


def test_every_service_is_among_them() -> None:
    """I113: a service that is new has to be placed: it changes what is kept, or it does not."""
    modules = {"auth": services, "tenancy": tenancy}
    public = {f"{app}.{name}" for app, module in modules.items() for name in module.__all__ if name.islower()}
    public |= {
        f"users.{name}"
        for name, each in vars(users).items()
        if getattr(each, "__module__", "") == users.__name__ and not name.startswith("_")
    }

    assert public - CHANGES.keys() - OTHERS.keys() - WITHOUT_WRITES - THROUGH_ROWS == set()


# they read, or write one-time tokens, messages, or rows that no part reads
WITHOUT_WRITES = {
    "auth.check_code",
    "auth.check_registration",
    "auth.welcome",
    "tenancy.is_shared",
    "users.forget_invitations",
    *(
        f"tenancy.{each}"
        for each in (
            *("check_invitation", "find_invitation", "find_offer", "received_invitations"),
            *("invite", "resend_invitation", "remind_invitations", "revoke_invitation", "decline_invitation"),
            *("delete_invitation", "forget_person"),
            *("claim_domain", "change_domain", "verify_domain", "delete_domain"),
            "check_domains",
        )
    ),
    *(f"tenancy.lock_{each}" for each in ("account", "organization")),
    *(
        f"auth.{each}"
        for each in (
            *("ask_for_verification", "ask_to_set_password", "begin_passkey", "begin_passkey_sign_in"),
            *(
                "begin_passkey_as_second_factor",
                "verify_passkey",
                "begin_second_factor",
                "begin_totp",
                "can_sign_in_with_passkeys",
                "cancel_erasure",
            ),
            *("check_credentials", "check_passkey", "count_recovery_codes", "end_tokens", "export_user"),
            *(
                "find_token",
                "find_totp",
                "hold_user",
                "find_passkey",
                "has_passkeys",
                "is_proof_due",
                "issue_token",
                "may_mail",
            ),
            *("passkeys_of", "reencrypt_mfa_secrets", "register_erasure_step", "register_export_section"),
            *("renew_recovery_codes", "request_email_change", "request_password_reset", "require_password"),
            *("require_recent_sign_in", "resend_verification", "use_token", "validate_password"),
            *("link_identity", "unlink_identity", "verify_second_factor"),
        )
    ),
}
# they need a provider or a passkey; what they write is among the rows below
THROUGH_ROWS = {"auth.add_passkey", "auth.sign_in_with"}


def _names(person: Any) -> dict[str, str]:
    name = "first_name" if hasattr(person, "first_name") else "full_name"
    return {name: "Ada"}


def _update_people(s: Scene) -> None:
    people = get_user_model()._default_manager.filter(pk=s.person.pk)
    with caller_changes.changing(people):
        people.update(is_active=False)


ROWS: dict[str, Callable[[Scene], Any]] = {
    "saved membership": lambda s: _changed(s.membership, role="viewer"),
    "new membership": lambda s: Membership.objects.create(
        organization=s.organization, user=s.stranger, role="viewer"
    ),
    "deleted membership": lambda s: s.membership.delete(),
    "updated memberships": lambda s: Membership.objects.filter(user=s.person).update(role="viewer"),
    "updated memberships of one": lambda s: s.person.memberships.update(role="viewer"),
    "bulk updated memberships": lambda s: _bulk_updated(Membership, s.membership),
    "bulk created memberships": lambda s: Membership.objects.bulk_create(
        [Membership(organization=s.organization, user=s.stranger, role="viewer")]
    ),
    "deleted memberships": lambda s: Membership.objects.filter(organization=s.organization).delete(),
    "updated account memberships": lambda s: AccountMembership.objects.filter(user=s.person).update(
        role="admin"
    ),
    "deleted account memberships": lambda s: AccountMembership.objects.filter(user=s.person).delete(),
    "saved organization": lambda s: _changed(s.organization, require_mfa=True),
    "updated organizations": lambda s: get_organization_model().objects.update(require_mfa=True),
    "soft-deleted organizations": lambda s: get_organization_model().objects.all().delete(),
    "purged organizations": lambda s: get_organization_model().all_objects.all().purge(),
    "soft-deleted accounts": lambda s: Account.objects.all().delete(),
    "purged accounts": lambda s: Account.all_objects.all().purge(),
    "saved person": lambda s: _changed(s.person, is_active=False),
    "saved person with another password": lambda s: _with_password(s.person),
    "updated people": _update_people,
    "deleted person": lambda s: s.person.delete(),
    "updated sessions": lambda s: Session.objects.of_user(s.person).update(revoked_at=timezone.now()),
    "deleted sessions": lambda s: Session.objects.of_user(s.person).delete(),
    "new address": lambda s: s.person.emailaddress_set.create(email=new_email(), verified=True),
}


def _changed(row: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.save()


def _with_password(person: Any) -> None:
    person.set_password(OTHER_PASSWORD)
    person.save()


def _bulk_updated(model: Any, row: Any) -> None:
    row.role = "viewer"
    model.objects.bulk_update([row], ["role"])


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "rolled back"])
def test_i113_after_every_write_of_a_row_too(
    committed: bool, make_scene: Callable[[], Scene], read_all: Callable[..., Any]
) -> None:
    """I113: whoever writes, in bulk too; and a transaction that is rolled back leaves what was true before."""
    wrong = []
    for name, write in ROWS.items():
        scene = make_scene()
        before = read_all(scene, cached=False)
        assert read_all(scene, cached=True) == before
        warm(scene)

        with transaction.atomic():
            write(scene)
            inside = read_all(scene, cached=False)
            # whoever is in the transaction sees what it did, and the others shall not
            assert read_all(scene, cached=True) == inside != before, name
            transaction.set_rollback(not committed)

        after = read_all(scene, cached=False)
        assert after == (inside if committed else before), name
        if read_all(scene, cached=True) != after or read_all(scene, cached=True) != after:
            wrong.append(name)
    assert wrong == []


def test_i113_a_savepoint_that_is_rolled_back_takes_its_own_change_along(
    scene: Scene, read_all: Callable[..., Any]
) -> None:
    """I113: what is written beside it in the same transaction is forgotten all the same."""
    warm(scene)

    with transaction.atomic():
        _changed(scene.membership, role="viewer")
        with transaction.atomic():
            _changed(AccountMembership.objects.get(account=scene.account, user=scene.peer), role="member")
            transaction.set_rollback(True)

    with CaptureQueriesContext(connection) as statements:
        find_session(*scene.keys()["peer"])
    assert len(statements) == 0
    assert read_all(scene, cached=True) == read_all(scene, cached=False)


def test_i113_nothing_is_forgotten_before_the_commit(scene: Scene) -> None:
    """I113: an entry that counts goes on counting for others until then."""
    warm(scene)
    _, uid = scene.keys()["person"]
    key = access_cache._version_key(uid)
    version = shared_cache.get(key)

    with transaction.atomic():
        tenancy.change_role(scene.membership, "viewer", actor=None)
        assert shared_cache.get(key) == version is not None

    assert shared_cache.get(key) is None


def test_a_reader_that_saw_what_was_before_writes_nothing_that_counts(
    scene: Scene, read_all: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """I113: it read the versions and the database, then another committed, and then it wrote its entry."""
    load = access_cache._load

    def overtaken(*arguments: Any) -> Any:
        found = load(*arguments)
        monkeypatch.setattr(access_cache, "_load", load)
        tenancy.change_role(scene.membership, "viewer", actor=None)
        return found

    sid, uid = scene.keys()["person"]
    monkeypatch.setattr(access_cache, "_load", overtaken)
    assert get_access(find_session(sid, uid).session.user).organizations == {scene.organization.pk: "member"}
    assert shared_cache.get(f"access:s:{sid}") is not None

    assert get_access(find_session(sid, uid).session.user).organizations == {scene.organization.pk: "viewer"}
    assert read_all(scene, cached=True) == read_all(scene, cached=False)


@pytest.mark.parametrize("many", [1, 1000])
def test_what_concerns_many_people_concerns_everybody(
    scene: Scene, read_all: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    """Beyond a number of members, all entries are forgotten at once instead of theirs one by one."""
    monkeypatch.setattr(caller_changes, "MANY", many)
    warm(scene)
    everybody = shared_cache.get("access:v")

    _changed(scene.organization, require_mfa=True)

    assert (shared_cache.get("access:v") == everybody) == (many == 1000)
    assert read_all(scene, cached=True) == read_all(scene, cached=False)


def test_every_part_says_what_it_reads() -> None:
    """I113: each table in the caller's statement is of a model that is watched, or has nothing in it but a key."""
    lookup = access_cache._sessions("default", caller.part_names())
    watched = {each._meta.db_table for each in caller_changes.watched()}
    mentioned = {
        model._meta.db_table for model in apps.get_models() if f'"{model._meta.db_table}"' in lookup._sql
    }

    assert mentioned - {Account._meta.db_table} == watched


class TestEntry:
    def test_has_no_secret(self, scene: Scene) -> None:
        """M8: neither the password nor its fingerprint is in the cache, and a view can still ask for them."""
        warm(scene)
        sid, uid = scene.keys()["person"]
        stored = Session.objects.select_related("user").get(pk=sid)

        text = str(signing.loads(shared_cache.get(f"access:s:{sid}"), salt=access_cache._SALT))
        found = find_session(sid, uid).session

        for secret in (stored.user.password, stored.password_fingerprint, str(stored.refresh_id)):
            assert secret not in text
        assert "password" in found.user.get_deferred_fields()
        assert found.user.check_password(PASSWORD)
        assert found.is_live

    def test_leaves_out_what_the_host_names(self, scene: Scene, settings: Any) -> None:
        settings.SAAS_KIT_AUTH_CACHE_ACCESS_SECRETS = ("last_login",)
        warm(scene)

        person = find_session(*scene.keys()["person"]).session.user

        assert person.get_deferred_fields() == {"password", "last_login"}
        assert person.last_login is not None

    def test_a_person_who_is_saved_keeps_the_password(self, scene: Scene) -> None:
        """A view may save `request.user`; what the cache does not know is not written."""
        warm(scene)
        person = find_session(*scene.keys()["person"]).session.user

        _changed(person, first_name="Ada") if hasattr(person, "first_name") else person.save()

        assert get_user_model()._default_manager.get(pk=person.pk).check_password(PASSWORD)

    @pytest.mark.parametrize(
        "poison",
        [1, None, "", "text", b"\x80", ["a"], {"shape": 1}, 1.5, signing.dumps({"shape": 1}, salt="another")],
        ids=[
            "number",
            "none",
            "empty",
            "text",
            "bytes",
            "list",
            "dict",
            "float",
            "signed for something else",
        ],
    )
    def test_i114_poisoned_value_is_a_miss(
        self, scene: Scene, read_all: Callable[..., Any], poison: object
    ) -> None:
        """I114: an entry, or a version, that is no such thing: the right answer, and a good entry from then on."""
        warm(scene)
        sid, uid = scene.keys()["person"]
        for key in (f"access:s:{sid}", access_cache._version_key(uid), "access:v"):
            shared_cache.set(key, poison)

            assert read_all(scene, cached=True) == read_all(scene, cached=False)

        warm(scene)

    def test_of_somebody_else_is_a_miss(self, scene: Scene) -> None:
        """T10: an entry under another session's key, or asked for with another person's id, is nobody's."""
        warm(scene)
        sid, uid = scene.keys()["person"]
        other_sid, other_uid = scene.keys()["owner"]
        shared_cache.set(f"access:s:{sid}", shared_cache.get(f"access:s:{other_sid}"))

        assert find_session(sid, uid).session.user == scene.person
        assert find_session(sid, other_uid) is None

        device, _ = scene.keys()["device"]
        shared_cache.set(f"access:s:{sid}", shared_cache.get(f"access:s:{device}"))

        assert find_session(sid, uid).session.pk == sid

    def test_of_another_release_is_a_miss(
        self, scene: Scene, read_all: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two releases that select different things do not read each other's entries."""
        warm(scene)
        monkeypatch.setattr(caller, "_parts", dict(caller._parts))
        caller.register_part(
            "more",
            lambda user: caller.JSONRows(Membership.objects.filter(user=user), "role"),
            reads={Membership: ("user",)},
        )

        assert "more" in caller.get_parts(find_session(*scene.keys()["person"]).session.user)
        assert read_all(scene, cached=True) == read_all(scene, cached=False)
        warm(scene)

    def test_is_believed_for_its_lifetime_at_most(self, scene: Scene, settings: Any) -> None:
        """What changed past the kit, by SQL of the host's own, is seen when the entry is that old."""
        settings.SAAS_KIT_AUTH_CACHE_ACCESS_SECONDS = 30
        warm(scene)
        sid, uid = scene.keys()["person"]
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {Session._meta.db_table} SET revoked_at = expires_at")

        assert find_session(sid, uid).is_live
        with time_machine.travel(timezone.now() + timedelta(seconds=31)):
            assert not find_session(sid, uid).is_live

    def test_i70_ends_with_the_session(self, scene: Scene, settings: Any) -> None:
        """A session that expires while its entry is good is over."""
        settings.SAAS_KIT_AUTH_CACHE_ACCESS_SECONDS = 10**7
        warm(scene)

        with time_machine.travel(scene.tokens["person"].session.expires_at + timedelta(seconds=1)):
            assert not find_session(*scene.keys()["person"]).is_live


class _Broken:
    """A cache whose methods of some names fail, as they do when its server is gone or full."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __getattr__(self, name: str) -> Any:
        if name in self.names:
            raise ConnectionError("The cache cannot be reached.")
        return getattr(shared_cache, name)


class TestFailure:
    @pytest.mark.parametrize("names", [("get_many", "add", "set"), ("add",), ("set",)], ids=repr)
    def test_i114_of_the_cache_leaves_the_database(
        self,
        scene: Scene,
        names: tuple[str, ...],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """I114: the right answer by one statement, and one line in the log."""
        monkeypatch.setattr(access_cache, "shared_cache", _Broken(*names))
        find_session(*scene.keys()["owner"])  # who compiles the statement
        caplog.clear()

        with caplog.at_level(logging.WARNING), CaptureQueriesContext(connection) as statements:
            found = find_session(*scene.keys()["person"])

        assert found.is_live
        assert found.session.user == scene.person
        assert len(statements) == 1
        assert [record.name for record in caplog.records] == ["saas_kit.auth"]

    def test_of_an_invalidation_is_an_error_and_ends_with_the_entry(
        self,
        scene: Scene,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """The write is done, somebody can be told, and the bound is the lifetime of an entry."""
        warm(scene)
        monkeypatch.setattr(access_cache, "shared_cache", _Broken("delete_many"))

        services.revoke_sessions(scene.person, actor=None)

        (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
        assert "up to 60 seconds" in record.getMessage()
        assert find_session(*scene.keys()["person"]).is_live
        with time_machine.travel(timezone.now() + timedelta(seconds=61)):
            assert not find_session(*scene.keys()["person"]).is_live


class TestOff:
    def test_is_the_default(self) -> None:
        from saas_kit.auth.conf import AuthSettings

        assert AuthSettings.declared["CACHE_ACCESS"].default is False

    def test_asks_the_database_once_and_the_cache_never(
        self, scene: Scene, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without the setting there is one statement and no command."""
        settings.SAAS_KIT_AUTH_CACHE_ACCESS = False
        every = ("get_many", "get", "add", "set", "delete", "delete_many")
        monkeypatch.setattr(access_cache, "shared_cache", _Broken(*every))
        find_session(*scene.keys()["person"])

        with CaptureQueriesContext(connection) as statements:
            found = find_session(*scene.keys()["person"])
            get_access(found.session.user)
        services.revoke_sessions(scene.person, actor=None)

        assert len(statements) == 1


def _request(name: str, body: Any = None) -> Callable[[Scene, Any], int]:
    """Return what sends a request as somebody: ``<person> <method> <path>``, with fields of the scene in the path."""
    person, method, path = name.split(" ")

    def send(s: Scene, client: Any) -> int:
        url = "/api/v1/" + path.format(s=s)
        token = s.tokens[person].access
        answer = client.generic(
            method,
            url,
            b"" if body is None else json.dumps(body(s) if callable(body) else body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )
        return int(answer.status_code)

    return send


# a request that changes what somebody may do or who they are, and what it is answered
REQUESTS = {
    "person PATCH auth/me/": ({"first_name": "Ada"}, 200),
    "person POST auth/logout/": (None, 204),
    "device POST auth/logout/all/": (None, 204),
    "device POST auth/password/change/": (
        {"current_password": PASSWORD, "new_password": OTHER_PASSWORD},
        204,
    ),
    "owner POST organizations/{s.organization.pk}/members/": (
        lambda s: {"user": _key_of(s.clerk), "role": "viewer"},
        201,
    ),
    "owner PATCH organizations/{s.organization.pk}/members/{s.membership.pk}/": ({"role": "viewer"}, 200),
    "owner DELETE organizations/{s.organization.pk}/members/{s.membership.pk}/": (None, 204),
    "owner PATCH accounts/{s.account.pk}/members/{s.account_membership.pk}/": ({"role": "admin"}, 200),
    "owner DELETE accounts/{s.account.pk}/members/{s.account_membership.pk}/": (None, 204),
    "owner DELETE organizations/{s.organization.pk}/": (None, 204),
    "owner DELETE accounts/{s.account.pk}/": (None, 204),
}


def _key_of(user: Any) -> Any:
    return user.pk if isinstance(user.pk, int) else str(user.pk)


@pytest.mark.hosts("full", "default_user")
class TestRequests:
    def test_i113_change_what_the_next_ones_are_answered(
        self, make_scene: Callable[[], Scene], make_user: Callable[..., Any], client: Any, settings: Any
    ) -> None:
        """I113: after a request that changes something, everybody is answered as without the cache."""

        def answers(s: Scene, *, cached: bool) -> Any:
            settings.SAAS_KIT_AUTH_CACHE_ACCESS = cached
            paths = ("auth/me/", "organizations/", "accounts/", f"organizations/{s.organization.pk}/")
            found = [
                (who, path, answer.status_code, answer.json())
                for who, each in s.tokens.items()
                for path in paths
                for answer in [
                    client.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {each.access}"})
                ]
            ]
            settings.SAAS_KIT_AUTH_CACHE_ACCESS = True
            return [
                (who, path, status, {**body, "request_id": None, "instance": None})
                for who, path, status, body in found
            ]

        for name, (body, status) in REQUESTS.items():
            scene = make_scene()
            scene.people["clerk"] = make_user(password=PASSWORD)
            tenancy.add_account_member(scene.account, scene.clerk, "member", actor=None)
            scene.tokens["clerk"] = services.open_session(scene.clerk)
            warm(scene)
            before = answers(scene, cached=True)

            assert _request(name, body)(scene, client) == status, name

            after = answers(scene, cached=True)
            assert after == answers(scene, cached=False) != before, name

    def test_take_no_statement_for_who_is_calling(self, scene: Scene, client: Any, settings: Any) -> None:
        """Without the cache one statement loads the caller, with it none does; the rest is the same."""
        warm(scene)
        headers = {"Authorization": f"Bearer {scene.tokens['person'].access}"}
        expected = {"permissions/": 1, "organizations/": 2, f"organizations/{scene.organization.pk}/": 2}

        for cached in (False, True):
            settings.SAAS_KIT_AUTH_CACHE_ACCESS = cached
            for path, number in expected.items():
                with CaptureQueriesContext(connection) as statements:
                    assert client.get(f"/api/v1/{path}", headers=headers).status_code == 200
                assert len(statements) == number - cached, path


@pytest.mark.redis
class TestRedis:
    @pytest.mark.parametrize(
        "backend", ["django.core.cache.backends.redis.RedisCache", "django_redis.cache.RedisCache"]
    )
    def test_one_command_and_no_statement(self, scene: Scene, settings: Any, backend: str) -> None:
        """Authentication and access together are one round trip to Redis, as Redis itself counts."""
        import redis

        settings.CACHES = {"default": {**settings.CACHES["default"], "BACKEND": backend}}
        warm(scene)
        prefix, seen = settings.CACHES["default"]["KEY_PREFIX"], []
        with redis.Redis.from_url(django_settings.REDIS_URL) as client, client.monitor() as monitor:
            with CaptureQueriesContext(connection) as statements:
                found = find_session(*scene.keys()["person"])
                access = get_access(found.session.user)
            client.echo(f"end of {prefix}")
            for command in monitor.listen():
                if command["command"] == f"ECHO end of {prefix}":
                    break
                seen += [command["command"]] if prefix in command["command"] else []

        assert access.organization_ids == {scene.organization.pk}
        assert len(statements) == 0
        assert len(seen) == 1
        assert seen[0].startswith("MGET ")

    def test_full_memory_takes_revocations(self, scene: Scene, settings: Any) -> None:
        """I114, F6: a Redis that refuses what is new still forgets, and everybody else is answered."""
        import redis

        own = Services.prepare(ROOT / ".local")
        try:
            url = own.start_redis()
            settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": url}}
            warm(scene)
            with redis.Redis.from_url(url) as client:
                client.config_set("maxmemory", 1)

            services.revoke_sessions(scene.person, actor=None)

            assert not find_session(*scene.keys()["person"]).is_live
            assert find_session(*scene.keys()["owner"]).is_live
        finally:
            own.stop()

    def test_gone_leaves_the_database(self, scene: Scene, settings: Any) -> None:
        """I114, F6: the server is stopped while the cache is warm, and revocations are seen all the same."""
        own = Services.prepare(ROOT / ".local")
        try:
            settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": own.start_redis()}}
            warm(scene)
        finally:
            own.stop()

        services.revoke_sessions(scene.person, actor=None)

        assert not find_session(*scene.keys()["person"]).is_live
        assert find_session(*scene.keys()["owner"]).is_live

    def test_flushed_is_warm_again(self, scene: Scene, read_all: Callable[..., Any]) -> None:
        """I114: nothing but a miss."""
        warm(scene)
        shared_cache.clear()

        assert read_all(scene, cached=True) == read_all(scene, cached=False)
        warm(scene)
