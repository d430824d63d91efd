"""The README and the documentation tell of the code as it is: what they show runs, what they name exists."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command, get_commands

from tests.plugin import ROOT
from tests.test_packaging import QUICKSTART, _served, _shell

pytestmark = [pytest.mark.hosts("full"), pytest.mark.without_scope]

DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("[!_]*/*.md"))]
FENCE = re.compile(
    r"^(?P<indent> *)(?:<!-- (?P<marker>[\w: ]+) -->\n(?P=indent))?```(?P<language>\w+)\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
INLINE_CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
# js is run in a browser, by tests/auth/api/test_passkeys_in_a_browser.py
LANGUAGES = {"python", "console", "json", "text", "js"}
FAST_PASSWORDS = '\nPASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]\n'
OURS = ("DJANGO_", "DATABASE_URL", "REDIS_URL", "PYTEST_", "PYTHONWARNINGS")

# A stand-in for curl, so that the calls of the documentation need no program that a machine may not have.
CURL = """
import argparse, os, sys, urllib.error, urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("-s", action="store_true")
parser.add_argument("-H", action="append", default=[])
parser.add_argument("-d")
parser.add_argument("url")
call = parser.parse_args()
headers = dict(header.split(": ", 1) for header in call.H)
url = call.url.replace("http://127.0.0.1:8000", os.environ["SERVER"])
request = urllib.request.Request(url, call.d and call.d.encode(), headers)
try:
    answer = urllib.request.urlopen(request, timeout=30)
except urllib.error.HTTPError as error:
    answer = error
with open(os.environ["CALLS"], "a") as calls:
    print(answer.status, file=calls)
sys.stdout.buffer.write(answer.read())
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, without its indentation."""

    language: str
    marker: str
    text: str

    @property
    def path(self) -> str | None:
        """The file that the block is, where its first line is a comment with a path."""
        match = re.match(r"# ([\w./]+\.py)\n", self.text)
        return match[1] if match else None


def _blocks(page: Path) -> list[Block]:
    found = []
    for match in FENCE.finditer(page.read_text()):
        lines = match["text"].splitlines(keepends=True)
        text = "".join(line.removeprefix(match["indent"]) for line in lines)
        found.append(Block(match["language"], match["marker"] or "", text))
    return found


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", PAGES, ids=_name)


@pytest.fixture(scope="module")
def reference() -> Any:
    """The module that makes the tables of the reference."""
    spec = spec_from_file_location("kit_reference", DOCS / "_ext" / "kit_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def people(db: None) -> dict[str, Any]:
    """What the snippets that run have: Ada's account and organization, Grace, a member, and Bob, a stranger."""
    from saas_kit.tenancy.models import Membership
    from saas_kit.users.services import provision_user, register_user

    ada = register_user(email="ada@example.com", password="analytical engine 1843", organization_name="Acme")
    bob = register_user(email="bob@example.com", password="difference engine 1822")
    organization = Membership.objects.get(user=ada).organization
    grace = provision_user(organization, email="grace@example.com", role="member", actor=ada)
    account = organization.account
    return {"ada": ada, "bob": bob, "grace": grace, "organization": organization, "account": account}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The variables of a shell in which `python` is the one of the tests, and `curl` its stand-in."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "curl.py").write_text(CURL)
    for name, command in {"python": sys.executable, "curl": f"{sys.executable}' '{programs}/curl.py"}.items():
        (programs / name).write_text(f"#!/bin/sh\nexec '{command}' \"$@\"\n")
        (programs / name).chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    path = os.pathsep.join([str(programs), inherited.get("PATH", os.defpath)])
    return {**inherited, "PATH": path, "CALLS": str(tmp_path / "calls")}


@pytest.fixture
def call(environment: dict[str, str], tmp_path: Path) -> Callable[[str, str], list[int]]:
    """Run a block of calls against a server, and return the status of each answer."""

    def run(script: str, server: str) -> list[int]:
        _shell(script, tmp_path, {**environment, "SERVER": server})
        return [int(line) for line in Path(environment["CALLS"]).read_text().split()]

    return run


@pytest.fixture
def new_project(tmp_path: Path) -> Path:
    """A new project with the settings and the URLs of the README's quick start, and a quick password hash."""
    quickstart = {match["name"]: match["text"] for match in QUICKSTART.finditer(README.read_text())}
    project = tmp_path / "project"
    project.mkdir()
    call_command("startproject", "mysite", str(project))
    with (project / "mysite" / "settings.py").open("a") as file:
        file.write(f"\n\n{quickstart['settings']}{FAST_PASSWORDS}")
    (project / "mysite" / "urls.py").write_text(quickstart["urls"])
    return project


def _write(project: Path, block: Block) -> None:
    """Write the file that a block is; settings, and what is marked so, are added to what is there."""
    assert block.path is not None
    path = project / block.path
    path.parent.mkdir(exist_ok=True)
    is_addition = path.name == "settings.py" or block.marker == "test: add"
    before = path.read_text() if is_addition else ""
    path.write_text(f"{before}\n{block.text}")


class TestSnippets:
    @each_page
    def test_are_in_a_language_that_is_checked(self, page):
        assert {block.language for block in _blocks(page)} <= LANGUAGES

    @each_page
    def test_python_compiles_and_its_imports_are_there(self, page):
        for block in _blocks(page):
            if block.language == "python":
                for node in ast.walk(ast.parse(block.text)):
                    _assert_importable(node)

    @each_page
    def test_json_can_be_read(self, page):
        for block in _blocks(page):
            if block.language == "json":
                json.loads(block.text)

    @each_page
    def test_commands_are_there(self, page):
        known = {*get_commands(), *(path.stem for path in _commands()), "runserver", "test"}
        for block in _blocks(page):
            if block.language == "console":
                script = re.sub(r"^\$ ", "", block.text, flags=re.MULTILINE)
                result = subprocess.run(
                    ["bash", "-n", "-c", script], check=False, capture_output=True, text=True
                )
                assert result.returncode == 0, result.stderr
                assert set(re.findall(r"manage\.py (\w+)", script)) <= known
                assert set(re.findall(r"nox -s (\w+)", script)) <= _nox_sessions()

    @pytest.mark.parametrize(
        "page",
        [page for page in PAGES if any(block.marker == "test: run" for block in _blocks(page))],
        ids=_name,
    )
    def test_run(self, page, people):
        """Those that are marked so run one after the other, with people and an organization at hand."""
        namespace = dict(people)
        for block in _blocks(page):
            if block.marker == "test: run":
                exec(compile(block.text, _name(page), "exec", dont_inherit=True), namespace)


class TestNames:
    @each_page
    def test_paths_of_modules_and_classes_resolve(self, page):
        for code in INLINE_CODE.findall(page.read_text()):
            if re.fullmatch(r"saas_kit(\.\w+)+(\(\))?", code) and not code.startswith("saas_kit.W"):
                assert _resolves(code.removesuffix("()")), code

    @each_page
    def test_permissions_models_checks_and_migrations_exist(self, page, reference):
        from saas_kit.core.permissions import registered
        from saas_kit.email.messages import message_kinds

        known = {each.codename for each in registered()} | set(message_kinds())
        known |= {model._meta.label for model in apps.get_models()}
        known |= set(re.findall(r"saas_kit\w*\.[EW]\d{3}", reference.checks()))
        for code in INLINE_CODE.findall(page.read_text()):
            if re.fullmatch(r"saas_kit_\w+\.\w+", code) and code != "saas_kit_teams.verb_noun":
                assert code in known, code

    @each_page
    def test_settings_exist(self, page):
        for name in re.findall(r"\bSAAS_KIT_[A-Z_]*[A-Z]\b", page.read_text()):
            assert name in _settings() or name == "SAAS_KIT_TEAMS", name

    @pytest.mark.parametrize(
        "page", [page for page in PAGES if page.parent == ROOT], ids=_name
    )  # those of the site are resolved by its build
    def test_links_lead_somewhere(self, page):
        for target in LINK.findall(page.read_text()):
            assert (page.parent / target).exists(), target


class TestReference:
    def test_every_placeholder_is_filled(self, reference):
        for page in PAGES:
            assert "<!-- kit:" not in reference.expand(page.read_text())

    def test_every_block_is_on_a_page(self, reference):
        shown = {
            match["name"] for page in PAGES for match in reference.PLACEHOLDER.finditer(page.read_text())
        }

        assert shown == set(reference.BLOCKS)

    def test_every_setting_is_listed(self, reference):
        assert set(re.findall(r"^### `(\w+)`", reference.settings(), re.MULTILINE)) == set(_settings())

    def test_every_permission_is_listed(self, reference):
        from saas_kit.core.permissions import registered

        expected = {each.codename for each in registered() if each.codename.startswith("saas_kit_")}
        assert set(re.findall(r"`(saas_kit_\w+\.\w+)`", reference.permissions())) == expected

    def test_every_signal_is_listed(self, reference):
        from django.dispatch import Signal

        expected = {
            name
            for module in _modules("signals")
            for name, value in vars(module).items()
            if isinstance(value, Signal)
        }
        assert set(re.findall(r"^\| `(\w+)`", reference.signals(), re.MULTILINE)) == expected

    def test_every_check_is_listed(self, reference):
        paths = (ROOT / "src" / "saas_kit").glob("*/*checks.py")
        sources = "".join(path.read_text() for path in paths)
        expected = set(re.findall(r'id="(saas_kit\w*\.[EW]\d{3})"', sources))
        listed = set(re.findall(r"^\| `([\w.]+)`", reference.checks(), re.MULTILINE))

        assert expected <= listed
        assert {identifier for identifier in listed - expected if not identifier.endswith(".E001")} == set()

    def test_every_error_is_listed(self, reference):
        from saas_kit.core.exceptions import SaasKitError

        def below(cls: type[SaasKitError]) -> Iterator[str]:
            for each in cls.__subclasses__():
                if each.__module__.startswith("saas_kit."):
                    yield each.__qualname__
                yield from below(each)

        assert set(re.findall(r"^\| (?:&emsp;)*`(\w+)`", reference.errors(), re.MULTILINE)) == set(
            below(SaasKitError)
        )

    def test_every_mistake_is_listed(self, reference):
        listed = set(re.findall(r"^\| `(\w+)`", reference.mistakes(), re.MULTILINE))

        assert listed >= {"ScopeRequired", "OutOfScope", "OrganizationFixed", "TenantRequired"}

    def test_the_scope_and_the_prover_are_told_of(self, reference):
        from saas_kit import tenancy
        from saas_kit.testing import isolation

        for module, text in ((tenancy, reference.scoping()), (isolation, reference.prover())):
            assert set(re.findall(r"^### `(\w+)`", text, re.MULTILINE)) == set(module.__all__)

    def test_every_service_is_listed(self, reference):
        listed = set(re.findall(r"^### `(\w+)`", reference.services(), re.MULTILINE))

        assert {"record", "create_user", "rotate", "create_team", "change_role", "register_user"} <= listed

    def test_every_code_of_the_api_is_listed(self):
        """The codes that the API has beside those of the errors are in a table that is written by hand."""
        text = (DOCS / "reference" / "errors.md").read_text()
        sources = [path.read_text() for path in (ROOT / "src" / "saas_kit" / "api").glob("*.py")]
        codes = {
            code for source in sources for node in ast.walk(ast.parse(source)) for code in _codes_in(node)
        }

        assert {"unknown", "immutable", "stale", "unknown_parameter", "too_deep"} <= codes
        assert {code for code in codes if f"`{code}`" not in text} == set()

    def test_every_command_is_listed(self, reference):
        expected = {path.stem for path in _commands()}

        assert set(re.findall(r"^## `(\w+)`", reference.commands(), re.MULTILINE)) == expected

    def test_every_app_has_a_row_in_the_readme(self):
        configs = (ROOT / "src" / "saas_kit").glob("*/apps.py")
        expected = {f"saas_kit.{path.parent.name}" for path in configs if path.parent.name != "core"}

        assert set(re.findall(r"^\| `(saas_kit\.\w+)`", README.read_text(), re.MULTILINE)) == expected


class TestReadme:
    def test_calls_work(self, live_server, call):
        """Registering, signing in, reading one's profile and creating a team, over HTTP."""
        quickstart = {match["name"]: match["text"] for match in QUICKSTART.finditer(README.read_text())}

        assert call(quickstart["calls"], live_server.url) == [201, 200, 200, 201]

    @pytest.mark.once
    def test_endpoint_is_isolated(self, new_project, environment, tmp_path):
        """The model, the permissions and the view that it shows are a tenant-isolated endpoint, as they stand."""
        for block in _blocks(README):
            if block.path is not None:
                _write(new_project, block)
        with (new_project / "mysite" / "settings.py").open("a") as file:
            file.write('\nINSTALLED_APPS += ["notes"]\nMIGRATION_MODULES = {"notes": None}\n')
        with (new_project / "mysite" / "urls.py").open("a") as file:
            file.write('\nurlpatterns.append(path("api/v1/", include("notes.api")))\n')
        (new_project / "notes" / "__init__.py").touch()
        (new_project / "notes" / "tests.py").write_text(_ENDPOINT_TESTS)

        _shell("python manage.py test", new_project, environment)


@pytest.mark.once
class TestTutorial:
    def test_works_from_beginning_to_end(self, new_project, environment, call):
        """Its files and commands, in their order, make the project that it promises; its calls are answered."""
        blocks = _blocks(DOCS / "tutorial" / "first-endpoint.md")
        calls = ""
        for block in blocks:
            if block.language == "python":
                _write(new_project, block)
            elif block.language == "console" and "curl" in block.text:
                calls += block.text
            elif block.language == "console":
                _shell(block.text.partition("$ python manage.py runserver")[0], new_project, environment)

        with _served(new_project, environment) as port:
            assert call(calls, f"http://127.0.0.1:{port}") == [201, 200, 201, 200, 400]


@pytest.mark.once
class TestIsolateYourOwn:
    def test_works_from_beginning_to_end(self, new_project, environment):
        """Its files and commands, in their order, make an app that the prover finds nothing to say against."""
        for block in _blocks(DOCS / "how-to" / "isolate-your-own.md"):
            if block.path is not None:
                _write(new_project, block)
            elif block.language == "console":
                _shell(block.text, new_project, environment)


class TestMessages:
    def test_own_one_is_sent(self, people, settings, tmp_path, on_commit, mailoutbox):
        """The class, the templates and the service that are shown send it, in text and in HTML."""
        namespace = dict(people)
        [engine] = settings.TEMPLATES
        settings.TEMPLATES = [{**engine, "DIRS": [tmp_path]}]
        blocks = _blocks(DOCS / "how-to" / "messages.md")
        for block in blocks:
            if match := re.match(r"\{# (\S+) #\}", block.text):
                (tmp_path / match[1]).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / match[1]).write_text(block.text)
        with on_commit():
            for block in blocks:
                if block.marker == "test: run":
                    exec(compile(block.text, "messages.md", "exec", dont_inherit=True), namespace)

        [sent] = mailoutbox
        assert (sent.to, sent.subject) == (["ada@example.com"], "Your order 1815 is on its way")
        assert "arrive on Feb. 3, 2026:\n\nhttps://app.example.com/orders/1815\n" in sent.body
        assert ">Follow your order</a>" in sent.alternatives[0][0]


_ENDPOINT_TESTS = """
from django.test import TestCase
from rest_framework.test import APIClient
from saas_kit.users.services import register_user


class NotesTest(TestCase):
    def test_isolated(self):
        ada, bob = APIClient(), APIClient()
        ada.force_authenticate(register_user(email="ada@example.com", password="analytical engine 1843"))
        bob.force_authenticate(register_user(email="bob@example.com", password="difference engine 1822"))
        made = ada.post("/api/v1/notes/", {"text": "Mine"}, format="json")
        self.assertEqual(made.status_code, 201, made.data)
        url = f"/api/v1/notes/{made.data['id']}/"
        for client, status in ((bob, 404), (ada, 200)):
            self.assertEqual(client.get(url).status_code, status)
            self.assertEqual(client.patch(url, {"text": "Changed"}, format="json").status_code, status)
        self.assertEqual(bob.get("/api/v1/notes/").data["results"], [])
        self.assertEqual(bob.delete(url).status_code, 404)
        self.assertEqual(ada.delete(url).status_code, 204)

    def test_documentation_is_served(self):
        for path in ("schema", "docs"):
            self.assertEqual(self.client.get(f"/api/{path}/").status_code, 200)
"""


def _assert_importable(node: ast.AST) -> None:
    if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "saas_kit":
        module = importlib.import_module(str(node.module))
        for alias in node.names:
            assert hasattr(module, alias.name), f"{node.module}.{alias.name}"


def _codes_in(node: ast.AST) -> Iterator[str]:
    """Yield the codes of errors that a piece of the API's source names."""
    found: list[ast.expr] = []
    if isinstance(node, ast.Call):
        found += [each.value for each in node.keywords if each.arg == "code"]
        if ast.unparse(node.func) in ("_refuse", "_bad_parameter"):
            found.append(node.args[-1])
    elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "default_code":
        found.append(node.value)
    elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "default_error_messages":
        found += (
            [key for key in node.value.keys if key is not None] if isinstance(node.value, ast.Dict) else []
        )
    yield from (str(each.value) for each in found if isinstance(each, ast.Constant))


def _resolves(path: str) -> bool:
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for name in parts[end:]:
            found = getattr(found, name, None)
        return found is not None
    return False


def _modules(name: str) -> list[Any]:
    paths = sorted((ROOT / "src" / "saas_kit").glob(f"*/{name}.py"))
    return [importlib.import_module(f"saas_kit.{path.parent.name}.{name}") for path in paths]


def _commands() -> list[Path]:
    return list((ROOT / "src" / "saas_kit").glob("*/management/commands/[!_]*.py"))


def _settings() -> set[str]:
    from saas_kit.core.conf import all_settings

    return {name for cls in all_settings() for name in cls.types()}


def _nox_sessions() -> set[str]:
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list}
    gates = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "GATES"
    )
    return functions | set(gates)
