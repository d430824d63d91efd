"""People who sign in, and the sessions that they have open."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _

from saas_kit.core.addresses import has_dns_form, normalize_email
from saas_kit.core.caller_changes import WatchedQuerySet
from saas_kit.core.models import Identified, Timestamped

USER_AGENT_MAX_LENGTH = 512


class UserManager(BaseUserManager[Any]):
    """Makes and finds people by their address, whatever its case."""

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        return normalize_email(email or "")

    def get_by_natural_key(self, username: str | None) -> Any:
        return self.get(email=normalize_email(username or ""))

    async def aget_by_natural_key(self, username: str | None) -> Any:
        return await self.aget(email=normalize_email(username or ""))

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> Any:
        """Save a person; ``saas_kit.auth.services.create_user()`` also validates, records and tells others."""
        if not email:
            raise ValueError("A person needs an e-mail address.")
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> Any:
        """Save a person who may do everything."""
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})


class AbstractEmailUser(Identified, Timestamped, AbstractBaseUser, PermissionsMixin):
    """
    A person who signs in with an e-mail address; a host that needs more fields derives its user model from it.

    The address is stored in the form that ``normalize_email()`` gives, which is unique.
    """

    email = models.EmailField(_("email address"))
    first_name = models.CharField(_("first name"), max_length=150, blank=True)
    last_name = models.CharField(_("last name"), max_length=150, blank=True)
    is_active = models.BooleanField(
        _("active"),
        default=True,
        help_text=_("Whether the person can sign in. Deactivate people, don't delete them."),
    )
    is_staff = models.BooleanField(
        _("staff"), default=False, help_text=_("Whether the person can sign in to this admin site.")
    )

    objects = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        abstract = True
        verbose_name = _("person")
        verbose_name_plural = _("people")
        # Django wants the name that people sign in with to be unique by itself, so not by an expression.
        constraints: ClassVar[Any] = [
            models.UniqueConstraint(
                fields=["email"],
                name="%(app_label)s_%(class)s_email",
                violation_error_message=_("There is an account with this address already."),
            ),
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")),
                name="%(app_label)s_%(class)s_email_lower",
                violation_error_message=_("Addresses are stored in lower case."),
            ),
        ]

    def clean(self) -> None:
        self.email = normalize_email(self.email)
        if not has_dns_form(self.email):
            raise ValidationError({"email": EmailValidator.message})

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.email = normalize_email(self.email)
        super().save(*args, **kwargs)

    def get_full_name(self) -> str:
        """Return the first and the last name."""
        return f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        """Return the first name."""
        return self.first_name


class User(AbstractEmailUser):
    """A person who signs in with an e-mail address, as the kit brings it."""

    class Meta(AbstractEmailUser.Meta):
        swappable = "AUTH_USER_MODEL"


def password_fingerprint(user: AbstractBaseUser, key: str | bytes | None = None) -> str:
    """Return what tells one stored password from another and cannot be turned back into it."""
    salt = "saas_kit.auth.Session.password_fingerprint"
    return salted_hmac(salt, user.password, secret=key, algorithm="sha256").hexdigest()


def has_fingerprint(user: AbstractBaseUser, fingerprint: str) -> bool:
    """Tell whether somebody's stored password is the one that a fingerprint was taken of."""
    return any(constant_time_compare(fingerprint, each) for each in _password_fingerprints(user))


def _password_fingerprints(user: AbstractBaseUser) -> list[str]:
    """Return the fingerprints of somebody's present password, with the present and each previous SECRET_KEY."""
    return [password_fingerprint(user, key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


class SessionQuerySet(WatchedQuerySet["Session"]):
    """Sessions."""

    def live(self) -> Self:
        """
        Keep those that are neither ended nor expired, of people who are active.

        Whether the password is still the one of the sign-in, only ``is_live`` and ``live_of()`` can tell.
        """
        return self.filter(revoked_at__isnull=True, expires_at__gt=timezone.now(), user__is_active=True)

    def of_user(self, user: AbstractBaseUser) -> Self:
        """Keep those of one person."""
        return self.filter(user=user)

    def live_of(self, user: AbstractBaseUser) -> Self:
        """Keep those of one person that are live, and of their present password."""
        return self.live().of_user(user).filter(password_fingerprint__in=_password_fingerprints(user))


class Session(Identified):
    """
    One sign-in on one device; every token belongs to a session and is of no use once it has ended.

    Attributes:
        expires_at: When it ends by itself; refreshing does not prolong it.
        refresh_id: The id (``jti``) of the one refresh token that is good.
        previous_refresh_id: The id of the refresh token that it replaced, at ``rotated_at``.
        password_fingerprint: Of the stored password at the sign-in; when that changes, the session is over.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="saas_kit_sessions",
        verbose_name=_("person"),
        db_index=False,
    )
    created_at = models.DateTimeField(_("signed in at"), auto_now_add=True)
    last_seen_at = models.DateTimeField(_("last seen at"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires at"))
    revoked_at = models.DateTimeField(_("ended at"), null=True)
    ip_address = models.GenericIPAddressField(_("IP address"), null=True)
    user_agent = models.CharField(_("user agent"), max_length=USER_AGENT_MAX_LENGTH, blank=True)
    refresh_id = models.UUIDField(_("refresh token's id"))
    previous_refresh_id = models.UUIDField(_("previous refresh token's id"), null=True)
    rotated_at = models.DateTimeField(_("refreshed at"), null=True)
    password_fingerprint = models.CharField(max_length=64, editable=False)

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        ordering = ("-id",)
        indexes = (models.Index(fields=["user", "revoked_at"], name="saas_kit_auth_session_user"),)

    def __str__(self) -> str:
        return f"{self.user} · {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_live(self) -> bool:
        """Whether it is neither ended nor expired, and its person active and with the same password."""
        return (
            self.revoked_at is None
            and self.expires_at > timezone.now()
            and self.user.is_active
            and self._has_same_password()
        )

    def _has_same_password(self) -> bool:
        return has_fingerprint(self.user, self.password_fingerprint)


class Purpose(models.TextChoices):
    """What a one-time token is good for; none is good for anything else."""

    VERIFY_EMAIL = "verify_email", _("prove an address")
    CHANGE_EMAIL = "change_email", _("confirm a new address")
    RESET_PASSWORD = "reset_password", _("reset a password")
    SECOND_FACTOR = "second_factor", _("finish a sign-in with a second factor")
    ENROLL_TOTP = "enroll_totp", _("set up an authenticator app")
    ADD_PASSKEY = "add_passkey", _("add a passkey")
    USE_PASSKEY = "use_passkey", _("sign in with a passkey")


class OneTimeToken(Identified):
    """
    A secret that does one thing once; who has it need not be signed in.

    Attributes:
        token_hash: SHA-256 of the secret; the secret itself is not stored.
        email: The address that it is about; empty where it is about none.
        password_fingerprint: Of the stored password when it was made; empty where a changed password does not matter.
        attempts: How often somebody had it and failed at what comes with it.
        data: What has to be remembered until it is used; secrets in it are encrypted.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        null=True,
        verbose_name=_("person"),
        db_index=False,
    )
    purpose = models.CharField(_("purpose"), max_length=20, choices=Purpose)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    email = models.EmailField(_("email address"), blank=True)
    password_fingerprint = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires at"), db_index=True)
    ended_at = models.DateTimeField(_("used or replaced at"), null=True)
    attempts = models.PositiveSmallIntegerField(_("failed attempts"), default=0)
    data = models.JSONField(default=dict, editable=False)

    class Meta:
        verbose_name = _("one-time token")
        verbose_name_plural = _("one-time tokens")
        indexes = (models.Index(fields=["user", "purpose"], name="saas_kit_auth_token_user"),)

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} · {self.user or ''}"


class Erasure(Identified):
    """
    Somebody's wish that what is known of them be erased; it is carried out when it is due.

    Attributes:
        refused_at: When it first was due and could not be carried out, as they alone own what others share.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="saas_kit_erasure",
        verbose_name=_("person"),
    )
    requested_at = models.DateTimeField(_("requested at"), auto_now_add=True)
    due_at = models.DateTimeField(_("due at"), db_index=True)
    refused_at = models.DateTimeField(_("refused since"), null=True, editable=False)

    class Meta:
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")

    def __str__(self) -> str:
        return f"{self.user} · {self.due_at:%Y-%m-%d}"
