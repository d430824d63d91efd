"""Writes to the domains of organizations; joining by an address in one is in ``offers``."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from saas_kit.audit.services import record
from saas_kit.core import context
from saas_kit.core.addresses import normalize_domain
from saas_kit.core.changes import apply_changes
from saas_kit.core.events import send_on_commit
from saas_kit.core.exceptions import InvalidInput, NotFound
from saas_kit.core.tasks import asks_to_end
from saas_kit.tenancy import limits, signals
from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.domain_proofs import is_published, record_name, record_value
from saas_kit.tenancy.exceptions import (
    DnsUnavailable,
    DomainClaimed,
    DomainTaken,
    DomainUnproved,
    OwnerByDomain,
    PublicMailDomain,
    TooManyDomains,
)
from saas_kit.tenancy.mail_providers import is_public_mail_domain
from saas_kit.tenancy.models import (
    JOINING_ROLE,
    MAX_DOMAIN_LENGTH,
    AbstractOrganization,
    EmailDomain,
    Enrollment,
    domain_validator,
)
from saas_kit.tenancy.roles import OWNER, get_role
from saas_kit.tenancy.scoping import scope, unscoped, within_organization
from saas_kit.tenancy.services.members import require_dominance
from saas_kit.tenancy.services.notices import tell_of_missing_proof
from saas_kit.tenancy.services.organizations import lock_organization

MAX_DOMAINS = 20
"""How many domains the people of an organization may claim for it."""

MAX_UNTOLD = 10
"""How many domains after each other DNS may tell nothing of, before it is taken to be out of order."""

logger = logging.getLogger("saas_kit.tenancy")


@transaction.atomic
@within_organization
def claim_domain(
    organization: AbstractOrganization,
    *,
    domain: str,
    enrollment: str = Enrollment.OFF,
    role: str = JOINING_ROLE,
    actor: AbstractBaseUser | None,
) -> EmailDomain:
    """
    Claim a domain of e-mail addresses for an organization; it is nobody's until it is proved.

    Others may have claimed it too, and are not told.

    Args:
        domain: In any spelling.
        enrollment: What people with an address there can do once it is proved.
        role: The role of whoever joins by their address.

    Raises:
        InvalidInput: It is no domain.
        PublicMailDomain: Anybody can have an address there.
        DomainClaimed: The organization has it already.
        TooManyDomains: It has ``MAX_DOMAINS``; the system claims more.
        UnknownRole: The organization has no such role.
        OwnerByDomain: The role is that of owners.
        RoleTooHigh: The actor holds less than the role grants.
    """
    name = _validated(domain)
    organization = lock_organization(organization)
    _require_grantable(role, organization, actor)
    own = set(EmailDomain.objects.in_organization(organization).values_list("domain", flat=True))
    if name in own:
        raise DomainClaimed(field="domain")
    if actor is not None and len(own) >= MAX_DOMAINS:
        raise TooManyDomains
    values = {"domain": name, "enrollment": Enrollment(enrollment).value, "role": role}
    claimed: EmailDomain = EmailDomain.objects.create(organization=organization, **values)
    changes = {field: [None, value] for field, value in values.items()}
    record("email_domain.claimed", target=claimed, actor=actor, changes=changes)
    send_on_commit(signals.domain_claimed, sender=EmailDomain, domain=claimed, actor=actor)
    return claimed


@transaction.atomic
@within_organization
def change_domain(
    domain: EmailDomain,
    *,
    enrollment: str | None = None,
    role: str | None = None,
    actor: AbstractBaseUser | None,
) -> EmailDomain:
    """
    Change what people with an address in a domain can do, and which role they get; from now on.

    Raises:
        UnknownRole: The organization has no such role.
        OwnerByDomain: The role is that of owners.
        RoleTooHigh: The actor holds less than the role grants that people are to get.
    """
    domain = _lock(domain)
    values = {
        "enrollment": domain.enrollment if enrollment is None else Enrollment(enrollment).value,
        "role": domain.role if role is None else role,
    }
    if values["role"] != domain.role or values["enrollment"] not in (domain.enrollment, Enrollment.OFF):
        # to turn it on is to grant the role, whoever chose that
        _require_grantable(values["role"], domain.organization, actor)
    changes = apply_changes(domain, values)
    if changes:
        record("email_domain.changed", target=domain, actor=actor, changes=changes)
        send_on_commit(
            signals.domain_changed, sender=EmailDomain, domain=domain, changes=changes, actor=actor
        )
    return domain


@within_organization
def verify_domain(domain: EmailDomain, *, actor: AbstractBaseUser | None) -> EmailDomain:
    """
    Look in DNS for the record that proves a domain, and from then on let the organization have it.

    Of one that is proved already nothing is looked up, unless its proof was found to be gone. DNS is asked before the
    transaction begins, so that nothing is held meanwhile.

    Another organization that has the domain loses it where its own record is not in DNS any more: whoever runs the
    domain says whose it is.

    Raises:
        DomainUnproved: The record is not there.
        DomainTaken: It is there, and so is that of another organization, which has proved the domain before.
        DnsUnavailable: DNS does not tell.
        RateLimited: The organization has asked too often.
        NotFound: The claim was deleted meanwhile.
    """
    if domain.is_verified and domain.missing_since is None:
        return domain
    limits.TABLE.count("domain_proofs", str(domain.organization_id))
    if not is_published(record_name(domain.domain), record_value(domain.proof)):
        raise DomainUnproved
    _take_from_the_unproved(domain)
    return _give(domain, actor)


@dataclass(frozen=True)
class CheckedDomains:
    """
    What came of looking up the proofs of domains again.

    Attributes:
        found: How many are still there.
        missing: How many are not, of domains that the organizations still have.
        lost: How many were missing for too long.
        untold: Of how many DNS did not tell, so that nothing changes.
    """

    found: int = 0
    missing: int = 0
    lost: int = 0
    untold: int = 0


def check_domains(*, batch_size: int = 100) -> CheckedDomains:
    """
    Look up again what proves the domains that organizations have, of each once in ``DOMAIN_CHECK_INTERVAL``.

    A domain gets other owners in time, and their people must not join an organization of strangers. Where a proof is
    gone the owners are told, once, and after ``DOMAIN_GRACE`` the organization has the domain no longer; what it claims
    stays, and can be proved again.

    Where DNS does not tell, nothing changes, and the domain waits for its next turn as any other does. Where it does
    not for ``MAX_UNTOLD`` domains after each other, those that are left have their turn the next time. What goes wrong
    with one is logged and stops no other.
    """
    interval = TenancySettings.DOMAIN_CHECK_INTERVAL
    counts: Counter[str] = Counter()
    untold = 0
    while interval and untold < MAX_UNTOLD and (due := _due_for_check(interval, count=batch_size)):
        for domain in due:
            if not _take_turn(domain):
                continue
            try:
                outcome = _check(domain)
            except Exception as error:
                if asks_to_end(error):
                    raise
                logger.exception("The domain %s could not be checked.", domain.pk)
                continue
            if outcome is not None:
                counts[outcome] += 1
            untold = untold + 1 if outcome == "untold" else 0
            if untold == MAX_UNTOLD:
                break
    return CheckedDomains(**counts)


@transaction.atomic
@within_organization
def delete_domain(domain: EmailDomain, *, actor: AbstractBaseUser | None) -> None:
    """
    Take a claim back; nobody joins by it any more, and others may prove the domain. Members stay.

    Raises:
        NotFound: It was deleted already.
    """
    domain = _lock(domain)
    record("email_domain.deleted", target=domain, actor=actor, changes={"domain": [domain.domain, None]})
    domain_id = domain.pk
    domain.delete()
    domain.pk = domain_id  # receivers still want to name it
    send_on_commit(signals.domain_deleted, sender=EmailDomain, domain=domain, actor=actor)


@transaction.atomic
def _give(domain: EmailDomain, actor: AbstractBaseUser | None) -> EmailDomain:
    """Let an organization have a domain that it has just proved, unless another has it."""
    domain = _lock(domain)
    if domain.is_verified:
        apply_changes(domain, {"checked_at": timezone.now(), "missing_since": None})
        return domain
    _take_from_the_deleted(domain.domain)
    now = timezone.now()
    try:
        with transaction.atomic():
            changes = apply_changes(domain, {"verified_at": now, "checked_at": now})
    except IntegrityError as error:
        raise DomainTaken from error
    record("email_domain.verified", target=domain, actor=actor, changes=changes)
    send_on_commit(signals.domain_verified, sender=EmailDomain, domain=domain, actor=actor)
    return domain


def _take_from_the_deleted(name: str) -> None:
    """Let a deleted organization have a domain no longer; should it be restored, it can prove it again."""
    with unscoped(reason="a domain was proved that a deleted organization may have"):
        held = EmailDomain.objects.verified().filter(domain=name, organization__deleted_at__isnull=False)
        found = list(held.select_for_update(of=("self",)))
    for domain in found:
        _take(domain)


def _take_from_the_unproved(domain: EmailDomain) -> None:
    """Let another organization have a domain no longer, where it cannot prove it any more."""
    with unscoped(reason="a domain was proved that another organization may have"):
        held: Any = EmailDomain.objects.verified().exclude(organization=domain.organization_id)
        holder: EmailDomain | None = (
            held.filter(domain=domain.domain, organization__deleted_at__isnull=True)
            .select_related("organization")
            .first()
        )
    if holder is None or is_published(record_name(holder.domain), record_value(holder.proof)):
        return
    with suppress(NotFound), scope(holder.organization_id), transaction.atomic():
        locked = _lock(holder)
        if locked.checked_at == holder.checked_at:  # else it was looked up since
            _take(locked)


def _due_for_check(interval: timedelta, *, count: int) -> list[EmailDomain]:
    with unscoped(reason="looking up what proves domains"):
        due: Any = EmailDomain.objects.verified().filter(
            checked_at__lte=timezone.now() - interval, organization__deleted_at__isnull=True
        )
        return list(due.select_related("organization").order_by("checked_at", "pk")[:count])


def _take_turn(domain: EmailDomain) -> bool:
    """Have a domain checked now, by nobody else, whatever comes of it; tell whether it was still due."""
    now = timezone.now()
    with scope(domain.organization_id):
        due = EmailDomain.objects.filter(pk=domain.pk, checked_at=domain.checked_at)
        is_due = bool(due.update(checked_at=now))
    domain.checked_at = now
    return is_due


def _check(domain: EmailDomain) -> str | None:
    """Look up the proof of one domain; return which of ``CheckedDomains`` it is, or None where it is none."""
    try:
        is_there = is_published(record_name(domain.domain), record_value(domain.proof))
    except DnsUnavailable:
        return "untold"
    with suppress(NotFound), scope(domain.organization_id):
        return _note(domain, is_there=is_there)
    return None


@transaction.atomic
def _note(domain: EmailDomain, *, is_there: bool) -> str | None:
    locked = _lock(domain)
    if locked.checked_at != domain.checked_at:
        return None  # it was looked up since, or lost
    if is_there:
        if locked.missing_since is not None:
            apply_changes(locked, {"missing_since": None})
        return "found"
    now = timezone.now()
    if locked.missing_since is None:
        changes = apply_changes(locked, {"missing_since": now})
        record("email_domain.unproved", target=locked, actor=None, changes=changes)
        tell_of_missing_proof(locked, missing_since=now)
        return "missing"
    if now < locked.missing_since + TenancySettings.DOMAIN_GRACE:
        return "missing"
    _take(locked)
    return "lost"


def _take(domain: EmailDomain) -> None:
    """Let an organization have a domain no longer, of whose claim nothing else changes."""
    # whoever may have proved it elsewhere is nobody to this organization
    with context.fresh_context(), scope(domain.organization_id):
        changes = apply_changes(domain, {"verified_at": None, "checked_at": None, "missing_since": None})
        record("email_domain.lost", target=domain, actor=None, changes=changes)
        send_on_commit(signals.domain_lost, sender=EmailDomain, domain=domain, actor=None)


def _lock(domain: EmailDomain) -> EmailDomain:
    organization = lock_organization(domain.organization)
    found: EmailDomain | None = EmailDomain.objects.in_organization(organization).filter(pk=domain.pk).first()
    if found is None:
        raise NotFound
    found.organization = organization  # type: ignore[assignment] # or whichever model the host chose
    return found


def _require_grantable(role: str, organization: AbstractOrganization, actor: AbstractBaseUser | None) -> None:
    granted = get_role(role, organization=organization)
    if granted.key == OWNER:
        raise OwnerByDomain(field="role")
    require_dominance(actor, organization, granted)


def _validated(domain: str) -> str:
    name = normalize_domain(domain).removesuffix(".")
    try:
        domain_validator(name)
        MaxLengthValidator(MAX_DOMAIN_LENGTH)(name)
    except ValidationError as error:
        raise InvalidInput(_("Enter a domain, such as example.com."), field="domain") from error
    if is_public_mail_domain(name):
        raise PublicMailDomain(field="domain")
    return name
