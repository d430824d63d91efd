"""The shape of companies."""

from __future__ import annotations

from saas_kit.tenancy.api.serializers import OrganizationSerializer


class CompanySerializer(OrganizationSerializer):
    """A company."""

    class Meta(OrganizationSerializer.Meta):
        fields = (*OrganizationSerializer.Meta.fields, "vat_id")
