"""System checks that concern every app: settings, and models that hosts derive from the kit's."""

from __future__ import annotations

import difflib

import django
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from saas_kit.core.conf import CoreSettings, all_settings, matches
from saas_kit.core.deletion import soft_deletable_models
from saas_kit.core.models import AliveManager
from saas_kit.core.tasks import is_done_at_once


def check_settings_types(**kwargs: object) -> list[CheckMessage]:
    """Report each ``SAAS_KIT_*`` setting whose value is not of its declared type."""
    messages: list[CheckMessage] = []
    for cls in all_settings():
        label = cls.prefix.rstrip("_").lower()
        for name, annotation in cls.types().items():
            if hasattr(settings, name) and not matches(getattr(settings, name), annotation):
                expected = getattr(annotation, "__name__", None)
                messages.append(
                    Error(
                        f"{name} is of the wrong type.",
                        hint=f"It must be of type {expected if isinstance(annotation, type) else annotation}.",
                        id=f"{label}.E001",
                    )
                )
    return messages


def check_settings_names(**kwargs: object) -> list[CheckMessage]:
    """Report each ``SAAS_KIT_*`` name that no app of the kit reads."""
    known = {name for cls in all_settings() for name in cls.types()}
    messages: list[CheckMessage] = []
    for name in dir(settings):
        if name.startswith("SAAS_KIT_") and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = (
                f"Did you mean {close[0]}?"
                if close
                else "Remove it, or look it up in the settings reference."
            )
            messages.append(
                checks.Warning(f"{name} is not a setting of the kit.", hint=hint, id="saas_kit.W001")
            )
    return messages


def check_soft_deletable_managers(**kwargs: object) -> list[CheckMessage]:
    """Report each soft-deletable model whose default manager finds what was deleted."""
    return [
        Error(
            f"The default manager of {model._meta.label} finds rows that are deleted.",
            hint="Set objects = AliveManager.from_queryset(...)(), with AliveManager from saas_kit.core.models.",
            obj=model,
            id="saas_kit.E002",
        )
        for model in soft_deletable_models()
        if not isinstance(model._default_manager, AliveManager)
    ]


def check_trusted_proxies(**kwargs: object) -> list[CheckMessage]:
    """Report a proxy in front whose word on the client's address is not taken."""
    if not settings.SECURE_PROXY_SSL_HEADER or CoreSettings.TRUSTED_PROXIES > 0:
        return []
    return [
        checks.Warning(
            "SECURE_PROXY_SSL_HEADER tells of a proxy, but SAAS_KIT_CORE_TRUSTED_PROXIES is 0, so that all clients may "
            "seem to have the proxy's address and share its limits.",
            hint="Set SAAS_KIT_CORE_TRUSTED_PROXIES = 1, or how many proxies append to X-Forwarded-For. Where the "
            'server sets REMOTE_ADDR itself, set SILENCED_SYSTEM_CHECKS = ["saas_kit.W003"].',
            id="saas_kit.W003",
        )
    ]


def check_queue(**kwargs: object) -> list[CheckMessage]:
    """Report a queue that work in the background could never be handed over to."""
    if path := CoreSettings.CELERY_APP:
        try:
            fault = "" if hasattr(import_string(path), "send_task") else f"{path} is no Celery app."
        except ImportError as error:
            fault = str(error)
        if fault:
            return [
                Error(
                    f"SAAS_KIT_CORE_CELERY_APP names no Celery app: {fault}",
                    hint='Name the Celery app by its dotted path, as in "config.celery.app", or leave it empty.',
                    id="saas_kit.E004",
                )
            ]
    alias = CoreSettings.TASK_BACKEND
    if alias and (django.VERSION < (6, 0) or alias not in getattr(settings, "TASKS", {"default": {}})):
        return [
            Error(
                f"SAAS_KIT_CORE_TASK_BACKEND is {alias!r}, which Django has no task backend for.",
                hint="Name an alias in TASKS, which Django has from 6.0 on, or leave it empty.",
                id="saas_kit.E005",
            )
        ]
    return []


def check_queues(**kwargs: object) -> list[CheckMessage]:
    """Report a queue that nothing is handed over to, as there is another."""
    if not (CoreSettings.CELERY_APP and CoreSettings.TASK_BACKEND):
        return []
    return [
        checks.Warning(
            "SAAS_KIT_CORE_TASK_BACKEND is not used, as SAAS_KIT_CORE_CELERY_APP is set too.",
            hint="Remove the one of them that is not meant.",
            id="saas_kit.W005",
        )
    ]


def check_work_is_handed_over(**kwargs: object) -> list[CheckMessage]:
    """Report that each request does its work in the background itself, and waits for it."""
    if not is_done_at_once():
        return []
    return [
        checks.Warning(
            "Work in the background, such as delivering mail, is done by the request that causes it.",
            hint='Set SAAS_KIT_CORE_CELERY_APP = "config.celery.app", or SAAS_KIT_CORE_TASK_BACKEND = "default" with '
            'Django 6.0. Where requests may wait for it, set SILENCED_SYSTEM_CHECKS = ["saas_kit.W004"].',
            id="saas_kit.W004",
        )
    ]


ALL = (
    check_settings_types,
    check_settings_names,
    check_soft_deletable_managers,
    check_queue,
    check_queues,
)
DEPLOY = (check_trusted_proxies, check_work_is_handed_over)
