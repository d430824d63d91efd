"""Rows of any model, made from what its fields say of themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import uuid4

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import IntegrityError, models, transaction
from django.utils import timezone

Related = Callable[[Any], Any]

_numbers = count(1)
_WORDS = re.compile(r"[a-z0-9]+")
_FIRST_KEY = {"SmallAutoField": 20_000, "AutoField": 1_700_000_000}
_FIRST_BIG_KEY = 6_100_000_000
_LONGEST_CANARY = 60
_ATTEMPTS = 4


class CannotMake(Exception):
    """A row of the model cannot be made from what its fields say; a factory has to be named."""


def canary(label: str, *, longest: int | None = None) -> str:
    """
    Return a text that is nowhere else, and that most rules let pass: lower case, digits and single dashes.

    Args:
        label: What it begins with, if there is room.
        longest: How many characters there may be.
    """
    unique = f"{uuid4().hex[:10]}{next(_numbers)}"
    longest = min(longest or _LONGEST_CANARY, _LONGEST_CANARY)
    words = "-".join(_WORDS.findall(label.lower()))
    room = longest - len(unique) - 1
    return f"{words[:room].strip('-')}-{unique}" if room > 1 and words else unique[-longest:]


def make_row(
    model: type[models.Model],
    related: Related,
    *,
    index: int = 0,
    values: Mapping[str, Any] | None = None,
) -> Any:
    """
    Make and save a row with a unique text in every text field.

    Args:
        related: Returns what a foreign key is to point at; None for nothing.
        index: Which row of several it is; fields with choices and numbers differ by it.
        values: What is known already, by field.

    Raises:
        CannotMake: A field is of an unknown type, or what was made is refused.
    """
    known = dict(values or {})
    row = _valid(
        model, {**inferred_values(model, related, index=index, besides=known), **known}, keep=set(known)
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except (IntegrityError, ValidationError, TypeError, ValueError) as error:
        raise CannotMake(f"{model._meta.label}: {error}") from error
    return row


def inferred_values(
    model: type[models.Model], related: Related, *, index: int = 0, besides: Collection[str] = ()
) -> dict[str, Any]:
    """
    Return a value for every field that the model does not fill itself.

    Args:
        besides: The names of fields that need none.

    Raises:
        CannotMake: A field is of an unknown type.
    """
    return {
        field.name: _value_of(field, related, index)
        for field in model._meta.concrete_fields
        if field.name not in besides and not _is_left_to_the_model(field)
    }


def _is_left_to_the_model(field: Any) -> bool:
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return True
    if getattr(field, "generated", False):
        return True
    if isinstance(field, models.ForeignKey):
        return False
    if isinstance(field, models.AutoField | models.BigAutoField | models.SmallAutoField):
        return False
    return bool(field.has_default()) and not _is_free_text(field) and not isinstance(field, models.JSONField)


def _is_free_text(field: Any) -> bool:
    text = isinstance(field, models.CharField | models.TextField)
    return text and not field.choices and not isinstance(field, models.FilePathField)


def _value_of(field: Any, related: Related, index: int) -> Any:
    if isinstance(field, models.ForeignKey):
        found = related(field)
        if found is None and not field.null:
            raise CannotMake(f"{field.model._meta.label}.{field.name}: there is nothing that it can point at")
        return found
    if field.choices:
        options = [value for value, _label in field.flatchoices]
        return options[min(index, len(options) - 1)]
    if field.primary_key and isinstance(
        field, models.AutoField | models.BigAutoField | models.SmallAutoField
    ):
        first = _FIRST_KEY.get(field.get_internal_type(), _FIRST_BIG_KEY)
        return first + next(_numbers)
    if _is_free_text(field):
        return _text_for(field)
    if field.null:
        return None  # "deleted at", "revoked at" and their like
    return _plain_value(field, index)


def _text_for(field: Any) -> Any:
    label = f"{field.model._meta.model_name} {field.name}"
    if isinstance(field, models.EmailField):
        return f"{canary(str(field.model._meta.model_name))}@example.com"
    if isinstance(field, models.URLField):
        return f"https://{canary(field.name)}.example.com/"
    return canary(label, longest=field.max_length)


def _plain_value(field: Any, index: int) -> Any:
    kind = field.get_internal_type()
    makers: dict[str, Callable[[], Any]] = {
        "BooleanField": lambda: False,
        "DateField": lambda: date(2026, 1, 1) + timedelta(days=index),
        "DateTimeField": lambda: timezone.now() + timedelta(days=1 + index),
        "TimeField": lambda: time(9, index % 60),
        "DurationField": lambda: timedelta(hours=1 + index),
        "UUIDField": uuid4,
        "JSONField": lambda: {"note": canary(field.name)},
        "BinaryField": lambda: canary(field.name).encode(),
        "FileField": lambda: f"{canary(field.name)}.txt",
        "GenericIPAddressField": lambda: f"192.0.2.{1 + index}",
        "FloatField": lambda: float(_number_for(field, index)),
        "DecimalField": lambda: _decimal_for(field, index),
    }
    if kind in makers:
        return makers[kind]()
    if isinstance(field, models.IntegerField):
        return int(_number_for(field, index))
    base = getattr(field, "base_field", None)
    if base is not None:  # an array
        base.model, base.name = field.model, field.name
        return [_text_for(base) if _is_free_text(base) else _plain_value(base, index)]
    if field.empty_strings_allowed and field.blank:
        return ""
    raise CannotMake(f"{field.model._meta.label}.{field.name}: nothing is known of {type(field).__name__}")


def _number_for(field: Any, index: int) -> Any:
    lowest = [_limit(each) for each in field.validators if isinstance(each, MinValueValidator)]
    highest = [_limit(each) for each in field.validators if isinstance(each, MaxValueValidator)]
    return min([max([1, *lowest]) + index, *highest])


def _limit(validator: Any) -> Any:
    return validator.limit_value() if callable(validator.limit_value) else validator.limit_value


def _decimal_for(field: Any, index: int) -> Decimal:
    whole = field.max_digits - field.decimal_places
    return Decimal(str(_number_for(field, index))) if whole > 0 else Decimal(1).scaleb(-field.decimal_places)


def _valid(model: type[models.Model], values: dict[str, Any], *, keep: set[str]) -> Any:
    """Return an unsaved row; a text that a rule refuses is tried in other forms, then left to its default."""
    faults: dict[str, list[str]] = {}
    for attempt in range(_ATTEMPTS):
        row = model(**values)
        faults = _faults_of(row)
        wrong = [name for name in faults if name in values and name not in keep]
        if not wrong:
            return row
        for name in wrong:
            field: Any = model._meta.get_field(name)
            other = _other_form(field, attempt)
            if other is None:
                values.pop(name)
            else:
                values[name] = other
    raise CannotMake(f"{model._meta.label}: {faults}")


def _faults_of(row: Any) -> dict[str, list[str]]:
    # what is told of the row as a whole, and by its constraints, is for the database to say
    try:
        row.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        faults = error.message_dict if hasattr(error, "error_dict") else {}
        return {name: messages for name, messages in faults.items() if name != "__all__"}
    return {}


def _other_form(field: Any, attempt: int) -> Any:
    if not _is_free_text(field):
        return None
    longest = field.max_length or _LONGEST_CANARY
    token = uuid4().hex
    forms = (token.translate(str.maketrans("0123456789", "ghijklmnop")), token.upper(), str(uuid4().int))
    if attempt >= len(forms) or (field.has_default() and attempt):
        return None
    return forms[attempt][:longest]
