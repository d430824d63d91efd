"""Companies, as the host calls its organizations."""

from __future__ import annotations

from django.db import models

from saas_kit.tenancy.models import AbstractOrganization


class Company(AbstractOrganization):
    """An organization that pays value-added tax."""

    vat_id = models.CharField("VAT id", max_length=20, blank=True)

    class Meta(AbstractOrganization.Meta):
        verbose_name = "company"
        verbose_name_plural = "companies"
