"""
The tables of the reference, made from the code while the documentation is built.

A line ``<!-- kit: NAME -->`` of a page is replaced by what the function NAME of this module returns.
"""

from __future__ import annotations

import ast
import inspect
import os
import pkgutil
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from django.core.management import find_commands, load_command_class
from drf_spectacular.generators import SchemaGenerator

import saas_kit
from saas_kit import tenancy
from saas_kit.api.exceptions import status_of
from saas_kit.core.conf import all_settings
from saas_kit.core.exceptions import SaasKitError
from saas_kit.core.permissions import Level, registered
from saas_kit.email.messages import message_kinds, original_class
from saas_kit.tenancy.roles import roles_granting, system_roles
from saas_kit.testing import isolation
from saas_kit.urls import router

LINE_LENGTH = 100
PLACEHOLDER = re.compile(r"^<!-- kit: (?P<name>\w+) -->$", re.MULTILINE)
STOCK_OPTIONS = ("version", "settings", "pythonpath", "traceback", "no-color", "force-color", "skip-checks")


def settings() -> str:
    """Every setting: its type, its default and what its docstring says."""
    parts = []
    for cls in sorted(all_settings(), key=lambda each: each.prefix):
        declared = {
            node.target.id: node
            for node in _class_of(cls).body
            if isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and node.target.id.isupper()
        }
        docstrings = _docstrings_below(_class_of(cls).body)
        parts.append(f"## `{_package_of(cls)}`\n")
        for name, node in declared.items():
            default = ast.unparse(node.value) if node.value else ""
            constant = getattr(import_module(cls.__module__), default, None)
            default = repr(constant) if isinstance(constant, str) else default
            parts += [
                f"### `{cls.prefix}{name}`\n",
                f"Type: `{ast.unparse(node.annotation)}`. Default: `{_double_quoted(default)}`.\n",
                f"{_code(docstrings[name])}\n",
            ]
    return "\n".join(parts)


def permissions() -> str:
    """Every permission of the kit, with the roles that hold it."""
    parts = []
    for level in Level:
        rows = [
            (f"`{each.codename}`", each.label, ", ".join(roles_granting(each.codename, level=level)))
            for each in registered(level=level)
            if each.codename.startswith("saas_kit_")
        ]
        parts += [f"## At the level of the {level}\n", _table(("permission", "what for", "held by"), rows)]
    return "\n".join(parts)


def roles() -> str:
    """Every system role, the highest of each level first."""
    rows = [
        (level, f"`{role.key}`", role.label, role.rank, role.organization_role or "")
        for level in Level
        for role in system_roles(level)
    ]
    return _table(("level", "key", "name", "rank", "counts in each organization as"), rows)


def signals() -> str:
    """Every signal, with its sender and its arguments."""
    parts = []
    for package in _packages("signals"):
        body = ast.parse(inspect.getsource(import_module(f"{package}.signals"))).body
        rows = [(f"`{name}`", _code(text)) for name, text in _docstrings_below(body).items()]
        parts += [f"## `{package}.signals`\n", _table(("signal", "sender and arguments"), rows)]
    return "\n".join(parts)


def checks() -> str:
    """Every system check, with its message and its hint."""
    rows = []
    for module in _check_modules():
        tree = ast.parse(inspect.getsource(module))
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and _name_of(call.func) in ("Error", "Warning", "CheckWarning"):
                keywords = {each.arg: _text_of(each.value, module) for each in call.keywords}
                rows.append((keywords["id"], _text_of(call.args[0], module), keywords.get("hint", "")))
    spread = [
        (identifier.replace("…", label), message, hint)
        for identifier, message, hint in rows
        for label in (_setting_labels() if "…" in identifier else [""])
    ]
    return _table(
        ("id", "message", "hint"),
        ((f"`{key}`", *(_code(text) for text in more)) for key, *more in sorted(spread)),
    )


def errors() -> str:
    """Every error of the services, with its code and its HTTP status."""
    for package in _packages("exceptions"):
        import_module(f"{package}.exceptions")

    def below(cls: type[SaasKitError], depth: int) -> Iterator[tuple[Any, ...]]:
        for each in sorted(cls.__subclasses__(), key=lambda error: error.__name__):
            if each.__module__.startswith("saas_kit."):
                indent = "&emsp;" * depth
                meaning = (inspect.getdoc(each) or "").partition("\n\nArgs:")[0]
                name, app = f"{indent}`{each.__qualname__}`", each.__module__.split(".")[1]
                yield name, f"`{each.code}`", status_of(each()), meaning.replace("\n", " "), app
                yield from below(each, depth + 1)

    return _table(("error", "`code`", "status", "meaning", "in"), below(SaasKitError, 0))


def mistakes() -> str:
    """Every error that is none of the services': a mistake in the program."""
    rows = []
    for package in _packages("exceptions"):
        module = import_module(f"{package}.exceptions")
        for name, each in sorted(vars(module).items()):
            own = inspect.isclass(each) and each.__module__ == module.__name__
            if own and issubclass(each, Exception) and not issubclass(each, SaasKitError):
                meaning = (inspect.getdoc(each) or "").replace("\n\n", " ").replace("\n", " ")
                rows.append((f"`{name}`", _code(meaning), f"`{module.__name__}`"))
    return _table(("error", "meaning", "in"), rows)


def scoping() -> str:
    """What sets the scope, and what tells it."""
    return _members(tenancy, tenancy.__all__)


def prover() -> str:
    """What proves that an API is isolated."""
    return _members(
        isolation, ("assert_api_isolated", "prove", "IsolationProof", "Report", "Leak", "Unexercised")
    )


def services() -> str:
    """Every service, with its arguments and the errors that it raises."""
    parts = []
    for package in _packages("services"):
        module = import_module(f"{package}.services")
        names = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
        ]
        parts.append(f"## `{package}.services`\n")
        for name in names:
            function = getattr(module, name)
            if inspect.isfunction(function):
                signature = _signature_of(inspect.unwrap(function))
                parts += [f"### `{name}`\n", f"```python\n{signature}\n```\n", _prose(function)]
    return "\n".join(parts)


def fixtures() -> str:
    """The fixtures of the pytest plugin."""
    # not imported, as it needs pytest
    source = Path(saas_kit.__path__[0], "testing", "pytest_plugin.py").read_text()
    tree = ast.parse(source)
    parts = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and "pytest.fixture" in map(ast.unparse, node.decorator_list):
            text, colons, example = inspect.cleandoc(ast.get_docstring(node) or "").partition("::\n")
            if not colons:
                parts += [f"### `{node.name}`\n", f"{_code(text)}\n"]
                continue
            code, *more = re.split(r"^(?=\S)", example, maxsplit=1, flags=re.MULTILINE)
            parts += [f"### `{node.name}`\n", f"{_code(text)}:\n\n```python\n{inspect.cleandoc(code)}\n```\n"]
            parts += [f"{_code(each)}\n" for each in more]
    return "\n".join(parts)


def commands() -> str:
    """The management commands, as ``--help`` describes them."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        parts = []
        for package in _packages("management"):
            for name in find_commands(import_module(f"{package}.management").__path__[0]):
                command = load_command_class(package, name)
                help_text = command.create_parser("manage.py", name).format_help()
                own, _, _ = help_text.partition("  --version")
                parts += [f"## `{name}`\n", f"{command.help}\n", f"```text\n{_without_stock(own)}\n```\n"]
    finally:
        os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)
    return "\n".join(parts)


def messages() -> str:
    """Every message, with its subject and what it looks like on a light and on a dark screen."""
    parts = []
    for kind in [each for each in message_kinds() if each.startswith("saas_kit_")]:
        cls = original_class(kind)
        topic = f" Topic: `{cls.topic}`." if cls.topic else ""
        subject = cls.samples()[0].render_subject()
        parts += [f"## `{kind}`\n", f"{inspect.cleandoc(cls.__doc__ or '').splitlines()[0]}{topic}\n"]
        for scheme in ("light", "dark"):
            options = f":alt: {subject}, on a {scheme} screen\n:width: 48%"
            parts.append(f"```{{image}} messages/{kind}.{scheme}.png\n{options}\n```\n")
    return "\n".join(parts)


def paths() -> str:
    """Every path of the API with what it does and what it needs."""
    document = SchemaGenerator(urlconf="saas_kit.urls").get_schema(request=None, public=True)
    groups: dict[str, list[tuple[str, ...]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            last = operation["description"].rpartition("\n\n")[2]
            needs = re.sub(r"^(Needs the permission|Needs|Open to) |\.$", "", last)
            row = (f"`{method.upper()} {path}`", operation["summary"], needs)
            groups.setdefault(operation["tags"][0], []).append(row)
    parts = []
    for tag, rows in sorted(groups.items()):
        parts += [f"### {tag}\n", _table(("method and path", "what it does", "needs"), rows)]
    return "\n".join(parts)


def routes() -> str:
    """The names by which a host replaces a view."""
    rows = {}
    for pattern in router.urls:
        view = pattern.callback.cls
        basename = getattr(pattern.callback, "initkwargs", {}).get("basename")
        name = (basename or pattern.name).replace("-", "_")
        path = f"{view.__module__}.{view.__qualname__}"
        rows.setdefault(name, (f"`{name}`", f"`{path}`", f"`{pattern.pattern}`"))
    return _table(("name", "view", "path"), rows.values())


BLOCKS: Mapping[str, Callable[[], str]] = {
    function.__name__: function
    for function in (
        *(settings, permissions, roles, signals, checks, errors, mistakes),
        *(scoping, services, fixtures, prover, commands, messages, paths, routes),
    )
}


def expand(text: str) -> str:
    """Return the text of a page with its placeholders replaced."""
    return PLACEHOLDER.sub(lambda match: BLOCKS[match["name"]](), text)


def _packages(module: str) -> list[str]:

    return [
        each.name
        for each in pkgutil.iter_modules(saas_kit.__path__, "saas_kit.")
        if each.ispkg and _has_module(f"{each.name}.{module}") and each.name != "saas_kit.api"
    ]


def _check_modules() -> list[Any]:
    """Return the modules with system checks: ``checks`` of each package, and those that are named after a topic."""
    return [
        import_module(each.name)
        for package in _packages("checks")
        for each in pkgutil.iter_modules(import_module(package).__path__, f"{package}.")
        if each.name.endswith((".checks", "_checks"))
    ]


def _members(module: Any, names: Sequence[str]) -> str:
    """Return the public names of a module with their signatures and their docstrings."""
    parts = []
    for name in names:
        member = getattr(module, name)
        made = member.__init__ if inspect.isclass(member) and "__init__" in vars(member) else member
        is_data = hasattr(member, "__dataclass_fields__")
        signature = "" if is_data else f"```python\n{_signature_of(made, name=name)}\n```\n"
        parts += [f"### `{name}`\n", *([signature] if signature else []), _prose(member)]
    return "\n".join(parts)


def _has_module(name: str) -> bool:
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return False
    return True


def _setting_labels() -> list[str]:
    return [cls.prefix.rstrip("_").lower() for cls in all_settings()]


def _package_of(cls: type) -> str:
    return cls.__module__.rpartition(".")[0]


def _class_of(cls: type) -> ast.ClassDef:
    return cast("ast.ClassDef", ast.parse(inspect.getsource(cls)).body[0])


def _docstrings_below(body: Sequence[ast.stmt]) -> dict[str, str]:
    """Return the string that follows each assignment of a body, by the name that is assigned to."""
    found = {}
    for node, following in pairwise(body):
        target = node.target if isinstance(node, ast.AnnAssign) else None
        target = node.targets[0] if isinstance(node, ast.Assign) else target
        if isinstance(target, ast.Name) and isinstance(following, ast.Expr):
            found[target.id] = inspect.cleandoc(ast.literal_eval(following.value))
    return found


def _name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _text_of(node: ast.expr, module: Any) -> str:
    """Return a text as the source has it, with an ellipsis for what is known only while running."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text_of(each, module) for each in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text_of(node.value, module)
    constant = getattr(module, node.id, None) if isinstance(node, ast.Name) else None
    return str(constant) if isinstance(constant, str | int) else "…"


def _signature_of(function: Callable[..., Any], *, name: str = "") -> str:
    node = cast("ast.FunctionDef", ast.parse(textwrap.dedent(inspect.getsource(function))).body[0])
    arguments = [
        _double_quoted(argument.replace("=", " = ", 1)) if ": " in argument else argument
        for argument in re.split(r", (?=\*|\w+: )", ast.unparse(node.args))
    ]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    if node.name == "__init__":
        # as it is called
        arguments, returns = [each.removeprefix("self, ") for each in arguments if each != "self"], ""
        arguments = [each for each in arguments if each]
    name = name or node.name
    line = f"{name}({', '.join(arguments)}){returns}"
    if len(line) <= LINE_LENGTH:
        return line
    lines = ",\n    ".join(arguments)
    return f"{name}(\n    {lines},\n){returns}"


def _prose(function: Any) -> str:
    """Turn a docstring with its sections into Markdown."""
    text = inspect.getdoc(function) or ""
    lines = []
    for line in text.splitlines():
        if line.rstrip() in ("Args:", "Attributes:", "Raises:", "Returns:"):
            lines += [f"{line.strip()}", ""]
        elif match := re.match(r"    (\w+): (.*)", line):
            lines.append(f"- `{match[1]}`: {match[2]}")
        else:
            lines.append(f"  {line.strip()}" if line.startswith("     ") else line)
    return _code("\n".join(lines)) + "\n"


def _without_stock(help_text: str) -> str:
    """Drop from a command's help the options that every command has."""
    usage, _, options = help_text.partition("options:")
    usage = re.sub(rf"\s*\[--({'|'.join(STOCK_OPTIONS)})[^\]]*\]", "", usage)
    usage = re.sub(r"\s*\[-v \{0,1,2,3\}\]", "", usage)
    return f"{usage.split(chr(10) * 2)[0].strip()}\n\noptions:{options.rstrip()}"


def _double_quoted(source: str) -> str:
    return source.replace("'", '"')


def _code(text: str) -> str:
    return text.replace("``", "`")


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


def setup(app: Any) -> dict[str, bool]:
    """Connect the extension to Sphinx."""

    def replace(app: Any, name: str, source: list[str]) -> None:
        source[0] = expand(source[0])

    app.connect("source-read", replace)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
