"""How many messages an address gets, and how many are sent about an organization; what is more waits."""

from __future__ import annotations

from uuid import UUID

from saas_kit.core.exceptions import RateLimited
from saas_kit.email.conf import EmailSettings
from saas_kit.ratelimit import LimitTable

DEFAULTS: dict[str, str | None] = {
    "address": "20/h",  # messages to one address
    "organization": "2000/h",  # messages about one organization
}

TABLE = LimitTable("email", DEFAULTS, lambda: EmailSettings.RATE_LIMITS)


def count_message(recipient: str, organization_id: UUID | None) -> None:
    """
    Count one message.

    Raises:
        RateLimited: It is one too many for its address or its organization, and is counted for neither.
        Unavailable: The cache cannot be asked.
    """
    TABLE.count("address", recipient)
    if organization_id is not None:
        try:
            TABLE.count("organization", str(organization_id))
        except RateLimited:
            TABLE.take_back("address", recipient)
            raise
