"""How often people may be invited or made, tokens of invitations tried, and DNS asked for the proof of a domain."""

from __future__ import annotations

from saas_kit.ratelimit import LimitTable
from saas_kit.tenancy.conf import TenancySettings

DEFAULTS: dict[str, str | None] = {
    "invitations": "500/d",  # addresses that one organization invites
    "invitations_account": "1000/d",  # those that all organizations of one account invite
    "invitation_address": "5/h",  # messages by which one organization invites one address, or does so again
    "invitation_resend": "3/h",  # further messages about one invitation
    "provision": "100/d",  # addresses that one organization asks for a new person with, whoever has them
    "invitation_token": "60/h",  # tokens of invitations that are no good, from one network
    "domain_proofs": "30/h",  # times that one organization has DNS asked for its domains
}

TABLE = LimitTable("tenancy", DEFAULTS, lambda: TenancySettings.RATE_LIMITS)
