"""
Where new members are put: the app that has teams says it here, and invitations ask without importing that app.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser

from saas_kit.tenancy.exceptions import UnknownTeam


@dataclass(frozen=True, slots=True)
class Placement:
    """
    What puts members into teams.

    Attributes:
        check: Takes an organization, the keys of teams and who acts, None being the system. It raises ``UnknownTeam``
            where there is no such team, and ``NotAllowed`` where the actor may not put people into one.
        place: Takes a membership and the keys of teams, of which it leaves out those that are gone.
    """

    check: Callable[[Any, Sequence[UUID], AbstractBaseUser | None], None]
    place: Callable[[Any, Sequence[UUID]], None]


_known: list[Placement] = []


def register_placement(placement: Placement) -> None:
    """Let an app put members into teams, in the place of the one before it."""
    _known[:] = [placement]


def check_teams(organization: Any, team_ids: Sequence[UUID], actor: AbstractBaseUser | None) -> None:
    """
    Refuse teams that a new member cannot be put into; where no app has teams, all of them.

    Raises:
        UnknownTeam: The organization has no such team.
        NotAllowed: The actor may not put people into one of them.
    """
    if not team_ids:
        return
    if not _known:
        raise UnknownTeam(field="teams")
    _known[0].check(organization, team_ids, actor)


def place_in_teams(membership: Any, team_ids: Sequence[UUID]) -> None:
    """Put a new member into teams; those that are gone are left out."""
    if team_ids and _known:
        _known[0].place(membership, team_ids)
