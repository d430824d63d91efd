"""Slugs: names for URLs, unique among what is alive."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TypeVar

from django.db import IntegrityError, models, transaction
from django.utils.text import slugify

from saas_kit.tenancy.exceptions import SlugTaken

ModelT = TypeVar("ModelT", bound=models.Model)

_MAX_LENGTH = 63  # a DNS label's, RFC 1035 section 2.3.4, so that a slug can be a subdomain
_SUFFIX_LENGTH = 6
_ATTEMPTS = 5


def save_with_slug(
    model: type[ModelT],
    save: Callable[[str], ModelT],
    *,
    name: str,
    slug: str | None,
    besides: ModelT | None = None,
) -> ModelT:
    """
    Save a row under a slug that is free.

    Args:
        save: Saves the row under the slug that it is given.
        name: What the slug is made of where none is given.
        slug: The slug that was asked for.
        besides: The row itself, where it has been saved before.

    Raises:
        SlugTaken: The slug that was asked for belongs to another row.
    """
    candidates = [slug] if slug else _candidates(name, model._meta.model_name or "")
    for candidate in candidates:
        try:
            with transaction.atomic():
                return save(candidate)
        except IntegrityError:
            others = model._default_manager.filter(slug__iexact=candidate)
            if not others.exclude(pk=getattr(besides, "pk", None)).exists():
                raise
    raise SlugTaken(field="slug")


def _candidates(name: str, fallback: str) -> list[str]:
    base = slugify(name)[:_MAX_LENGTH].strip("-_").replace("_", "-") or fallback
    while "--" in base:
        base = base.replace("--", "-")
    stem = base[: _MAX_LENGTH - _SUFFIX_LENGTH - 1].rstrip("-")
    return [base, *(f"{stem}-{secrets.token_hex(_SUFFIX_LENGTH // 2)}" for _ in range(_ATTEMPTS))]
