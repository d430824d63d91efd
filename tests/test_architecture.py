"""The rules of the tree: who imports whom, what files are called, what names follow from a path."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core import checks
from django.urls import URLPattern, get_resolver

import saas_kit
from saas_kit.core.conf import all_settings
from saas_kit.core.permissions import registered
from tests.plugin import ROOT

PACKAGE = Path(saas_kit.__file__).parent
KIT_APPS = [config for config in apps.get_app_configs() if config.name.startswith("saas_kit.")]

MODULES = {
    *("__init__", "apps", "conf", "checks", "signals", "exceptions", "permissions", "roles", "models"),
    *(
        "services",
        "backends",
        "receivers",
        "admin",
        "schedule",
        "tasks",
        "management",
        "migrations",
        "static",
        "templates",
        "locale",
    ),
    "api",
}
API_MODULES = {"__init__", "serializers", "views", "filters", "urls"}
# what an app has of its own, by its topic: a new name here is a decision
TOPICS = {
    "tenancy": {
        *(
            "access",
            "background",
            "celery",
            "choice",
            "domain_checks",
            "domain_proofs",
            "guard",
            "invitation_checks",
            "isolation",
            "isolation_checks",
            "limits",
            "mail_providers",
            "messages",
            "middleware",
            "operations",
        ),
        *(
            "people",
            "placements",
            "policies",
            "resolver_checks",
            "resolvers",
            "row_security",
            "scoping",
            "slugs",
            "task_backends",
        ),
    },
    "tenancy/api": {"bases", "fields", "narrowing"},
    "testing": {"isolation", "pytest_plugin"},
    "auth": {
        "access_cache",
        "access_cache_checks",
        "admin_checks",
        "cookie_checks",
        "devices",
        "forms",
        "identity",
        "keys",
        "limit_checks",
        "limits",
        "links",
        "messages",
        "mfa",
        "passkey_checks",
        "providers",
        "social_adapter",
        "tokens",
        "webauthn",
    },
    "auth/api": {"authentication", "cookies", "stock"},
    "email": {
        "limits",
        "links",
        "mailer",
        "message_checks",
        "messages",
        "preview_admin",
        "previews",
        "providers",
        "urls",
        "views",
    },
    "users": {"export"},
}
NOT_TOPICS = {"utils", "util", "helpers", "helper", "common", "base", "misc"}


def _stems(folder: Path) -> set[str]:
    return {each.stem for each in folder.iterdir() if each.name != "__pycache__"}


class TestTree:
    def test_imports_keep_their_direction(self):
        """The contracts of `.importlinter` hold."""
        # in a process of its own, since the linter silences the loggers of the one that it runs in
        lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"

        result = subprocess.run(
            [sys.executable, "-c", lint, "--no-cache"], check=False, cwd=ROOT, capture_output=True, text=True
        )

        assert result.returncode == 0, result.stdout + result.stderr

    @pytest.mark.parametrize("config", KIT_APPS, ids=lambda config: config.name)
    def test_files_have_the_usual_names(self, config):
        """Knowing one app is knowing all."""
        folder = Path(config.path)

        assert _stems(folder) <= MODULES | TOPICS.get(folder.name, set())
        if (folder / "api").is_dir():
            assert _stems(folder / "api") <= API_MODULES | TOPICS.get(f"{folder.name}/api", set())

    def test_no_module_is_without_a_topic(self):
        """What has no topic is not ready to be shared."""
        found = [each for each in PACKAGE.rglob("*") if each.stem in NOT_TOPICS]

        assert found == []

    def test_every_package_says_what_it_gives(self):
        """The first line of each module is a docstring, but of what Django's conventions say already."""
        silent = [
            each
            for each in PACKAGE.rglob("*.py")
            if each.stem not in {"admin", "apps"}
            and each.parent.name not in {"migrations", "management", "commands"}
            and each.stat().st_size
            and not each.read_text().startswith('"""')
        ]

        assert silent == []

    def test_package_imports_nothing(self):
        """`import saas_kit` works before Django is set up."""
        assert "import" not in (PACKAGE / "__init__.py").read_text()


class TestNames:
    @pytest.mark.parametrize("config", KIT_APPS, ids=lambda config: config.name)
    def test_label_follows_from_the_path(self, config):
        """`saas_kit.auth` is `saas_kit_auth`, and so are its tables."""
        assert config.label == config.name.replace(".", "_")
        assert config.verbose_name
        for model in config.get_models(include_auto_created=True):
            assert model._meta.db_table.startswith(f"{config.label}_")
            names = [*model._meta.constraints, *model._meta.indexes]
            assert all(each.name.startswith(config.label) for each in names), model

    def test_permissions_name_their_app(self):
        """`saas_kit_auth.verb_noun`."""
        labels = {config.label for config in KIT_APPS}
        for permission in registered():
            label, _, _ = permission.codename.partition(".")
            assert label in labels or not label.startswith("saas_kit")

    def test_settings_follow_from_the_path(self):
        """`SAAS_KIT_AUTH_*`."""
        for cls in all_settings():
            app = cls.__module__.removesuffix(".conf")
            assert all(name.startswith(f"{app.replace('.', '_').upper()}_") for name in cls.types())

    def test_checks_follow_from_the_path(self, settings):
        """The ids of what an app's checks report begin with its label."""
        settings.MIDDLEWARE = settings.AUTHENTICATION_BACKENDS = []
        for config in KIT_APPS:
            setattr(settings, f"{config.label.upper()}_UNKNOWN", 1)

        ids = {each.id for each in checks.run_checks(tags=[checks.Tags.compatibility])}

        labels = {config.label for config in KIT_APPS} | {"saas_kit"}
        assert ids
        assert all(each.partition(".")[0] in labels for each in ids if each.startswith("saas_kit"))


def _views(patterns: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for each in patterns:
        path = prefix + str(each.pattern)
        if isinstance(each, URLPattern):
            yield path, each.callback
        else:
            yield from _views(each.url_patterns, path)


def _undeclared(urlconf: str | None = None) -> list[str]:
    """Name the actions below the prefix of the API for which no permission is declared."""
    from saas_kit.api.permissions import DeclaredPermission
    from saas_kit.api.views import ApiView

    found = []
    for path, callback in _views(get_resolver(urlconf).url_patterns):
        if not path.startswith("api/v1/"):
            continue
        view = getattr(callback, "cls", None) or getattr(callback, "view_class", None)
        if view is None or not issubclass(view, ApiView) or DeclaredPermission not in view.permission_classes:
            found.append(f"{path}: not a view of the API")
            continue
        actions = getattr(callback, "actions", None) or {
            method: method for method in view.http_method_names if method != "head" and hasattr(view, method)
        }
        for method, action in actions.items():
            name = "update" if action == "partial_update" else action
            if (
                method != "head"
                and method in view.http_method_names
                and not view.required_permissions.get(name)
            ):
                found.append(f"{path}: {view.__name__}.{action}")
    return found


@pytest.mark.hosts("full", "default_user", "custom_organization")
class TestDeclarations:
    def test_every_action_declares_what_it_needs(self):
        """I39: no view below the API is without a declared permission."""
        assert _undeclared() == []

    @pytest.mark.hosts("full")
    def test_what_declares_nothing_is_found(self):
        """I39: the walk does see a view that forgot, and one that is not the kit's at all."""
        found = _undeclared("tests.api.urls")

        assert any("FaultyView.put" in each for each in found)
        assert any("ForgetfulViewSet.partial_update" in each for each in found)
        assert any("ForgetfulViewSet.restore" in each for each in found)
        assert any(each == "api/v1/plain/: not a view of the API" for each in found)
        assert not any("FaultyView.get" in each or "WidgetViewSet" in each for each in found)


SECRETS = {"password", "secret", "token", "invitation_token", "subject", "code", "refresh"}


def _decorated_services() -> Iterator[tuple[str, ast.FunctionDef, dict[str, ast.expr]]]:
    """Walk the functions of all services, each with its decorators by name."""
    for path in sorted({*PACKAGE.glob("*/services.py"), *PACKAGE.glob("*/services/*.py")}):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                decorators = {
                    ast.unparse(each.func if isinstance(each, ast.Call) else each): each
                    for each in node.decorator_list
                }
                yield f"{path.relative_to(PACKAGE)}:{node.name}", node, decorators


class TestReportsOfErrors:
    def test_no_secret_is_in_the_frame_of_a_transaction(self) -> None:
        """A report shows the variables of each frame, and that of the decorator has all arguments."""
        found = []
        for name, node, decorators in _decorated_services():
            arguments = {each.arg for each in (*node.args.args, *node.args.kwonlyargs)}
            if "transaction.atomic" not in decorators or not arguments & SECRETS:
                continue
            hidden = decorators.get("sensitive_variables")
            names = {each.value for each in hidden.args} if isinstance(hidden, ast.Call) else set()
            if not names >= {"args", "kwds", *(arguments & SECRETS)}:
                found.append(name)

        assert found == []
