"""
Writes that are about people and their organizations at once.

Each service is atomic. ``actor`` is who acts; None is the system. Whether the actor may do it is for the caller
to ask.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.identity import email_field, proved_addresses, registered_at_field
from saas_kit.auth.models import Session
from saas_kit.auth.services import (
    Tokens,
    ask_to_set_password,
    create_user,
    deactivate_user,
    register_again,
    register_proved,
    rotate,
    verify_email,
)
from saas_kit.auth.services.people import hold_user
from saas_kit.tenancy.limits import TABLE as LIMITS
from saas_kit.tenancy.models import AbstractOrganization, AccountMembership, get_organization_model
from saas_kit.tenancy.services import (
    accept_invitation,
    check_invitation,
    create_account,
    create_organization,
    delete_account,
    end_memberships,
    forget_person,
    introduce_member,
    is_shared,
    join_by_domain,
)
from saas_kit.users.exceptions import UnknownOrganization

_NAME_LENGTH = 120


@sensitive_variables("password", "args", "kwds")
@transaction.atomic
def register_user(
    *, email: str, password: str | None, organization_name: str | None = None, **fields: Any
) -> AbstractBaseUser:
    """
    Register a person with an account and a first organization, both theirs.

    Somebody whose address is proved already also joins the organization that takes in new people from its domain.

    Args:
        password: None of somebody who signs in at a provider.
        organization_name: Names the account and the organization; the person's own name where it is left out.
        fields: Further arguments of ``create_user()``.

    Raises:
        EmailTaken: Somebody has the address.
        WeakPassword: The password breaks a rule.
    """
    user = create_user(email=email, password=password, **fields)
    _found_account(user, organization_name)
    if fields.get("email_verified"):
        join_by_domain(user)
    return user


@sensitive_variables("password", "args", "kwds")
@transaction.atomic
def register_user_again(
    user: AbstractBaseUser, *, password: str, organization_name: str | None = None, **fields: Any
) -> None:
    """
    Answer somebody who registers with an address that has an account, as ``register_again()`` does.

    Where the registration takes the place of one that nobody proved, so do its account and organization.
    """
    if not register_again(user, password=password, **fields):
        return
    _delete_own_accounts(user)
    user.refresh_from_db()
    _found_account(user, organization_name)


@sensitive_variables("invitation_token", "password", "args", "kwds")
@transaction.atomic
def register_by_invitation(
    invitation_token: str, *, email: str, password: str, **fields: Any
) -> AbstractBaseUser:
    """
    Register the person whom an invitation is for, as a member where they are invited; nothing else is made for them.

    Whoever has the token has the mailbox, so the address is proved. A registration with it that nobody proved gives way
    to this one, with its account and organization. After the commit, they also join the organization that takes in new
    people from the domain of their address.

    Args:
        fields: Further fields of the user model.

    Raises:
        NotFound: There is no such token.
        AlreadyAccepted: It was accepted before.
        Gone: It has expired, was declined, taken back or replaced, or is void.
        EmailMismatch: It is for another address.
        Suspended: The organization or its account is suspended.
        EmailTaken: There is an account whose owner has proved the address; they sign in and accept.
        WeakPassword: The password breaks a rule; the invitation stays good.
        NoSeatsLeft: The organization may have no more members.
    """
    check_invitation(invitation_token, email=email)
    # the person before the organization, as everywhere; that the invitation is still good is asked again under its lock
    user, is_new = register_proved(email=email, password=password, **fields)
    if not is_new:
        _delete_own_accounts(user)
    accept_invitation(invitation_token, user)
    # in a transaction of its own: there is no order in which two organizations could be held
    transaction.on_commit(partial(join_by_domain, user), robust=True)
    return user


@sensitive_variables("secret", "args", "kwds")
@transaction.atomic
def prove_address(secret: str, *, keep: Session | None = None) -> None:
    """
    Take the proof that an address is its person's, as ``verify_email()`` does.

    Somebody new joins the organization that takes in new people from the domain of the address.
    """
    user = verify_email(secret, keep=keep)
    if _is_signing_up(user):
        join_by_domain(user)


@transaction.atomic
def provision_user(
    organization: AbstractOrganization,
    *,
    email: str,
    role: str,
    actor: AbstractBaseUser | None,
    **fields: Any,
) -> AbstractBaseUser:
    """
    Make a new person a member of an organization, and send them a link to set their password.

    Args:
        fields: Further fields of the user model.

    Raises:
        EmailTaken: Somebody has the address; they are invited instead.
        UnknownRole: The organization has no such role.
        RoleTooHigh: The actor holds less than the role grants.
        RateLimited: The organization has asked for too many.
    """
    # before it shows whether somebody has the address
    LIMITS.count("provision", str(organization.pk))
    user = create_user(email=email, password=None, actor=actor, **fields)
    introduce_member(organization, user, role, actor=actor)
    ask_to_set_password(user)
    return user


def rotate_within(refresh: str, organization_id: UUID | None) -> Tokens:
    """
    Take a refresh token for the next pair, bound to one organization, or to none.

    Tokens that are bound are of use in that organization only. The pairs after it are bound to it as well, until this
    service is asked for another. Like ``rotate()``, it cannot be called inside a transaction.

    Raises:
        InvalidToken: The token is not valid, or was used before.
        SessionEnded: The session is over, its person no longer active, or their password another.
        UnknownOrganization: The person is in no such organization; the token stays good.
    """

    def choose(user: AbstractBaseUser) -> str | None:
        if organization_id is None:
            return None
        # known is enough: what requires a second factor opens to these very tokens once there is one
        organizations = get_organization_model().objects.known_to(user)
        if not organizations.filter(pk=organization_id).exists():
            raise UnknownOrganization(field="organization")
        return str(organization_id)

    return rotate(refresh, choose_organization=choose)


@transaction.atomic
def remove_user(user: AbstractBaseUser, *, actor: AbstractBaseUser | None) -> None:
    """
    Take a person out of the service: they cannot sign in, and their memberships end.

    Accounts that are theirs alone are deleted, so that they can be restored.

    Raises:
        LastOwner: The person is the only owner of something that others share.
    """
    hold_user(user)  # before what they belong to, in the order in which an erasure does
    end_memberships(user, actor=actor)
    deactivate_user(user, actor=actor)


def leave_everything(user: AbstractBaseUser, email: str) -> None:
    """
    End all of somebody's memberships, as a step of their erasure.

    Raises:
        LastOwner: The person is the only owner of something that others share.
    """
    end_memberships(user, actor=None)


def forget_invitations(user: AbstractBaseUser, email: str) -> None:
    """
    Remove the invitations to somebody, and that organizations removed them, as a step of their erasure.

    What invites to an address that they did not prove stays, as it may be somebody else's.
    """
    forget_person(user, addresses=proved_addresses(user))


def _is_signing_up(user: Any) -> bool:
    """Tell whether somebody is new: never signed in, or for no longer than the first link to them is good for."""
    since = registered_at_field()
    if user.last_login is None or since is None:
        return user.last_login is None
    return bool(timezone.now() - getattr(user, since) <= AuthSettings.VERIFY_EMAIL_LIFETIME)


def _delete_own_accounts(user: AbstractBaseUser) -> None:
    """Delete the accounts that are somebody's alone."""
    own = AccountMembership.objects.filter(user=user, account__deleted_at__isnull=True)
    for membership in own.select_related("account"):
        if not is_shared(membership.account, user):
            delete_account(membership.account, actor=None)


def _found_account(user: AbstractBaseUser, organization_name: str | None) -> None:
    name = (organization_name or _name_of(user))[:_NAME_LENGTH]
    account = create_account(name=name, owner=user, actor=user)
    create_organization(account=account, name=name, owner=user, actor=user)


def _name_of(user: AbstractBaseUser) -> str:
    full_name = getattr(user, "get_full_name", str)()
    return str(full_name).strip() or str(getattr(user, email_field())).partition("@")[0]
