"""The settings of a host whose mail goes to a Celery worker, and from there to an SMTP server on this machine."""

from __future__ import annotations

from datetime import timedelta

import django

from tests.hosts.models_only.settings import *  # noqa: F403
from tests.hosts.models_only.settings import env

_MAIL = "django.core.mail.backends.smtp.EmailBackend"
_PORT = env.int("OUTBOX_SMTP_PORT")
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _MAIL, "OPTIONS": {"host": "127.0.0.1", "port": _PORT, "timeout": 10}}}
else:
    EMAIL_BACKEND = _MAIL
    EMAIL_HOST = "127.0.0.1"
    EMAIL_PORT = _PORT
    EMAIL_TIMEOUT = 10

SAAS_KIT_CORE_CELERY_APP = "tests.email.outbox_worker.app"
SAAS_KIT_EMAIL_LEASE = timedelta(seconds=env.float("OUTBOX_LEASE", default=60))
