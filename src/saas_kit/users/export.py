"""What accounts, organizations and teams keep of somebody, for the export of their own data."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db.models import F

from saas_kit.auth.identity import proved_addresses
from saas_kit.auth.services import register_export_section
from saas_kit.auth.services.export import events_of
from saas_kit.tenancy import unscoped
from saas_kit.tenancy.models import AccountMembership, Invitation, Membership, RemovedMember

# somebody may ask for what is theirs wherever it is; the sections ask for nothing else
_everywhere = unscoped(reason="exporting somebody's own data")


def memberships_of(user: Any) -> list[dict[str, Any]]:
    """Return the organizations that somebody is in."""
    return _places(Membership.objects.filter(user=user), "organization")


def account_memberships_of(user: Any) -> list[dict[str, Any]]:
    """Return the accounts that somebody has a role in."""
    return _places(AccountMembership.objects.filter(user=user), "account")


def team_memberships_of(user: Any) -> list[dict[str, Any]]:
    """Return the teams that somebody is in."""
    model: Any = apps.get_model("saas_kit_teams", "TeamMembership")
    return _places(model.objects.filter(membership__user=user), "team")


def invitations_of(user: Any) -> list[dict[str, Any]]:
    """Return the invitations to somebody, by the addresses that they proved, whatever became of them."""
    received = Invitation.objects.received_by(user, proved_addresses(user))
    return _invitations(received.annotate(name=F("organization__name")), "name")


def sent_invitations_of(user: Any) -> list[dict[str, Any]]:
    """Return the invitations that somebody answers for; whom they invited is left out, as that is somebody else."""
    return _invitations(Invitation.objects.filter(invited_by=user))


def removals_of(user: Any) -> list[dict[str, Any]]:
    """Return the organizations that keep that they removed somebody."""
    removals = RemovedMember.objects.filter(user=user, organization__deleted_at__isnull=True)
    return list(removals.order_by("pk").values("organization", "created_at"))


def register_sections() -> None:
    """Add what accounts, organizations and teams keep to everybody's export."""
    register_export_section("memberships", _everywhere(memberships_of))
    register_export_section("account_memberships", _everywhere(account_memberships_of))
    register_export_section("invitations", _everywhere(invitations_of))
    register_export_section("sent_invitations", _everywhere(sent_invitations_of))
    register_export_section("removals", _everywhere(removals_of))
    if apps.is_installed("saas_kit.teams"):
        register_export_section("team_memberships", _everywhere(team_memberships_of))
    # row-level security shows what happened outside of organizations to nobody else
    register_export_section("events", _everywhere(events_of))


def _places(memberships: Any, place: str) -> list[dict[str, Any]]:
    alive = memberships.filter(**{f"{place}__deleted_at__isnull": True}).order_by("pk")
    names = {"name": F(f"{place}__name"), "slug": F(f"{place}__slug")}
    return list(alive.values("id", place, "role", "created_at", "updated_at", **names))


def _invitations(invitations: Any, *more: str) -> list[dict[str, Any]]:
    alive = invitations.filter(organization__deleted_at__isnull=True).order_by("pk")
    names = ("id", "role", "message", "created_at", "sent_at", "expires_at", "answered_at", *more)
    return [
        {"organization": each.organization_id, "status": each.visible_status}
        | {name: getattr(each, name) for name in names}
        for each in alive
    ]
