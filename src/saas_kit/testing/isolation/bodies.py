"""Bodies that a route accepts, with keys of the caller's own organization where a key is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import models
from django.utils import translation

from saas_kit.tenancy.models import Account, Membership, get_organization_model
from saas_kit.testing.isolation.factories import canary
from saas_kit.testing.isolation.kit import PASSWORD
from saas_kit.testing.isolation.routes import Route
from saas_kit.testing.isolation.shapes import MODEL, Shape, view_model
from saas_kit.testing.isolation.world import Side

_MOST_CHOICES = 6
_MOST_BODIES = 30
_SUFFIX = re.compile(r"_(ids?|pks?|uuids?|slug|key)$")
_KEY_NAMES = {"id", "ids", "pk", "pks", "uuid", "uuids", "key", "keys"}

Path = tuple[Any, ...]
"""Where a value is in a body: names of members and places in arrays."""


class Bodies:
    """
    Makes the bodies of one route.

    Args:
        shape: The body's shape; None where nothing is known of it.
        examples: The examples of the OpenAPI document.
    """

    def __init__(self, route: Route, shape: Shape | None, examples: list[Any], side: Side) -> None:
        self.shape = shape
        self._route = route
        self._examples = examples
        self._side = side
        self._known = {str(value) for value in _keys_of(side)}

    def variants(self, read: Any) -> Iterator[Any]:
        """
        Yield bodies to try, the likeliest first.

        Args:
            read: What a GET of the same path answers; None where it answers nothing.
        """
        if self.shape is None:
            return
        if self._route.method == "PUT" and isinstance(read, Mapping):
            yield self._of_read(read)
        keys = [self.candidates(path, shape) for path, shape in self.key_places()]
        choices = _choices(keys)
        for everything in (True, False):
            for chosen in choices:
                yield self._made(self.shape, chosen, everything=everything)
                for example in self._examples:
                    yield self._of_example(example, chosen, everything=everything)

    # where keys are

    def key_places(self) -> list[tuple[Path, Shape]]:
        """Return where the body takes keys, and their shapes."""
        return list(self._places(self.shape or {}, ()))

    def _places(self, shape: Shape, path: Path) -> Iterator[tuple[Path, Shape]]:
        if shape.get("readOnly"):
            return
        for name, each in shape.get("properties", {}).items():
            yield from self._places(each, (*path, name))
        if isinstance(shape.get("items"), dict):
            yield from self._places(shape["items"], (*path, 0))
        if path and self.takes_key(path, shape):
            yield path, shape

    def takes_key(self, path: Path, shape: Shape) -> bool:
        """Whether the value at a place names a row."""
        if MODEL in shape:
            return True
        if shape.get("type") in ("object", "array", "boolean", "number") or "enum" in shape:
            return False
        if shape.get("format") == "uuid":
            return True
        if shape.get("format") not in (None, "int64", "int32"):
            return False
        name = _name_at(path)
        if name in _KEY_NAMES or self._model_named(name) is not None:
            return True
        # a text may end so and be somebody else's number, as a "vat_id" is
        return shape.get("type") == "integer" and _SUFFIX.search(name) is not None

    def model_at(self, path: Path, shape: Shape) -> Any:
        """Return the model whose row a place names; None where that is not known."""
        if MODEL in shape:
            return shape[MODEL]
        name = _name_at(path)
        if name in _KEY_NAMES:
            return self.view_model
        return self._model_named(name)

    @property
    def view_model(self) -> Any:
        """The model that the route is about, by its view or else by its path; None where neither says."""
        found = view_model(self._route)
        if found is not None:
            return found
        literals = [part for part in self._route.segments if not part.startswith("{")]
        named = (model_of_name(part, self._side) for part in reversed(literals))
        return next((each for each in named if each is not None), None)

    def _model_named(self, name: str) -> Any:
        name = _SUFFIX.sub("", name)
        model = self.view_model
        if model is not None:
            fields = {each.name: each for each in model._meta.get_fields()}
            target = getattr(fields.get(name), "related_model", None)
            if isinstance(target, type):
                return target
        return model_of_name(name, self._side)

    def candidates(self, path: Path, shape: Shape) -> list[str]:
        """Return the keys of the caller's own rows that a place may take, the likeliest first."""
        model, attribute = self.model_at(path, shape), shape.get("x-attribute", "pk")
        likely = [str(getattr(row, attribute)) for row in self._side.rows.get(model, ())]
        if model is get_user_model():
            # the caller is seldom whom a request is about
            likely = likely[1:] + likely[:1]
        if model is not None and not likely:
            likely = [str(row.pk) for row in model._base_manager.all()[:2]]
        if likely:
            return likely
        return [value for value in _keys_of(self._side) if shape.get("format") != "uuid" or _is_uuid(value)]

    # values

    def _made(self, shape: Shape, chosen: tuple[str, ...], *, everything: bool) -> Any:
        keys = dict(zip((path for path, _shape in self.key_places()), chosen, strict=True))
        return self._value(shape, (), keys, everything=everything)

    def _value(self, shape: Shape, path: Path, keys: Mapping[Path, str], *, everything: bool) -> Any:
        if path in keys:
            return int(keys[path]) if shape.get("type") == "integer" and keys[path].isdigit() else keys[path]
        if "properties" in shape:
            required = set(shape.get("required", ()))
            return {
                name: self._value(each, (*path, name), keys, everything=everything)
                for name, each in shape["properties"].items()
                if not each.get("readOnly") and (name in required or (everything and _is_offered(each)))
            }
        if shape.get("type") == "array":
            items = shape.get("items") or {}
            return [self._value(items, (*path, 0), keys, everything=everything)]
        return plain_value(shape, _name_at(path) if path else "")

    def _of_example(self, example: Any, chosen: tuple[str, ...], *, everything: bool) -> Any:
        """Return an example with one's own keys, and texts that are not taken yet."""
        made = self._made(self.shape or {}, chosen, everything=everything)
        if not isinstance(example, Mapping) or not isinstance(made, Mapping):
            return example
        kept = {name: value for name, value in made.items() if everything or name in example}
        places = {path[0] for path, _shape in self.key_places()}
        free = {"name", "title", "slug", "email"}
        plain = {name: value for name, value in example.items() if name not in places and name not in free}
        return {**kept, **plain}

    def _of_read(self, read: Mapping[str, Any]) -> Any:
        shapes = (self.shape or {}).get("properties", {})
        if not shapes:
            return dict(read)
        body = {
            name: value for name, value in read.items() if name in shapes and not shapes[name].get("readOnly")
        }
        for name, each in shapes.items():
            if name in (self.shape or {}).get("required", ()) and name not in body:
                body[name] = plain_value(each, name)
        return body

    def single(self, name: str, read: Any) -> Any:
        """Return a body with one member that is not a key; what was read where it has that."""
        shape = (self.shape or {})["properties"][name]
        return {name: plain_value(shape, name)}


def _choices(keys: list[list[str]]) -> list[tuple[str, ...]]:
    counts = [list(range(min(len(each), _MOST_CHOICES))) or [0] for each in keys]
    places = sorted(product(*counts), key=sum)[:_MOST_BODIES]
    return [
        tuple(each[index] if each else "" for each, index in zip(keys, chosen, strict=True))
        for chosen in places
    ]


def plain_value(shape: Shape, name: str) -> Any:
    """Return a value of a shape that is not a key."""
    if "const" in shape:
        return shape["const"]
    if shape.get("enum"):
        options = [value for value in shape["enum"] if value not in (None, "")]
        return options[0] if options else shape["enum"][0]
    kind = shape.get("type", "string")
    if kind == "integer":
        return int(shape.get("minimum", 1)) or 1
    if kind == "number":
        return float(shape.get("minimum", 1))
    if kind == "boolean":
        return bool(shape.get("default", True))
    if kind == "object":
        return {"note": canary("note")}
    if kind == "array":
        return []
    return _text(shape, name)


def _text(shape: Shape, name: str) -> str:
    fixed = {
        "date": "2026-01-31",
        "date-time": "2026-01-31T09:30:00Z",
        "time": "09:30:00",
        "duration": "01:00:00",
        "decimal": "1",
        "uri": f"https://{canary('page')}.example.com/",
        "email": f"{canary('person')}@example.com",
        "ipv4": "192.0.2.1",
        "uuid": "01920000-0000-7000-8000-0000000048aa",
    }
    if shape.get("format") in fixed:
        return fixed[shape["format"]]
    if "password" in name:
        return PASSWORD if name != "password" else f"{canary('secret')} of the prover"
    if "email" in name:
        return fixed["email"]
    return canary(name or "text", longest=shape.get("maxLength"))


def model_of_name(name: str, side: Side) -> Any:
    """Return the model of an organization's rows that a word names; None where none is."""
    special = {
        "organization": get_organization_model(),
        "account": Account,
        "user": get_user_model(),
        "person": get_user_model(),
        "member": Membership,
    }
    words = _singulars(name.lower().replace("-", "_"))
    for word in words:
        if word in special:
            return special[word]
    for model in side.rows:
        own, spoken = _names_of(model)
        if any(word.replace("_", "") == own or word == spoken for word in words):
            return model
    return None


@cache
def _names_of(model: Any) -> tuple[str, str]:
    """Return a model's name, and what it is called in the language that its source is written in."""
    with translation.override(None):
        return str(model._meta.model_name), str(model._meta.verbose_name).lower().replace(" ", "_")


def _singulars(word: str) -> list[str]:
    found = [word]
    if word.endswith("ies"):
        found.append(f"{word[:-3]}y")
    if word.endswith("es"):
        found.append(word[:-2])
    if word.endswith("s"):
        found.append(word[:-1])
    return found


def places_of_keys(body: Any, known: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield where a body has a key of the caller's own rows."""
    if isinstance(body, Mapping):
        for name, value in body.items():
            yield from places_of_keys(value, known, (*path, name))
    elif isinstance(body, list):
        for index, value in enumerate(body):
            yield from places_of_keys(value, known, (*path, index))
    elif isinstance(body, str | int) and not isinstance(body, bool) and known(str(body)):
        yield path, str(body)


def replaced(body: Any, path: Path, value: Any) -> Any:
    """Return a body with another value at a place, which need not be there yet."""
    if not path:
        return value
    first, *rest = path
    if isinstance(first, int):
        items = list(body) if isinstance(body, list) else []
        items[first : first + 1] = [
            replaced(items[first] if first < len(items) else None, tuple(rest), value)
        ]
        return items
    members = dict(body) if isinstance(body, Mapping) else {}
    members[first] = replaced(members.get(first), tuple(rest), value)
    return members


def like(before: Any, value: str) -> Any:
    """Return a key as JSON has it: a number where the one before is a number."""
    return int(value) if isinstance(before, int) and value.isdigit() else value


def at(body: Any, path: Path) -> Any:
    """Return what is at a place of a body; None where nothing is."""
    for part in path:
        try:
            body = body[part]
        except (KeyError, IndexError, TypeError):
            return None
    return body


def _is_offered(shape: Shape) -> bool:
    # a file is not JSON, and an empty text is not more than no text
    return shape.get("format") != "binary"


def _name_at(path: Path) -> str:
    return next((str(part).lower() for part in reversed(path) if isinstance(part, str)), "")


def _keys_of(side: Side) -> list[str]:
    return [str(row.pk) for rows in side.rows.values() for row in rows]


def _is_uuid(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True


def foreign_keys_of(model: Any) -> list[str]:
    """Return the names of a model's foreign keys."""
    if model is None:
        return []
    return [each.name for each in model._meta.concrete_fields if isinstance(each, models.ForeignKey)]
