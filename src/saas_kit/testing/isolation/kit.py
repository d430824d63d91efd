"""What the kit's own models and routes need, so that no host has to say it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.utils import timezone

from saas_kit.tenancy.services import claim_domain, invite, resend_invitation
from saas_kit.testing.isolation.proof import IsolationProof
from saas_kit.testing.isolation.routes import Route

PASSWORD = "a long password of the prover 4817"  # noqa: S105 - of people who exist in a test database only


def kit_factories() -> Mapping[str, Callable[..., Any]]:
    """Return the factories of the kit's models whose texts are not free."""
    factories: dict[str, Callable[..., Any]] = {
        "saas_kit_tenancy.EmailDomain": _make_email_domain,
        "saas_kit_tenancy.Invitation": _make_invitation,
        "saas_kit_tenancy.InvitationToken": _make_invitation_token,
    }
    if apps.is_installed("saas_kit.teams"):
        factories["saas_kit_teams.TeamMembership"] = _make_team_membership
    if apps.is_installed("saas_kit.auth"):
        factories["saas_kit_auth.Session"] = _make_session
        factories["saas_kit_auth.Erasure"] = _make_erasure
    if apps.is_installed("allauth.mfa"):
        factories["mfa.Authenticator"] = _make_authenticator
    return factories


def with_kit(proof: IsolationProof, routes: Iterable[Route]) -> IsolationProof:
    """Return a proof that also knows the kit's own routes; what the host says of one counts first."""
    bodies, prepare, unexercised = dict(proof.bodies), dict(proof.prepare), dict(proof.unexercised)
    has_sign_in = apps.is_installed("saas_kit.auth")
    for route in routes:
        if not has_sign_in and route.name.startswith("auth-"):
            continue  # it is of the host's own sign-in
        name = f"{route.method} {route.name}"
        if name in _BODIES:
            bodies.setdefault(route.label, _BODIES[name])
        if name in _PREPARATIONS:
            prepare.setdefault(route.label, _PREPARATIONS[name])
        if name in _UNEXERCISED:
            unexercised.setdefault(route.label, _UNEXERCISED[name])
    return replace(proof, bodies=bodies, prepare=prepare, unexercised=unexercised)


def _make_email_domain(organization: Any, **related: Any) -> Any:
    # proved, so that proving it again asks no name server
    domain = claim_domain(organization, domain=f"{uuid4().hex}.example", actor=None)
    domain.verified_at = domain.checked_at = timezone.now()
    domain.save()
    return domain


def _make_invitation(organization: Any, **related: Any) -> Any:
    return invite(organization, email=f"{uuid4().hex}@prover.example", role="member", actor=None)[0]


def _make_invitation_token(organization: Any, *, invitation: Any, **related: Any) -> Any:
    # the new one takes the place of those before
    resend_invitation(invitation, actor=None)
    return invitation.tokens.get(replaced_at__isnull=True)


def _make_team_membership(organization: Any, *, team: Any, membership: Any, **related: Any) -> Any:
    from saas_kit.teams.services import add_team_member  # noqa: PLC0415 - only where the app is installed

    return add_team_member(team, membership.user, "member", actor=None)


def _make_session(organization: Any, *, user: Any, **related: Any) -> Any:
    from saas_kit.auth.models import Session  # noqa: PLC0415 - only where the app is installed
    from saas_kit.auth.services import open_session  # noqa: PLC0415 - only where the app is installed

    open_session(user, user_agent=f"prover {timezone.now():%f}")
    return Session.objects.filter(user=user).latest("pk")


def _make_erasure(organization: Any, *, user: Any, **related: Any) -> Any:
    # of somebody else: whoever signs in while one is pending takes it back
    from saas_kit.auth.models import Erasure  # noqa: PLC0415 - only where the app is installed
    from saas_kit.auth.services import create_user  # noqa: PLC0415 - only where the app is installed

    person = create_user(email=f"erased-{uuid4().hex}@example.com", password=None)
    return Erasure.objects.create(user_id=person.pk, due_at=timezone.now() + timedelta(days=7))


def _make_authenticator(organization: Any, *, user: Any, **related: Any) -> Any:
    from allauth.mfa.models import Authenticator  # noqa: PLC0415 - only where the app is installed
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret  # noqa: PLC0415

    # nobody has two
    found = Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).first()
    return found or TOTP.activate(user, generate_totp_secret()).instance


# Each of these is called where saas_kit.auth is installed, and imports it then.


def _email_of(user: Any) -> str:
    return str(getattr(user, user.get_email_field_name()))


def _login_body(side: Any) -> Any:
    return {"email": _email_of(side.owner), "password": PASSWORD}


def _refresh_body(side: Any) -> Any:
    from saas_kit.auth.services import open_session  # noqa: PLC0415

    return {"refresh": open_session(side.owner).refresh}


def _password_body(side: Any) -> Any:
    return {"current_password": PASSWORD}


def _change_password_body(side: Any) -> Any:
    return {"current_password": PASSWORD, "new_password": f"{PASSWORD} anew"}


def _token_body(purpose: str, *, email: str = "", **more: Any) -> Callable[[Any], Any]:
    def body(side: Any) -> Any:
        from saas_kit.auth.models import Purpose  # noqa: PLC0415
        from saas_kit.auth.services import issue_token  # noqa: PLC0415

        token = issue_token(
            Purpose(purpose), side.owner, lifetime=timedelta(days=1), email=email or _email_of(side.owner)
        )
        return {"token": token, **more}

    return body


def _second_factor_body(side: Any) -> Any:
    from saas_kit.auth.services import begin_second_factor, renew_recovery_codes  # noqa: PLC0415

    code = renew_recovery_codes(side.owner)[0]
    return {"mfa_token": begin_second_factor(side.owner).token, "code": code}


def _prepare_enrolment(side: Any) -> None:
    from allauth.mfa.models import Authenticator  # noqa: PLC0415

    from saas_kit.auth.services import mark_verified  # noqa: PLC0415

    Authenticator.objects.filter(user=side.owner).delete()
    mark_verified(side.owner)


def _enrolment_body(side: Any) -> Any:
    from allauth.mfa.models import Authenticator  # noqa: PLC0415
    from allauth.mfa.totp.internal.auth import (  # noqa: PLC0415
        format_hotp_value,
        hotp_value,
        yield_hotp_counters_from_time,
    )

    from saas_kit.auth.services import begin_totp, mark_verified  # noqa: PLC0415

    enabled = list(Authenticator.objects.filter(user=side.owner))
    Authenticator.objects.filter(user=side.owner).delete()
    mark_verified(side.owner)
    secret = begin_totp(side.owner).secret
    Authenticator.objects.bulk_create(enabled)
    return {"code": format_hotp_value(hotp_value(secret, max(yield_hotp_counters_from_time())))}


_BODIES: Mapping[str, Callable[[Any], Any]] = {
    "POST auth-login": _login_body,
    "POST auth-refresh": _refresh_body,
    "DELETE auth-me": _password_body,
    "POST auth-password-change": _change_password_body,
    "POST auth-password-reset-confirm": _token_body("reset_password", new_password=f"{PASSWORD} anew"),
    "POST auth-email-verify": _token_body("verify_email"),
    "POST auth-email-change-confirm": _token_body("change_email", email="moved@prover.example"),
    "POST auth-mfa-verify": _second_factor_body,
    "DELETE auth-mfa-totp": _password_body,
    "POST auth-mfa-totp-confirm": _enrolment_body,
}
"""By method and name of the URL pattern, bodies that nobody can guess."""


def _prove_address(side: Any) -> None:
    if apps.is_installed("saas_kit.auth"):
        from saas_kit.auth.services import mark_verified  # noqa: PLC0415

        mark_verified(side.owner)


_PREPARATIONS: Mapping[str, Callable[[Any], None]] = {
    "GET invitation-list": _prove_address,
    "POST auth-mfa-totp": _prepare_enrolment,
    "POST auth-mfa-totp-confirm": _prepare_enrolment,
}

_DEVICE = "it takes an authenticator's own signature"
_PROVIDER = "it takes a provider's own answer"
_MAILBOX = "it takes the token of a message"
_UNEXERCISED: Mapping[str, str] = {
    "GET invitation-detail": _MAILBOX,
    "POST invitation-accept": _MAILBOX,
    "POST invitation-decline": _MAILBOX,
    "POST auth-register": _MAILBOX,
    "GET auth-me-export": "it says when it was made",
    "POST organization-join": "whoever is in the organization has joined it",
    "POST auth-mfa-options": _DEVICE,
    "POST auth-mfa-passkeys": _DEVICE,
    "POST auth-mfa-passkeys-confirm": _DEVICE,
    "DELETE auth-mfa-passkey": _DEVICE,
    "POST auth-passkeys-login": _DEVICE,
    "POST auth-social": _PROVIDER,
    "POST auth-social-connect": _PROVIDER,
}
