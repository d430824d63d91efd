"""
Counters of attempts, in windows of fixed length.

Each attempt is one atomic increment, so of any number of attempts at once exactly as many as allowed pass, where
all processes share the cache.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import re
import time
from dataclasses import dataclass
from typing import Self

from saas_kit.caching import shared_cache
from saas_kit.core.exceptions import RateLimited, Unavailable

logger = logging.getLogger("saas_kit.ratelimit")

_RATE = re.compile(r"(?P<amount>[1-9]\d*)/(?P<count>[1-9]\d*)?(?P<unit>[smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Limit:
    """
    So many attempts in so many seconds.

    Attributes:
        amount: Attempts that pass in one window.
        seconds: Length of a window.
    """

    amount: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Return the limit that a text such as ``5/m``, ``5/10m`` or ``100/h`` stands for.

        Raises:
            ValueError: The text is no such rate.
        """
        match = _RATE.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a rate such as '5/m', '5/10m' or '100/h'.")
        return cls(int(match["amount"]), int(match["count"] or 1) * _SECONDS[match["unit"]])


def hit(name: str, limit: Limit, *parts: str) -> None:
    """
    Count one attempt.

    Args:
        name: What is attempted.
        parts: Who attempts it, and on whom; an IP address counts as its network, see ``network_of()``.

    Raises:
        RateLimited: There were as many as are allowed already, this one is one more.
        Unavailable: The cache could not be asked; what must be limited is refused then.
    """
    now = time.time()
    key = _key(name, limit, parts, now)
    try:
        shared_cache.add(key, 0, timeout=limit.seconds)
        count = shared_cache.incr(key)
    except Exception as error:
        # each backend raises what its client raises
        logger.exception("Attempts could not be counted.")
        raise Unavailable from error
    if count > limit.amount:
        raise RateLimited(retry_after=limit.seconds - int(now) % limit.seconds)


def forget(name: str, limit: Limit, *parts: str) -> None:
    """Take back one attempt of the present window, such as one that turned out to be right."""
    try:
        shared_cache.decr(_key(name, limit, parts, time.time()))
    except Exception:  # one attempt too many is counted, for the rest of the window
        logger.warning("An attempt could not be taken back.", exc_info=True)


def network_of(address: str) -> str:
    """
    Return what an IP address is counted as.

    That is an IPv4 address itself, in whichever version it is written, and the /64 of an IPv6 address, as whoever has
    one address has all of them. Any other text is returned as it is.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), 64), strict=False))


def _key(name: str, limit: Limit, parts: tuple[str, ...], now: float) -> str:
    who = "\n".join(network_of(part) for part in parts)
    digest = hashlib.sha256(who.encode()).hexdigest()[:32]  # no address is written into the cache
    return f"rl:{name}:{limit.amount}/{limit.seconds}:{digest}:{int(now) // limit.seconds}"
