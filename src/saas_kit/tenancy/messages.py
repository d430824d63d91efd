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
