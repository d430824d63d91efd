"""The form that staff sign in to Django's admin with."""

from __future__ import annotations

from typing import Any

from django import forms
from django.apps import apps
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from django.views.decorators.debug import sensitive_variables

from saas_kit.auth import services
from saas_kit.auth.exceptions import InvalidCode, InvalidCredentials
from saas_kit.auth.identity import has_mfa, mfa_methods, username_field
from saas_kit.core.exceptions import RateLimited, Unavailable

_MAX_CODE_LENGTH = 32


class AdminSignInForm(AdminAuthenticationForm):
    """
    Django's own form, with the limits of guessing that the API has, and the second factor of whoever has one.

    A host sets it as ``login_form`` of its admin site, and ``saas_kit_auth/admin/login.html``, which shows the field of
    the code, as ``login_template``. Staff need not have proved their address. Who has passkeys needs an app or a
    recovery code here.
    """

    code = forms.CharField(
        label=_("Code"),
        help_text=_("Of your authenticator app, or a recovery code. Leave it empty if you have neither."),
        required=False,
        max_length=_MAX_CODE_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autocapitalize": "none"}),
    )

    error_messages = {
        **AdminAuthenticationForm.error_messages,
        "rate_limited": ngettext_lazy(
            "Too many attempts. Try again in %(seconds)d second.",
            "Too many attempts. Try again in %(seconds)d seconds.",
            "seconds",
        ),
        "invalid_code": _("Enter the present code of your authenticator app, or an unused recovery code."),
        "no_code": _(
            "Passkeys cannot be used here. Set up an authenticator app, or get recovery codes, and enter a code."
        ),
    }

    class Media:
        css = {"all": ["saas_kit_auth/admin/login.css"]}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not apps.is_installed("allauth.mfa"):
            del self.fields["code"]

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        if not self.errors:
            try:
                self.user_cache = self._sign_in()
            except InvalidCredentials as error:
                raise self.get_invalid_login_error() from error
            except RateLimited as error:
                seconds = {"seconds": error.retry_after}
                raise ValidationError(
                    self.error_messages["rate_limited"], code=error.code, params=seconds
                ) from error
            except Unavailable as error:
                raise ValidationError(str(error), code=error.code) from error
        return self.cleaned_data

    @sensitive_variables()
    def _sign_in(self) -> Any:
        name = "email" if username_field() is None else "username"
        credentials = {name: self.cleaned_data["username"], "password": self.cleaned_data["password"]}
        user: Any = services.check_credentials(self.request, needs_proof=False, **credentials)
        self.confirm_login_allowed(user)
        if has_mfa(user):
            self._check_code(user)
        return user

    def _check_code(self, user: AbstractBaseUser) -> None:
        if not {"totp", "recovery_codes"} & set(mfa_methods(user)):
            raise ValidationError({"code": ValidationError(self.error_messages["no_code"], code="no_code")})
        try:
            services.check_code(user, self.cleaned_data["code"])
        except InvalidCode as error:
            message = self.error_messages["invalid_code"]
            raise ValidationError({"code": ValidationError(message, code=error.code)}) from error
