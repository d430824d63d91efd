"""Fields that find only what the caller may see."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from saas_kit.tenancy.api.narrowing import refuse_closed
from saas_kit.tenancy.exceptions import NotInAccount
from saas_kit.tenancy.models import Account, get_organization_model


class VisibleRelatedField(serializers.PrimaryKeyRelatedField):  # type: ignore[type-arg]
    """
    A reference to a row that the caller may see; anything else does not exist.

    The query set needs ``visible_to(user)``. An id of somebody else's row is answered as a random one is; one of a
    row that is closed to the caller until they have a second factor is 403.
    """

    def get_queryset(self) -> Any:
        queryset: Any = super().get_queryset()
        return queryset.visible_to(self.context["request"].user)

    def run_validation(self, data: Any = empty) -> Any:
        # REST framework takes an empty string for null, as forms do
        if data == "":
            self.fail("incorrect_type", data_type="str")
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bool):
            self.fail("incorrect_type", data_type=type(data).__name__)
        try:
            found = self._find(data)
        except (ValidationError, TypeError, ValueError, OverflowError):
            self.fail("incorrect_type", data_type=type(data).__name__)
        if found is None:
            refuse_closed(self.context["request"], lambda: self._find(data))
            self.fail("does_not_exist", pk_value=data)
        return found

    def _find(self, data: Any) -> Any:
        queryset = self.get_queryset()
        return queryset.filter(pk=queryset.model._meta.pk.to_python(data)).first()

    def run_as_body_field(self, data: Any) -> Any:
        """Validate the value apart from its serializer; the errors name the field."""
        try:
            return self.run_validation(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({str(self.field_name): error.detail}) from error


class SameOrganizationField(VisibleRelatedField):
    """
    A reference to a row of the organization that the serialized row belongs to, or is created in.

    ``VisibleRelatedField`` alone would let somebody who is in two organizations tie their rows together.
    """

    def get_queryset(self) -> Any:
        instance = getattr(self.parent, "instance", None)
        organization = self.context["view"].organization if instance is None else instance.organization
        return super().get_queryset().in_organization(organization)


class OrganizationField(VisibleRelatedField):
    """The id of an organization that the caller is in."""

    def __init__(self, **kwargs: Any) -> None:
        if not kwargs.get("read_only"):
            kwargs.setdefault("queryset", get_organization_model().objects.all())
        super().__init__(**kwargs)


class AccountField(VisibleRelatedField):
    """The id of an account that the caller has a role in."""

    def __init__(self, **kwargs: Any) -> None:
        if not kwargs.get("read_only"):
            kwargs.setdefault("queryset", Account.objects.all())
        super().__init__(**kwargs)


def person_key_field() -> serializers.Field:  # type: ignore[type-arg]
    """Return a read-only field for a person's key, of the type that the host's user model has."""
    key = get_user_model()._meta.pk
    if isinstance(key, models.UUIDField):
        return serializers.UUIDField(source="pk", read_only=True)
    if isinstance(key, models.IntegerField):
        return serializers.IntegerField(source="pk", read_only=True)
    return serializers.CharField(source="pk", read_only=True)


@extend_schema_field({"oneOf": [{"type": "string", "format": "uuid"}, {"type": "integer"}]})
class PersonField(serializers.Field):  # type: ignore[type-arg]
    """
    The id of one of the people whom the view's ``get_people()`` returns; anybody else does not exist.

    So the answer to the id of somebody else's member is that to a random one.
    """

    default_error_messages = {
        "does_not_exist": NotInAccount.message,
        "incorrect_type": "Enter a person's id.",
    }

    def to_internal_value(self, data: Any) -> Any:
        people = self.context["view"].get_people()
        if isinstance(data, bool | float | dict | list):
            self.fail("incorrect_type")
        try:
            person = people.filter(pk=people.model._meta.pk.to_python(data)).first()
        except (ValidationError, TypeError, ValueError, OverflowError):
            self.fail("incorrect_type")
        if person is None:
            self.fail("does_not_exist")
        return person
