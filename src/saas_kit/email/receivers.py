"""What providers tell of messages, as django-anymail receives it."""

from __future__ import annotations

from typing import Any

from saas_kit.email.providers import read_event
from saas_kit.email.services import record_event


def on_tracking(event: Any, esp_name: str, **kwargs: Any) -> None:
    """Write down what a provider told; what goes wrong is raised, so that the provider has a 5xx and repeats it."""
    told = read_event(event, esp_name)
    if told is not None:
        record_event(told)
