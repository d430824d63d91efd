"""Companies over HTTP."""

from __future__ import annotations

from saas_kit.tenancy.api.views import OrganizationViewSet
from tests.hosts.custom_organization.companies.api.serializers import CompanySerializer


class CompanyViewSet(OrganizationViewSet):
    """The companies that the caller has a role in."""

    serializer_class = CompanySerializer
