"""Writes to organizations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from saas_kit.audit.services import record
from saas_kit.core.changes import apply_changes
from saas_kit.core.events import send_on_commit
from saas_kit.core.exceptions import NotFound
from saas_kit.email.services import cancel_messages
from saas_kit.tenancy import signals
from saas_kit.tenancy.access import forget_access, second_factor
from saas_kit.tenancy.exceptions import MfaUnknown, OwnMfaRequired
from saas_kit.tenancy.models import AbstractOrganization, Account, Membership, Status, get_organization_model
from saas_kit.tenancy.roles import OWNER
from saas_kit.tenancy.scoping import scope, within_organization
from saas_kit.tenancy.services.accounts import lock_account
from saas_kit.tenancy.services.notices import tell_of_suspension
from saas_kit.tenancy.slugs import save_with_slug


@transaction.atomic
def create_organization(
    *,
    account: Account,
    name: str,
    owner: AbstractBaseUser,
    slug: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    require_mfa: bool = False,
    actor: AbstractBaseUser | None,
    **fields: Any,
) -> AbstractOrganization:
    """
    Create an organization in an account, with its first owner.

    Args:
        slug: Made from the name where it is left out.
        require_mfa: Whether it is closed to people without a second factor.
        fields: Fields of the host's own organization model.

    Raises:
        SlugTaken: Another organization has the slug.
        OwnMfaRequired: The actor requires a second factor, and has none.
        MfaUnknown: A second factor is required where nothing tells who has one.
    """
    if require_mfa:
        _refuse_lockout(actor)
    model = get_organization_model()
    account = lock_account(account)  # nothing is added to an account that is being deleted

    def save(candidate: str) -> AbstractOrganization:
        created: AbstractOrganization = model.objects.create(
            account=account,
            name=name,
            slug=candidate,
            metadata=dict(metadata or {}),
            require_mfa=require_mfa,
            **fields,
        )
        return created

    organization = save_with_slug(model, save, name=name, slug=slug)
    with scope(organization):
        Membership.objects.create(organization=organization, user=owner, role=OWNER)
    forget_access(owner)
    record(
        "organization.created",
        target=organization,
        actor=actor,
        organization_id=organization.pk,
        changes={"owner": [None, str(owner.pk)]},
    )
    send_on_commit(signals.organization_created, sender=model, organization=organization, actor=actor)
    return organization


@transaction.atomic
@within_organization
def change_organization(
    organization: AbstractOrganization, *, actor: AbstractBaseUser | None, **values: Any
) -> AbstractOrganization:
    """
    Change an organization's ``name``, ``slug``, ``metadata``, ``require_mfa`` or fields of the host's own.

    Raises:
        SlugTaken: Another organization has the slug.
        OwnMfaRequired: The actor begins to require a second factor, and has none.
        MfaUnknown: A second factor is to be required where nothing tells who has one.
    """
    model = get_organization_model()
    organization = lock_organization(organization)
    if values.get("require_mfa") and not organization.require_mfa:
        _refuse_lockout(actor)

    def save(_: str) -> AbstractOrganization:
        changes.update(apply_changes(organization, values))
        return organization

    changes: dict[str, list[Any]] = {}
    slug = values.get("slug", organization.slug)
    save_with_slug(model, save, name=organization.name, slug=slug, besides=organization)
    if changes:
        _tell_change(organization, changes, actor)
    return organization


@transaction.atomic
@within_organization
def set_organization_status(
    organization: AbstractOrganization, status: Status, *, actor: AbstractBaseUser | None
) -> AbstractOrganization:
    """Suspend an organization, or let it be used again."""
    organization = lock_organization(organization)
    changes = apply_changes(organization, {"status": status.value})
    if changes:
        _tell_change(organization, changes, actor)
        if status is Status.SUSPENDED:
            tell_of_suspension(organization, actor=actor)
    return organization


@transaction.atomic
@within_organization
def delete_organization(organization: AbstractOrganization, *, actor: AbstractBaseUser | None) -> None:
    """
    Delete an organization with all that it owns, so that it can be restored; mail about it that waits is not sent.

    Raises:
        NotFound: It is deleted already.
        StillReferenced: Something alive protects it.
    """
    lock_organization(organization)
    organization.delete()
    cancel_messages(organization)
    record("organization.deleted", target=organization, actor=actor, organization_id=organization.pk)
    send_on_commit(
        signals.organization_deleted, sender=type(organization), organization=organization, actor=actor
    )


@transaction.atomic
@within_organization
def restore_organization(
    organization: AbstractOrganization, *, actor: AbstractBaseUser | None
) -> AbstractOrganization:
    """
    Bring an organization back with exactly what was deleted along with it.

    Raises:
        NotDeleted: It is alive.
        NotUnique: Its slug, or the name of something in it, was taken meanwhile.
        ParentDeleted: Its account is deleted.
    """
    organization.restore()
    record("organization.restored", target=organization, actor=actor, organization_id=organization.pk)
    send_on_commit(
        signals.organization_restored, sender=type(organization), organization=organization, actor=actor
    )
    return organization


def lock_organization(organization: AbstractOrganization) -> AbstractOrganization:
    """
    Read an organization anew and hold its row until the transaction ends.

    Rules over several rows of an organization queue here.

    Raises:
        NotFound: It was deleted meanwhile.
    """
    rows = get_organization_model().objects.select_for_update()
    locked: AbstractOrganization | None = rows.filter(pk=organization.pk).first()
    if locked is None:
        raise NotFound
    return locked


def _refuse_lockout(actor: AbstractBaseUser | None) -> None:
    """Refuse an actor who would close an organization to themselves, or to everybody."""
    tell = second_factor()
    if tell is None:
        raise MfaUnknown
    if actor is not None and not tell(actor):
        raise OwnMfaRequired


def _tell_change(
    organization: AbstractOrganization, changes: dict[str, list[Any]], actor: AbstractBaseUser | None
) -> None:
    record(
        "organization.changed",
        target=organization,
        actor=actor,
        organization_id=organization.pk,
        changes=changes,
    )
    send_on_commit(
        signals.organization_changed,
        sender=type(organization),
        organization=organization,
        changes=changes,
        actor=actor,
    )
