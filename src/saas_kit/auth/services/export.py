"""Everything that is kept of somebody, for themselves: no secrets, and nothing of anybody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from saas_kit.audit.models import Event
from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.identity import email_field, has_field
from saas_kit.auth.models import Erasure, OneTimeToken, Session

ExportSection = Callable[[Any], Any]


def register_export_section(name: str, section: ExportSection) -> None:
    """
    Add something to what people get when they ask for what is kept of them.

    Args:
        name: Its key in the document; a section of the same name is replaced.
        section: Gets the person and returns what Django can write as JSON: without secrets, without what is somebody
            else's, by a number of statements that does not depend on the rows.
    """
    _sections[name] = section


@transaction.atomic
def export_user(user: AbstractBaseUser) -> dict[str, Any]:
    """Return what is kept of somebody: ``exported_at``, and ``sections`` by their names."""
    return {
        "exported_at": timezone.now(),
        "sections": {name: section(user) for name, section in _sections.items()},
    }


def events_of(user: AbstractBaseUser) -> dict[str, Any]:
    """
    Return what somebody did, the newest first, and whether that is all.

    The names of objects are left out, as they may be those of other people.
    """
    limit = AuthSettings.EXPORT_EVENTS
    names = (
        *("id", "created_at", "action", "actor_label", "account_id", "organization_id", "target_type"),
        *("target_id", "staff_access", "ip_address", "request_id"),
    )
    found = list(Event.objects.filter(actor=user).values(*names)[: limit + 1])
    return {"events": found[:limit], "complete": len(found) <= limit}


def _profile_of(user: Any) -> dict[str, Any]:
    names = (
        *(
            "id",
            "username",
            email_field(),
            "first_name",
            "last_name",
            "is_active",
            "is_staff",
            "is_superuser",
        ),
        *("date_joined", "created_at", "updated_at", "last_login"),
    )
    return {name: getattr(user, name) for name in names if has_field(name)}


def _addresses_of(user: Any) -> list[dict[str, Any]]:
    addresses = apps.get_model("account.EmailAddress")._base_manager
    return list(addresses.filter(user=user).order_by("pk").values("email", "verified", "primary"))


def _sessions_of(user: Any) -> list[dict[str, Any]]:
    names = (
        *("id", "created_at", "last_seen_at", "rotated_at", "expires_at", "revoked_at"),
        *("ip_address", "user_agent"),
    )
    return list(Session.objects.filter(user=user).values(*names))


def _tokens_of(user: Any) -> list[dict[str, Any]]:
    names = ("id", "purpose", "email", "created_at", "expires_at", "ended_at")
    return list(OneTimeToken.objects.filter(user=user).order_by("-pk").values(*names))


def _second_factors_of(user: Any) -> list[dict[str, Any]]:
    if not apps.is_installed("allauth.mfa"):
        return []
    factors = apps.get_model("mfa", "Authenticator")._base_manager.filter(user=user).order_by("pk")
    return list(factors.values("type", "created_at", "last_used_at", name=F("data__name")))


def _social_accounts_of(user: Any) -> list[dict[str, Any]]:
    if not apps.is_installed("allauth.socialaccount"):
        return []
    accounts = apps.get_model("socialaccount", "SocialAccount")._base_manager.filter(user=user)
    names = ("provider", "uid", "date_joined", "last_login", "extra_data")
    return list(accounts.order_by("pk").values(*names))


def _erasure_of(user: Any) -> Any:
    return Erasure.objects.filter(user=user).values("requested_at", "due_at").first()


_sections: dict[str, ExportSection] = {
    "profile": _profile_of,
    "addresses": _addresses_of,
    "sessions": _sessions_of,
    "one_time_tokens": _tokens_of,
    "second_factors": _second_factors_of,
    "social_accounts": _social_accounts_of,
    "erasure": _erasure_of,
    "events": events_of,
}
