"""What a message is: a class with its subject, its templates and the values that they show."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

from django.template.loader import render_to_string
from django.utils.functional import Promise

from saas_kit.email.conf import EmailSettings


@dataclass(frozen=True, kw_only=True)
class Message:
    """
    One kind of message. A subclass is a frozen dataclass, whose fields are what its template shows.

    A host overrides what is said with a template of the same path in its own ``templates`` folder.

    Attributes:
        template: The path of the text template, ``<app label>/email/<name>.txt``.
        subject: One line; ``{product}`` stands for the name of the service.
    """

    template: ClassVar[str]
    subject: ClassVar[str | Promise]

    def render_subject(self) -> str:
        """Return the subject, on one line."""
        return " ".join(str(self.subject).format(product=EmailSettings.PRODUCT_NAME).split())

    def render_text(self) -> str:
        """Return the text."""
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        return (
            render_to_string(self.template, {**values, "product": EmailSettings.PRODUCT_NAME}).strip() + "\n"
        )
