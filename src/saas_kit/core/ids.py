"""Time-ordered identifiers."""

from __future__ import annotations

import secrets
import threading
import time
import uuid

_COUNTER_BITS = 42


class _Clock:
    """Ticks that never repeat: a millisecond and a counter within it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._millisecond = 0
        self._counter = 0

    def tick(self) -> tuple[int, int]:
        with self._lock:
            now = time.time_ns() // 1_000_000
            self._counter += 1
            if now > self._millisecond or self._counter >> _COUNTER_BITS:
                self._millisecond = max(now, self._millisecond + 1)
                self._counter = secrets.randbits(_COUNTER_BITS - 1)
            return self._millisecond, self._counter


_clock = _Clock()


def uuid7() -> uuid.UUID:
    """
    Return a UUID version 7 that is larger than every one this process made before.

    The layout is that of RFC 9562, section 5.7; ids made within one millisecond are kept in order by
    the 42-bit counter of section 6.2, method 1, which starts at random in its lower half.
    """
    millisecond, counter = _clock.tick()
    value = (millisecond & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76
    value |= (counter >> 30) << 64
    value |= 0b10 << 62
    value |= (counter & 0x3FFF_FFFF) << 32
    value |= secrets.randbits(32)
    return uuid.UUID(int=value)
