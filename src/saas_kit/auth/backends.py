"""Signs people in by e-mail address and password."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from saas_kit.auth.identity import username_field, users_with_email
from saas_kit.core import caller


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
        user = self._find(credentials.get("email"), credentials.get("username"))
        if user is None:
            get_user_model()().set_password(password)
            return None
        return user if user.check_password(password) and self.user_can_authenticate(user) else None

    async def aauthenticate(self, request: HttpRequest | None, **credentials: Any) -> AbstractBaseUser | None:
        return await sync_to_async(self.authenticate)(request, **credentials)

    def _find(self, email: str | None, username: str | None) -> Any:
        manager = get_user_model()._default_manager
        if username and not email and username_field() is not None:
            try:
                return manager.get_by_natural_key(username)
            except get_user_model().DoesNotExist:
                return None
        # whoever shares an address with somebody else cannot be told apart by it
        found = list(caller.annotate_parts(users_with_email(email or username or ""))[:2])
        if len(found) != 1:
            return None
        caller.take_parts(found[0], found[0])
        return found[0]
