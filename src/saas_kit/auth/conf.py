"""Settings of sign-in."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from saas_kit.core.conf import AppSettings


class AuthSettings(AppSettings):
    prefix = "SAAS_KIT_AUTH_"

    ALGORITHM: Literal["HS256", "RS256", "ES256", "EdDSA"] = "HS256"
    """
    How tokens are signed. With ``HS256`` whoever can verify a token can make one; with the others anybody can verify,
    by the public keys at ``auth/jwks/``, and only this service signs.
    """

    SIGNING_KEY: str = ""
    """
    The key that tokens are signed with: for ``HS256`` a secret of at least 32 bytes, else a private key as PEM. Left
    empty, it is a secret that is derived from SECRET_KEY.
    """

    SIGNING_KEY_FALLBACKS: tuple[str, ...] = ()
    """
    Keys that tokens may still be signed with: secrets, and private or public keys as PEM, of any of the algorithms.
    They verify and never sign. An empty text is the secret that is derived from SECRET_KEY.
    """

    ACCESS_TOKEN_LIFETIME: timedelta = timedelta(minutes=5)
    """How long an access token is good for, where its session is not ended before."""

    REFRESH_TOKEN_LIFETIME: timedelta = timedelta(days=14)
    """How long a session lasts from the sign-in; refreshing does not prolong it."""

    CACHE_ACCESS: bool = False
    """
    Whether requests learn who the caller is, and what they may do, from the shared cache instead of the database. The
    cache has to be one that all processes share.
    """

    CACHE_ACCESS_SECONDS: int = 60
    """For how long the cache is believed at most, where it did not learn of a change."""

    CACHE_ACCESS_SECRETS: tuple[str, ...] = ()
    """Fields of the user model that stay out of the cache, as the password does; a view that reads one asks for it."""

    AUDIENCE: str = "saas_kit"
    """Who the tokens are for (their ``aud``). Services that share a signing key need different ones."""

    ISSUER: str = "saas_kit"
    """Who made the tokens (their ``iss``)."""

    LEEWAY: timedelta = timedelta(seconds=10)
    """By how much the clocks of two servers may differ."""

    REUSE_LEEWAY: timedelta = timedelta(seconds=10)
    """For how long a refresh token that was just replaced is refused without ending its session."""

    COOKIES: bool = False
    """
    Whether a client that sends ``X-Token-Transport: cookie`` gets its tokens as cookies that scripts cannot read, which
    then sign its requests. Off, cookies are ignored.
    """

    COOKIE_SECURE: bool = True
    """Whether the cookies are sent over HTTPS only; off for development without it."""

    COOKIE_SAMESITE: Literal["Lax", "Strict", "None"] = "Lax"
    """
    Which requests that other sites cause the cookies go along with; ``None`` where the front end is on another site
    than the API.
    """

    COOKIE_DOMAIN: str = ""
    """The domain whose hosts get the cookies, such as ``example.com``. Left empty, only the API's own host does."""

    COOKIE_PATH: str = ""
    """
    The path that the access cookie is sent to. Left empty, it is what ``auth/`` is below. The refresh cookie is sent to
    ``auth/`` only.
    """

    EMAIL_VERIFICATION: Literal["mandatory", "optional", "off"] = "mandatory"
    """
    Whether people prove that their address is theirs. ``mandatory``: they cannot sign in before, and nobody learns
    from ``register/`` who has an account. ``optional``: they are asked to, and signed in at once. ``off``: they are not
    asked.
    """

    VERIFY_EMAIL_LIFETIME: timedelta = timedelta(days=3)
    """How long the link in a message that asks for the proof of an address is good for."""

    VERIFY_EMAIL_REMINDER: timedelta = timedelta(days=1)
    """
    How long after they were sent a link people are reminded, once, to prove their address; with zero they are not.
    """

    CHANGE_EMAIL_LIFETIME: timedelta = timedelta(hours=24)
    """How long the link that confirms a new address is good for."""

    RESET_PASSWORD_LIFETIME: timedelta = timedelta(hours=1)
    """How long the link in a password reset is good for."""

    SET_PASSWORD_LIFETIME: timedelta = timedelta(days=7)
    """How long the link is good for with which somebody whom another person made sets their first password."""

    NEW_SIGN_IN_NOTICES: bool = True
    """
    Whether people are told of a sign-in from another kind of device, or another network, than those of their sessions
    that are still kept; see SESSION_RETENTION.
    """

    MFA_TOKEN_LIFETIME: timedelta = timedelta(minutes=5)
    """How long a second factor may take, from the first one on."""

    MFA_ENROLLMENT_LIFETIME: timedelta = timedelta(minutes=15)
    """How long somebody may take to set up a second factor."""

    PASSKEY_RP_ID: str = ""
    """
    The domain that passkeys belong to, such as ``example.com`` for all its subdomains. Left empty, it is the host of
    ``SAAS_KIT_EMAIL_FRONTEND_URL``. Passkeys are of no use under another domain.
    """

    LINKS: dict[str, str] = {}
    """
    Paths of pages of the front end, with ``{token}`` in each; they replace those of the same name in
    ``saas_kit.auth.links.PATHS``: ``verify_email``, ``change_email``, ``reset_password``, ``set_password``.
    """

    RATE_LIMITS: dict[str, str | None] = {}
    """
    How often something may be tried, as in ``{"login": "10/m"}``; they replace those of the same name in
    ``saas_kit.auth.limits.DEFAULTS``, and None lifts one.
    """

    ERASURE_GRACE: timedelta = timedelta(days=14)
    """How long somebody who asked for the erasure of their account can still change their mind, by signing in."""

    SOCIAL_REDIRECT_URIS: tuple[str, ...] = ()
    """
    Where providers may send people back to with a code; ``{provider}`` in one stands for the provider's id. Left empty
    it is ``/social/{provider}`` of SAAS_KIT_EMAIL_FRONTEND_URL.
    """

    SESSION_RETENTION: timedelta = timedelta(days=30)
    """How long ``saas_kit_purge_people`` leaves sessions that have ended or expired."""

    UNVERIFIED_RETENTION: timedelta | None = None
    """
    After how long ``saas_kit_purge_people`` erases people who registered and neither proved their address nor signed
    in; None keeps them. It is of use where EMAIL_VERIFICATION is ``mandatory``.
    """

    EXPORT_EVENTS: int = 10_000
    """How many events of the audit log, the newest, an export of one's own data holds."""
