"""Every write to widgets."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction

from saas_kit.audit.services import record
from saas_kit.core.changes import apply_changes
from saas_kit.core.exceptions import InvalidInput
from saas_kit.tenancy import within_organization
from saas_kit.tenancy.models import AbstractOrganization
from tests.hosts.full.widgets.models import Widget


class WidgetNameTaken(InvalidInput):
    """Another widget of the organization has this name."""

    code = "unique"
    message = "A widget of this name exists already."


@transaction.atomic
@within_organization
def create_widget(
    organization: AbstractOrganization, *, name: str, size: int = 1, actor: AbstractBaseUser | None
) -> Widget:
    """
    Create a widget.

    Raises:
        WidgetNameTaken: Another widget of the organization has the name.
    """
    try:
        with transaction.atomic():
            widget = Widget.objects.create(organization=organization, name=name, size=size)
    except IntegrityError as error:
        raise WidgetNameTaken(field="name") from error
    record("widget.created", target=widget, actor=actor)
    return widget


@transaction.atomic
@within_organization
def change_widget(widget: Widget, *, actor: AbstractBaseUser | None, **values: Any) -> Widget:
    """
    Change a widget's ``name`` or ``size``.

    Raises:
        WidgetNameTaken: Another widget of the organization has the name.
    """
    try:
        with transaction.atomic():
            changes = apply_changes(widget, values)
    except IntegrityError as error:
        raise WidgetNameTaken(field="name") from error
    if changes:
        record("widget.changed", target=widget, actor=actor, changes=changes)
    return widget


@transaction.atomic
@within_organization
def delete_widget(widget: Widget, *, actor: AbstractBaseUser | None) -> None:
    """
    Delete a widget with its parts, so that it can be restored.

    Raises:
        StillReferenced: A shipment holds it.
    """
    widget.delete()
    record("widget.deleted", target=widget, actor=actor)


@transaction.atomic
@within_organization
def restore_widget(widget: Widget, *, actor: AbstractBaseUser | None) -> Widget:
    """
    Bring a widget back with its parts.

    Raises:
        NotDeleted: It is alive.
        NotUnique: Its name was taken meanwhile.
        ParentDeleted: Its organization is deleted.
    """
    widget.restore()
    record("widget.restored", target=widget, actor=actor)
    return widget
