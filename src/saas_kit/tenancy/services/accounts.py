"""Writes to accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from saas_kit.audit.services import record
from saas_kit.core import context
from saas_kit.core.changes import apply_changes
from saas_kit.core.events import send_on_commit
from saas_kit.core.exceptions import NotFound
from saas_kit.email.services import cancel_messages
from saas_kit.tenancy import signals
from saas_kit.tenancy.access import forget_access, get_access
from saas_kit.tenancy.exceptions import NotInAccount, RoleTooHigh
from saas_kit.tenancy.models import Account, AccountMembership, Status, get_organization_model
from saas_kit.tenancy.roles import OWNER
from saas_kit.tenancy.scoping import scope
from saas_kit.tenancy.services.notices import tell_of_suspension, tell_of_transfer
from saas_kit.tenancy.slugs import save_with_slug


@transaction.atomic
def create_account(
    *,
    name: str,
    owner: AbstractBaseUser,
    slug: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    actor: AbstractBaseUser | None,
) -> Account:
    """
    Create an account with its first owner.

    Args:
        slug: Made from the name where it is left out.

    Raises:
        SlugTaken: Another account has the slug.
    """

    def save(candidate: str) -> Account:
        created: Account = Account.objects.create(name=name, slug=candidate, metadata=dict(metadata or {}))
        return created

    account = save_with_slug(Account, save, name=name, slug=slug)
    AccountMembership.objects.create(account=account, user=owner, role=OWNER)
    forget_access(owner)
    changes = {"owner": [None, str(owner.pk)]}
    record("account.created", target=account, actor=actor, account_id=account.pk, changes=changes)
    send_on_commit(signals.account_created, sender=Account, account=account, actor=actor)
    return account


@transaction.atomic
def change_account(account: Account, *, actor: AbstractBaseUser | None, **values: Any) -> Account:
    """
    Change an account's ``name``, ``slug`` or ``metadata``.

    Raises:
        SlugTaken: Another account has the slug.
    """
    account = lock_account(account)

    def save(_: str) -> Account:
        changes.update(apply_changes(account, values))
        return account

    changes: dict[str, list[Any]] = {}
    save_with_slug(Account, save, name=account.name, slug=values.get("slug", account.slug), besides=account)
    if changes:
        record("account.changed", target=account, actor=actor, account_id=account.pk, changes=changes)
        send_on_commit(signals.account_changed, sender=Account, account=account, changes=changes, actor=actor)
    return account


@transaction.atomic
def set_account_status(account: Account, status: Status, *, actor: AbstractBaseUser | None) -> Account:
    """Suspend an account, or let it be used again."""
    account = lock_account(account)
    changes = apply_changes(account, {"status": status.value})
    if changes:
        record("account.changed", target=account, actor=actor, account_id=account.pk, changes=changes)
        send_on_commit(signals.account_changed, sender=Account, account=account, changes=changes, actor=actor)
        if status is Status.SUSPENDED:
            tell_of_suspension(account, actor=actor)
    return account


@transaction.atomic
def delete_account(account: Account, *, actor: AbstractBaseUser | None) -> None:
    """
    Delete an account with its organizations and all that they own, so that it can be restored.

    Mail about them that waits is not sent.

    Raises:
        NotFound: It is deleted already.
        StillReferenced: Something alive protects it.
    """
    lock_account(account)
    organizations = get_organization_model().objects.filter(account=account)
    cancel_messages(*organizations)
    with _scope_of(account):
        account.delete()
    record("account.deleted", target=account, actor=actor, account_id=account.pk)
    send_on_commit(signals.account_deleted, sender=Account, account=account, actor=actor)


@transaction.atomic
def restore_account(account: Account, *, actor: AbstractBaseUser | None) -> Account:
    """
    Bring an account back with exactly what was deleted along with it.

    Raises:
        NotDeleted: It is alive.
        NotUnique: Its slug, or one of an organization's, was taken meanwhile.
    """
    with _scope_of(account):
        account.restore()
    record("account.restored", target=account, actor=actor, account_id=account.pk)
    send_on_commit(signals.account_restored, sender=Account, account=account, actor=actor)
    return account


@transaction.atomic
def transfer_account(account: Account, *, to: AbstractBaseUser, actor: AbstractBaseUser) -> Account:
    """
    Make another member of the account its owner, and the actor an admin.

    Platform staff, who own nothing, leave the owners as they are.

    Raises:
        RoleTooHigh: The actor does not own the account.
        NotInAccount: The person is not a member of the account.
    """
    account = lock_account(account)
    members = AccountMembership.objects.filter(account=account)
    predecessor = members.owners().filter(user=actor).first()
    if predecessor is None:
        _require_staff(actor)
    successor = members.filter(user=to, user__is_active=True).first()
    if successor is None or to.pk == actor.pk:
        raise NotInAccount(field="user")
    if predecessor is not None:
        apply_changes(predecessor, {"role": "admin"})
    apply_changes(successor, {"role": OWNER})
    forget_access(actor)
    changes = {"owner": [str(actor.pk), str(to.pk)]}
    record("account.transferred", target=account, actor=actor, account_id=account.pk, changes=changes)
    tell_of_transfer(account, old_owner=None if predecessor is None else actor, new_owner=to)
    send_on_commit(
        signals.account_transferred,
        sender=Account,
        account=account,
        new_owner=to,
        old_owner=actor,
        actor=actor,
    )
    return account


def lock_account(account: Account) -> Account:
    """
    Read an account anew and hold its row until the transaction ends.

    Rules over several rows of an account queue here.

    Raises:
        NotFound: It was deleted meanwhile.
    """
    locked: Account | None = Account.objects.select_for_update().filter(pk=account.pk).first()
    if locked is None:
        raise NotFound
    return locked


def _scope_of(account: Account) -> scope:
    model = get_organization_model()
    return scope(model.all_objects.filter(account=account).values_list("pk", flat=True))


def _require_staff(actor: AbstractBaseUser) -> None:
    forget_access(actor)
    if not get_access(actor).is_staff:
        raise RoleTooHigh
    context.staff_access.set(True)
