"""Time-ordered identifiers."""

from __future__ import annotations

import secrets
import threading
import time
import uuid

_COUNTER_BITS = 42
_lock = threading.Lock()
_last_millisecond = 0
_counter = 0


def uuid7() -> uuid.UUID:
    """
    Return a UUID version 7 that is larger than every one this process made before.

    The layout is that of RFC 9562, section 5.7; ids made within one millisecond are kept in order by
    the 42-bit counter of section 6.2, method 1, which starts at random in its lower half.
    """
    global _last_millisecond, _counter
    with _lock:
        millisecond = time.time_ns() // 1_000_000
        if millisecond > _last_millisecond:
            _last_millisecond = millisecond
            _counter = secrets.randbits(_COUNTER_BITS - 1)
        else:
            _counter += 1
            if _counter >> _COUNTER_BITS:
                _last_millisecond += 1
                _counter = secrets.randbits(_COUNTER_BITS - 1)
        millisecond, counter = _last_millisecond, _counter
    value = (millisecond & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76
    value |= (counter >> 30) << 64
    value |= 0b10 << 62
    value |= (counter & 0x3FFF_FFFF) << 32
    value |= secrets.randbits(32)
    return uuid.UUID(int=value)
