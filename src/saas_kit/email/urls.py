"""Where providers tell what became of messages, and where people unsubscribe; hosts mount it under any prefix."""

from __future__ import annotations

from django.urls import path

from saas_kit.email.views import tracking, unsubscribe

app_name = "saas_kit_email"
urlpatterns = [
    path("<slug:provider>/tracking/", tracking, name="tracking"),
    path("unsubscribe/<str:token>/", unsubscribe, name="unsubscribe"),
]
