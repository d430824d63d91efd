"""
The settings, each from the environment; `env.example` says what there is.

Without any the project runs for nobody: outside DEBUG it wants a SECRET_KEY. With DEBUG or DEMO alone it runs on an
embedded SQLite database, with the cache in memory and mail on the console.
"""

from __future__ import annotations

from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import django
import environ
from django.core.exceptions import ImproperlyConfigured

from saas_kit.core.schedule import beat_schedule

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = BASE_DIR / ".local"
DATA_DIR.mkdir(exist_ok=True)
EMBEDDED_DATABASE = DATA_DIR / "db.sqlite3"

env = environ.Env()
env.read_env(env.str("ENV_FILE", default=str(BASE_DIR / ".env")))

# What the project is for

DEMO = env.bool("DEMO", default=False)
DEBUG = env.bool("DEBUG", default=DEMO)

_DEVELOPMENT_KEY = "a key that everybody knows, good for development only"
_SHORTEST_KEY = 50

SECRET_KEY = env.str("SECRET_KEY", default=_DEVELOPMENT_KEY if DEBUG else "")
if not DEBUG and (SECRET_KEY == _DEVELOPMENT_KEY or len(SECRET_KEY) < _SHORTEST_KEY):
    raise ImproperlyConfigured(
        f"SECRET_KEY must be set to a secret of at least {_SHORTEST_KEY} characters. Make one with: "
        "python -c 'import secrets; print(secrets.token_urlsafe(48))'"
    )
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])

# Where it is

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False

# What it is made of

INSTALLED_APPS = [
    "projects",
    "saas_kit.audit",
    "saas_kit.email",
    "saas_kit.tenancy",
    "saas_kit.auth",
    "saas_kit.teams",
    "saas_kit.users",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.github",
    "allauth.socialaccount.providers.google",
    "allauth.socialaccount.providers.openid_connect",
    "corsheaders",
]
if DEBUG:
    INSTALLED_APPS.append("saas_kit.testing")  # manage.py saas_kit_prove_isolation
MIDDLEWARE = [
    "saas_kit.core.middleware.RequestContextMiddleware",
    "saas_kit.api.middleware.ProblemDetailsMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "saas_kit.tenancy.middleware.OrganizationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# Where the data is


def _database() -> dict[str, Any]:
    url = env.str("DATABASE_URL", default="")
    if not url and env.str("DB_NAME", default=""):
        database: dict[str, Any] = {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": env.str("DB_NAME"),
            "USER": env.str("DB_USER", default=""),
            "PASSWORD": env.str("DB_PASSWORD", default=""),
            "HOST": env.str("DB_HOST", default=""),
            "PORT": env.str("DB_PORT", default=""),
        }
    else:
        database = dict(env.db_url_config(url or f"sqlite:///{EMBEDDED_DATABASE}"))
    if database["ENGINE"] == "django.db.backends.sqlite3":
        # Without IMMEDIATE two writers at once are "database is locked".
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
        options = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": pragmas}
        return {**database, "OPTIONS": options}
    return {
        **database,
        "CONN_MAX_AGE": env.int("DB_CONN_MAX_AGE", default=60),
        "CONN_HEALTH_CHECKS": True,
    }


def _redis_url() -> str:
    url, host = env.str("REDIS_URL", default=""), env.str("REDIS_HOST", default="")
    port, number = env.int("REDIS_PORT", default=6379), env.int("REDIS_DB", default=0)
    return f"redis://{host}:{port}/{number}" if host and not url else url


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = _redis_url()
if REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": "example",
            # a Redis that does not answer must not hold every request up
            "OPTIONS": {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "retry": None},
        }
    }
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
MEDIA_URL = "media/"
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(BASE_DIR / "media")))
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if not DEBUG:
    # In development `runserver` finds the static files where they are.
    MIDDLEWARE.insert(
        MIDDLEWARE.index("django.middleware.security.SecurityMiddleware") + 1,
        "whitenoise.middleware.WhiteNoiseMiddleware",
    )
    STORAGES["staticfiles"]["BACKEND"] = "whitenoise.storage.CompressedManifestStaticFilesStorage"
_bucket = env.str("AWS_STORAGE_BUCKET_NAME", default="")
if _bucket:
    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": _bucket,
            "region_name": env.str("AWS_S3_REGION_NAME", default=None),
            "access_key": env.str("AWS_ACCESS_KEY_ID", default=None),
            "secret_key": env.str("AWS_SECRET_ACCESS_KEY", default=None),
            "default_acl": None,
            "file_overwrite": False,
        },
    }

# How mail is sent

_timeout = env.int("EMAIL_TIMEOUT", default=10)
_anymail: dict[str, Any] = {
    # in every provider's address of the webhook: https://user:password@api.example.com/email/sendgrid/tracking/
    "WEBHOOK_SECRET": env.str("EMAIL_WEBHOOK_SECRET", default=""),
    "SENDGRID_API_KEY": env.str("SENDGRID_API_KEY", default=""),
    "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": env.str("SENDGRID_WEBHOOK_KEY", default=""),
    "POSTMARK_SERVER_TOKEN": env.str("POSTMARK_SERVER_TOKEN", default=""),
    "MAILGUN_API_KEY": env.str("MAILGUN_API_KEY", default=""),
    "MAILGUN_API_URL": env.str("MAILGUN_API_URL", default=""),
    "MAILGUN_SENDER_DOMAIN": env.str("MAILGUN_SENDER_DOMAIN", default=""),
    "MAILGUN_WEBHOOK_SIGNING_KEY": env.str("MAILGUN_WEBHOOK_SIGNING_KEY", default=""),
    "RESEND_API_KEY": env.str("RESEND_API_KEY", default=""),
    "RESEND_SIGNING_SECRET": env.str("RESEND_SIGNING_SECRET", default=""),
    "BREVO_API_KEY": env.str("BREVO_API_KEY", default=""),
    "AMAZON_SES_CONFIGURATION_SET_NAME": env.str("AMAZON_SES_CONFIGURATION_SET", default=""),
}
ANYMAIL = {"REQUESTS_TIMEOUT": _timeout, **{name: value for name, value in _anymail.items() if value}}
if _region := env.str("AMAZON_SES_REGION", default=""):
    ANYMAIL["AMAZON_SES_CLIENT_PARAMS"] = {"region_name": _region}

_MAIL_BACKENDS = {
    "console": "django.core.mail.backends.console.EmailBackend",
    "file": "django.core.mail.backends.filebased.EmailBackend",
    "smtp": "django.core.mail.backends.smtp.EmailBackend",
    **{
        name: f"anymail.backends.{name}.EmailBackend"
        for name in ("amazon_ses", "brevo", "mailgun", "postmark", "resend", "sendgrid")
    },
}


def _mail_backend() -> str:
    default = "sendgrid" if "SENDGRID_API_KEY" in ANYMAIL else "console" if DEBUG else "smtp"
    provider = env.str("EMAIL_PROVIDER", default="") or default
    if provider not in _MAIL_BACKENDS:
        raise ImproperlyConfigured(
            f"EMAIL_PROVIDER must be one of {', '.join(_MAIL_BACKENDS)}, not {provider}."
        )
    return _MAIL_BACKENDS[provider]


def _mail_options(backend: str) -> dict[str, Any]:
    if backend.endswith(".smtp.EmailBackend"):
        return {
            "host": env.str("EMAIL_HOST", default="localhost"),
            "port": env.int("EMAIL_PORT", default=25),
            "username": env.str("EMAIL_HOST_USER", default=""),
            "password": env.str("EMAIL_HOST_PASSWORD", default=""),
            "use_tls": env.bool("EMAIL_USE_TLS", default=False),
            "timeout": _timeout,
        }
    if backend.endswith(".filebased.EmailBackend"):
        return {"file_path": env.str("EMAIL_FILE_PATH", default=str(DATA_DIR / "mail"))}
    return {}


_backend = env.str("EMAIL_BACKEND", default="") or _mail_backend()
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _backend, "OPTIONS": _mail_options(_backend)}}
else:
    EMAIL_BACKEND = _backend
    _names = {"username": "EMAIL_HOST_USER", "password": "EMAIL_HOST_PASSWORD"}
    for _name, _value in _mail_options(_backend).items():
        globals()[_names.get(_name, f"EMAIL_{_name.upper()}")] = _value
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="example@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# What is done in the background: by workers where there is a broker, else at once by whoever causes it

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=REDIS_URL)
if CELERY_BROKER_URL:
    SAAS_KIT_CORE_CELERY_APP = "config.celery.app"
CELERY_BEAT_SCHEDULE = beat_schedule(INSTALLED_APPS) if CELERY_BROKER_URL else {}
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
# A task whose worker ends before it has is done again, so that each has to bear being done twice.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = env.int("TASK_SOFT_TIME_LIMIT", default=10 * 60)
CELERY_TASK_TIME_LIMIT = CELERY_TASK_SOFT_TIME_LIMIT + 60
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_TIMEOUT = 1.0
if CELERY_BROKER_URL.startswith(("redis", "sentinel")):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        # for the project's own tasks; the kit hands over by connections that give up sooner
        "socket_connect_timeout": 0.5,
        "socket_timeout": 0.5,
        "max_retries": 1,
        # what a lost worker had taken is done again after this, which has to be longer than any task
        "visibility_timeout": CELERY_TASK_TIME_LIMIT + 60,
    }

# Who people are

AUTH_USER_MODEL = "saas_kit_auth.User"
AUTHENTICATION_BACKENDS = [
    "saas_kit.auth.backends.EmailBackend",
    "saas_kit.tenancy.backends.TenancyBackend",
    "saas_kit.teams.backends.TeamBackend",
]
# secrets of authenticator apps are encrypted, and show the product's name
MFA_ADAPTER = "saas_kit.auth.mfa.MFAAdapter"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
if env.bool("BREACHED_PASSWORDS", default=False):
    # Asks api.pwnedpasswords.com for five characters of a hash; where that cannot be reached, common ones are refused.
    AUTH_PASSWORD_VALIDATORS.append({"NAME": "pwned_passwords_django.validators.PwnedPasswordsValidator"})
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
if find_spec("argon2"):
    PASSWORD_HASHERS.insert(0, "django.contrib.auth.hashers.Argon2PasswordHasher")

# Where else people can sign in

SOCIALACCOUNT_ADAPTER = "saas_kit.auth.social_adapter.SocialAccountAdapter"
SOCIALACCOUNT_QUERY_EMAIL = True
SAAS_KIT_AUTH_SOCIAL_REDIRECT_URIS = env.list("SOCIAL_REDIRECT_URIS", default=[])


def _social_providers() -> dict[str, Any]:
    providers: dict[str, Any] = {}
    if client_id := env.str("GOOGLE_CLIENT_ID", default=""):
        google = {"client_id": client_id, "secret": env.str("GOOGLE_CLIENT_SECRET")}
        providers["google"] = {"APPS": [google], "SCOPE": ["openid", "email", "profile"]}
    if client_id := env.str("GITHUB_CLIENT_ID", default=""):
        github = {"client_id": client_id, "secret": env.str("GITHUB_CLIENT_SECRET")}
        providers["github"] = {"APPS": [github]}
    if client_id := env.str("OIDC_CLIENT_ID", default=""):
        oidc = {
            "provider_id": env.str("OIDC_ID", default="oidc"),
            "name": env.str("OIDC_NAME", default="OpenID Connect"),
            "client_id": client_id,
            "secret": env.str("OIDC_CLIENT_SECRET"),
            "settings": {"server_url": env.str("OIDC_SERVER_URL")},
        }
        providers["openid_connect"] = {"APPS": [oidc]}
    return providers


SOCIALACCOUNT_PROVIDERS = _social_providers()

# The kit

SAAS_KIT_TENANCY_ORGANIZATION_MODEL = "saas_kit_tenancy.Organization"
SAAS_KIT_TENANCY_ROW_LEVEL_SECURITY = env.bool("ROW_LEVEL_SECURITY", default=True)
SAAS_KIT_TENANCY_STAFF_ACCESS = env.bool("STAFF_ACCESS", default=DEMO)
SAAS_KIT_TENANCY_RETENTION_DAYS = env.int("RETENTION_DAYS", default=30)
SAAS_KIT_EMAIL_FRONTEND_URL = env.str("FRONTEND_URL", default="")
SAAS_KIT_EMAIL_PUBLIC_URL = env.str("PUBLIC_URL", default="http://localhost:8000" if DEBUG else "")
SAAS_KIT_EMAIL_PRODUCT_NAME = env.str("PRODUCT_NAME", default="Example")
SAAS_KIT_AUTH_EMAIL_VERIFICATION = env.str("EMAIL_VERIFICATION", default="optional" if DEBUG else "mandatory")
SAAS_KIT_AUTH_SIGNING_KEY = env.str("SIGNING_KEY", default="")
SAAS_KIT_AUTH_SIGNING_KEY_FALLBACKS = env.list("SIGNING_KEY_FALLBACKS", default=[])
SAAS_KIT_AUTH_COOKIES = env.bool("TOKEN_COOKIES", default=False)
SAAS_KIT_AUTH_CACHE_ACCESS = env.bool("CACHE_ACCESS", default=False)
_local = DEBUG and not SAAS_KIT_EMAIL_FRONTEND_URL
SAAS_KIT_AUTH_PASSKEY_RP_ID = env.str("PASSKEY_RP_ID", default="localhost" if _local else "")
MFA_SUPPORTED_TYPES = ["recovery_codes", "totp"]
MFA_PASSKEY_LOGIN_ENABLED = True
if SAAS_KIT_AUTH_PASSKEY_RP_ID or SAAS_KIT_EMAIL_FRONTEND_URL:  # passkeys belong to a domain
    MFA_SUPPORTED_TYPES.append("webauthn")
SAAS_KIT_AUTH_ACCESS_TOKEN_LIFETIME = timedelta(
    minutes=env.int("ACCESS_TOKEN_MINUTES", default=15 if DEMO else 5)
)

# The API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["saas_kit.auth.api.authentication.SessionTokenAuthentication"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "saas_kit.api.exceptions.handle_exception",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Example project",
    "DESCRIPTION": (
        "A SaaS built on saas_kit: accounts, organizations, teams, users and sign-in come from the kit; projects "
        "and tasks are the project's own.\n\n"
        "Sign in with `POST /api/v1/auth/login/` and send the `access` token as `Authorization: Bearer <token>`."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "TAGS": [
        {"name": "Authentication", "description": "Registering, signing in and out, one's own profile."},
        {"name": "Accounts", "description": "Customers, and who has a role in them."},
        {"name": "Organizations", "description": "The boundary of isolation, and its members."},
        {"name": "Users", "description": "The people one shares an organization with."},
        {"name": "Teams", "description": "Named groups of an organization's members."},
        {"name": "Projects", "description": "The example's own: projects and their tasks."},
    ],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "StatusEnum": "saas_kit.tenancy.models.Status",
        "TaskStatusEnum": "projects.models.TaskStatus",
    },
    "SERVE_AUTHENTICATION": [],
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # `validatorUrl` would send the schema to another site.
    "SWAGGER_UI_SETTINGS": {"persistAuthorization": True, "filter": True, "validatorUrl": None},
    "REDOC_DIST": "SIDECAR",
}
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_ALLOW_HEADERS = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "x-csrftoken",
    "x-organization",
    "x-request-id",
    "x-token-transport",
]
CORS_EXPOSE_HEADERS = ["ETag", "Retry-After", "X-Request-ID"]

# What browsers are told

CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=not DEBUG)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0 if DEBUG else 365 * 24 * 60 * 60)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_SECONDS > 0
SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS > 0
SESSION_COOKIE_SECURE = not DEBUG
CSRF_COOKIE_SECURE = not DEBUG
X_FRAME_OPTIONS = "DENY"
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SAAS_KIT_CORE_TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=1 if BEHIND_PROXY else 0)
if django.VERSION >= (6, 0):
    MIDDLEWARE.insert(
        MIDDLEWARE.index("django.middleware.security.SecurityMiddleware") + 1,
        "django.middleware.csp.ContentSecurityPolicyMiddleware",
    )
    SECURE_CSP = {
        "default-src": ["'self'"],
        "style-src": ["'self'", "'unsafe-inline'"],  # Swagger UI and ReDoc style themselves
        "img-src": ["'self'", "data:"],
        "worker-src": ["'self'", "blob:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }

# Time and language

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# What is written down

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
LOG_FILE = env.str("LOG_FILE", default="")


def _handlers() -> dict[str, dict[str, Any]]:
    handlers: dict[str, dict[str, Any]] = {"console": {"class": "logging.StreamHandler", "formatter": "line"}}
    if LOG_FILE:
        handlers["file"] = {
            "class": "logging.handlers.RotatingFileHandler",
            "formatter": "line",
            "filename": LOG_FILE,
            "maxBytes": 10 * 1024 * 1024,
            "backupCount": 5,
            "delay": True,
        }
    return handlers


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": _handlers(),
    "root": {"handlers": list(_handlers()), "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
    },
}

SENTRY_DSN = env.str("SENTRY_DSN", default="")
if SENTRY_DSN:
    import sentry_sdk

    sentry_sdk.init(dsn=SENTRY_DSN, send_default_pii=False)
