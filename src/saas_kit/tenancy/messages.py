"""What tenancy writes to people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Self

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from saas_kit.email.messages import Message, secret


@dataclass(frozen=True, kw_only=True)
class InvitationMessage(Message):
    """
    A message with the token of an invitation.

    Attributes:
        organization: What the organization is called.
        inviter: Who invites; empty where nobody in person does.
        role: What the role is called.
        message: What the inviter has to say; may be empty.
        expires_at: Until when the invitation can be answered.
        token: The secret, for people without a front end to type or paste.
        link: Where it leads; empty where no front end is configured.
    """

    organization: str
    inviter: str
    role: str
    message: str
    expires_at: datetime
    token: str = secret()
    link: str = secret()

    @classmethod
    def samples(cls) -> list[Self]:
        organization, role, expires_at = "Acme Berlin", _("Member"), datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
        token = "sample-of-a-token"  # noqa: S105 - nobody has it
        link = f"https://app.example.com/invitation#token={token}"
        return [
            cls(
                organization=organization,
                inviter="Ada Lovelace",
                role=role,
                message=_("Here is where we plan the engine."),
                expires_at=expires_at,
                token=token,
                link=link,
            ),
            cls(
                organization=organization,
                inviter="",
                role=role,
                message="",
                expires_at=expires_at,
                token=token,
                link="",
            ),
        ]


@dataclass(frozen=True, kw_only=True)
class OrganizationInvitation(InvitationMessage):
    """Invites somebody to an organization."""

    kind: ClassVar = "saas_kit_tenancy.invitation"
    subject: ClassVar = gettext_lazy("You are invited to join {organization}")


@dataclass(frozen=True, kw_only=True)
class InvitationReminder(InvitationMessage):
    """Reminds somebody of an invitation that they did not answer yet."""

    kind: ClassVar = "saas_kit_tenancy.invitation_reminder"
    subject: ClassVar = gettext_lazy("Your invitation to join {organization} ends soon")
    topic: ClassVar = "notifications"


@dataclass(frozen=True, kw_only=True)
class MemberJoined(Message):
    """
    Tells those who brought somebody into an organization, or own it, that there is a new member.

    Attributes:
        organization: What the organization is called.
        member: Who joined.
        email: Their address.
        role: What the role is called.
    """

    organization: str
    member: str
    email: str
    role: str

    kind: ClassVar = "saas_kit_tenancy.member_joined"
    subject: ClassVar = gettext_lazy("{member} joined {organization}")
    topic: ClassVar = "notifications"

    @classmethod
    def samples(cls) -> list[Self]:
        role, long_name = _("Member"), "Wolfeschlegelsteinhausenbergerdorff"
        return [
            cls(organization="Acme Berlin", member="Grace Hopper", email="grace@example.com", role=role),
            cls(
                organization="مؤسسة آدا 🚀",
                member=f"Hubert Blaine {long_name}",
                email=f"hubert.blaine.{long_name.lower()}@example.com",
                role=role,
            ),
        ]


@dataclass(frozen=True, kw_only=True)
class RoleChanged(Message):
    """
    Tells a member that somebody gave them another role.

    Attributes:
        place: What the organization or the account is called.
        old_role: What the role before is called.
        role: What the role is called that they have now.
    """

    place: str
    old_role: str
    role: str

    kind: ClassVar = "saas_kit_tenancy.role_changed"
    subject: ClassVar = gettext_lazy("Your role in {place} was changed")

    @classmethod
    def samples(cls) -> list[Self]:
        return [cls(place="Acme Berlin", old_role=_("Member"), role=_("Admin"))]


@dataclass(frozen=True, kw_only=True)
class OwnershipTransferred(Message):
    """
    Tells the old and the new owner of an account that it changed hands.

    Attributes:
        account: What the account is called.
        old_owner: Who gave it away; the name of the service where its staff did.
        new_owner: Who owns it now.
    """

    account: str
    old_owner: str
    new_owner: str

    kind: ClassVar = "saas_kit_tenancy.ownership_transferred"
    subject: ClassVar = gettext_lazy("{new_owner} now owns {account}")

    @classmethod
    def samples(cls) -> list[Self]:
        return [cls(account="Acme", old_owner="Ada Lovelace", new_owner="Grace Hopper")]


@dataclass(frozen=True, kw_only=True)
class DomainUnproved(Message):
    """
    Tells the owners of an organization that what proves a domain of it is not in DNS any more.

    Attributes:
        organization: What the organization is called.
        domain: The domain.
        name: The name of the record that proves it.
        value: The text of the record.
        lost_at: Until when it can be put back.
    """

    organization: str
    domain: str
    name: str
    value: str
    lost_at: datetime

    kind: ClassVar = "saas_kit_tenancy.domain_unproved"
    subject: ClassVar = gettext_lazy("{organization} is about to lose the domain {domain}")

    @classmethod
    def samples(cls) -> list[Self]:
        return [
            cls(
                organization="Acme Berlin",
                domain="acme.example",
                name="_saas-kit-challenge.acme.example",
                value="saas-kit-verification=0123456789abcdef0123456789abcdef",
                lost_at=datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
            )
        ]


@dataclass(frozen=True, kw_only=True)
class AccountSuspended(Message):
    """
    Tells the owners of an account, or of an organization, that it is suspended.

    Attributes:
        place: What it is called.
    """

    place: str

    kind: ClassVar = "saas_kit_tenancy.account_suspended"
    subject: ClassVar = gettext_lazy("{place} is suspended")

    @classmethod
    def samples(cls) -> list[Self]:
        return [cls(place="Acme")]
