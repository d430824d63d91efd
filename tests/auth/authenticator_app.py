"""An authenticator app as people have it on their phones, written from RFC 6238 and not from the code under test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import time
from dataclasses import dataclass

STEP = 30


@dataclass
class AuthenticatorApp:
    """Shows codes of one secret."""

    secret: str

    def code(self, steps: int = 0, *, digits: int = 6) -> str:
        """Return the code of now, or of so many steps later."""
        counter = int(time.time()) // STEP + steps
        digest = hmac.digest(base64.b32decode(self.secret), struct.pack(">Q", counter), hashlib.sha1)
        offset = digest[-1] & 0xF
        (number,) = struct.unpack(">I", digest[offset : offset + 4])
        return f"{(number & 0x7FFFFFFF) % 10**digits:0{digits}}"

    def wrong_code(self) -> str:
        """Return a code that is none of the steps around now."""
        right = {self.code(steps) for steps in range(-3, 4)}
        return next(
            code
            for code in ("000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777")
            if code not in right
        )
