"""Named limits: those that an app brings, and what the host's setting makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from saas_kit.core import context
from saas_kit.core.exceptions import SaasKitError
from saas_kit.ratelimit.limits import Limit, forget, hit


@dataclass(frozen=True, slots=True)
class LimitTable:
    """
    The limits of one app by their names.

    Attributes:
        prefix: What the app's counters are called by, so that no other app's have the same name.
        defaults: The rates that the app brings; None is no limit.
        setting: Returns the rates that take their place.
    """

    prefix: str
    defaults: Mapping[str, str | None]
    setting: Callable[[], Mapping[str, str | None]]

    def limit_of(self, name: str) -> Limit | None:
        """
        Return one of the limits; None where the host has lifted it.

        Raises:
            ValueError: The host's setting is no rate.
        """
        rate = {**self.defaults, **self.setting()}[name]
        return None if rate is None else Limit.parse(rate)

    def count(self, name: str, *parts: str) -> None:
        """
        Count one attempt.

        Raises:
            RateLimited: It is one too many.
            Unavailable: The cache cannot be asked.
        """
        limit = self.limit_of(name)
        if limit is not None:
            hit(f"{self.prefix}.{name}", limit, *parts)

    def take_back(self, name: str, *parts: str) -> None:
        """Take back an attempt that was right after all."""
        limit = self.limit_of(name)
        if limit is not None:
            forget(f"{self.prefix}.{name}", limit, *parts)

    @contextmanager
    def counting_failures(self, name: str, *failures: type[SaasKitError]) -> Iterator[None]:
        """
        Let one network fail at the block only so often.

        It is counted before the block, and taken back where that did not end with one of the failures. Nothing is
        counted where the network is not known, as all clients would be one.

        Raises:
            RateLimited: There were too many failures.
            Unavailable: The cache cannot be asked.
        """
        tried_from = network()
        if not tried_from:
            yield
            return
        self.count(name, tried_from)
        try:
            yield
        except failures:
            raise
        except SaasKitError:
            self.take_back(name, tried_from)
            raise
        else:
            self.take_back(name, tried_from)

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the host's setting, for a system check."""
        for name, rate in self.setting().items():
            if name not in self.defaults:
                yield f"there is no limit {name!r}; there are {', '.join(sorted(self.defaults))}"
                continue
            try:
                self.limit_of(name)
            except (TypeError, ValueError):
                yield f"{rate!r} of {name!r} is no rate"


def network() -> str:
    """Return the address that the request came from, for counting by it; empty outside of a request."""
    return context.ip_address.get() or ""
