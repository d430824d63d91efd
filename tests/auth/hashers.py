"""A password hasher that says how often it was used."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.hashers import MD5PasswordHasher, PBKDF2PasswordHasher


class CountingHasher(MD5PasswordHasher):
    """Keeps the salt of every hash that was made."""

    encoded: ClassVar[list[str]] = []

    def encode(self, password: str, salt: str) -> str:
        self.encoded.append(salt)
        return super().encode(password, salt)


class ShortHasher(PBKDF2PasswordHasher):
    """Takes a millisecond or two, which is most of what an answer takes, as a real hasher does."""

    iterations = 4000
