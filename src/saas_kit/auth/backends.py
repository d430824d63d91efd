"""Signs people in by e-mail address and password."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from saas_kit.auth.identity import find_user


class EmailBackend(AuthenticationBackend):
    """
    Takes ``email``, or ``username`` where the user model has one, and ``password``.

    It is allauth's back end with the kit's rule of who has an address, so that it needs none of allauth's
    settings. Every attempt costs one password hash, whoever exists (invariant I59).
    """

    @sensitive_variables("password", "credentials")
    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> AbstractBaseUser | None:
        password = credentials.get("password")
        if not password:
            return None
        user = find_user(credentials.get("email"), credentials.get("username"))
        if user is None:
            get_user_model()().set_password(password)
            return None
        return user if user.check_password(password) and self.user_can_authenticate(user) else None

    async def aauthenticate(self, request: HttpRequest | None, **credentials: Any) -> AbstractBaseUser | None:
        return await sync_to_async(self.authenticate)(request, **credentials)
