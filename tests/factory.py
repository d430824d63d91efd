"""Makes people, accounts, organizations and teams through the kit's services; what is not named is new."""

from __future__ import annotations

from itertools import count
from typing import Any


class Factory:
    """
    Makes what a test needs.

    Attributes:
        number: Numbers that are different each time, for names that must be.
    """

    # The kit's modules are imported where they are needed: this one is loaded before Django's apps are, and not
    # every host installs all of them.

    def __init__(self) -> None:
        self.number = count(1)

    def user(
        self, email: str | None = None, *, password: str | None = None, superuser: bool = False, **fields: Any
    ) -> Any:
        """Make a person of the host's user model."""
        from saas_kit.auth.services import create_user

        if superuser:
            fields |= {"is_staff": True, "is_superuser": True}
        return create_user(
            email=email or f"person{next(self.number)}@example.com", password=password, **fields
        )

    def account(self, name: str | None = None, *, owner: Any = None, **values: Any) -> Any:
        """Make an account; its owner is somebody new unless named."""
        from saas_kit.tenancy.services import create_account

        return create_account(
            name=name or f"Account {next(self.number)}", owner=owner or self.user(), actor=None, **values
        )

    def organization(
        self, name: str | None = None, *, account: Any = None, owner: Any = None, **values: Any
    ) -> Any:
        """Make an organization; its account and its owner are new unless named, and the two owners strangers."""
        from saas_kit.tenancy.services import create_organization

        return create_organization(
            account=account or self.account(),
            name=name or f"Organization {next(self.number)}",
            owner=owner or self.user(),
            actor=None,
            **values,
        )

    def membership(self, organization: Any = None, *, user: Any = None, role: str = "member") -> Any:
        """Make somebody a member; an owner without a named organization is the only owner of a new one."""
        from saas_kit.tenancy.models import Membership
        from saas_kit.tenancy.services import add_member

        user = user or self.user()
        if organization is None and role == "owner":
            organization = self.organization(owner=user)
            return Membership.objects.get(organization=organization, user=user)
        return add_member(organization or self.organization(), user, role, actor=None)

    def account_membership(self, account: Any = None, *, user: Any = None, role: str = "member") -> Any:
        """Give somebody a role in an account; an owner without a named account is the only owner of a new one."""
        from saas_kit.tenancy.models import AccountMembership
        from saas_kit.tenancy.services import add_account_member

        user = user or self.user()
        if account is None and role == "owner":
            account = self.account(owner=user)
            return AccountMembership.objects.get(account=account, user=user)
        return add_account_member(account or self.account(), user, role, actor=None)

    def team(self, name: str | None = None, *, organization: Any = None, **values: Any) -> Any:
        """Make a team; its organization is new unless named."""
        from saas_kit.teams.services import create_team

        return create_team(
            organization or self.organization(),
            name=name or f"Team {next(self.number)}",
            actor=None,
            **values,
        )

    def team_membership(self, team: Any = None, *, user: Any = None, role: str = "member") -> Any:
        """Put somebody in a team, and in its organization first where they are not."""
        from saas_kit.teams.services import add_team_member
        from saas_kit.tenancy.models import Membership

        team = team or self.team()
        members = Membership.objects.in_organization(team.organization)
        if user is None or not members.filter(user=user).exists():
            user = self.membership(team.organization, user=user).user
        return add_team_member(team, user, role, actor=None)

    def invitation(
        self,
        organization: Any = None,
        email: str | None = None,
        *,
        role: str = "member",
        actor: Any = None,
        **values: Any,
    ) -> Any:
        """Invite an address, a new one unless named; the system does unless an actor is named."""
        from saas_kit.tenancy.services import invite

        organization = organization or self.organization()
        email = email or f"invited{next(self.number)}@example.com"
        return invite(organization, email=email, role=role, actor=actor, **values)[0]
