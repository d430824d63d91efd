"""Bad input is a clear 4xx with the field that is at fault, never a 5xx and never a hang."""

from __future__ import annotations

import json

import pytest

from saas_kit.api.parsers import JSONParser
from tests.api.conftest import check_problem, fields_of

pytestmark = [pytest.mark.hosts("full"), pytest.mark.django_db]

DEEP = 20_000
NOT_JSON = {
    "nothing": b"",
    "half": b'{"name": "x"',
    "trailing": b'{"name": "x"} {}',
    "single quotes": b"{'name': 'x'}",
    "comment": b'{"name": "x" /* size */}',
    "byte order mark": b'\xef\xbb\xbf{"name": "x"}',
    "not UTF-8": b'{"name": "\xff"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "raw surrogate": b'{"name": "\xed\xa0\x80"}',
    "control character": b'{"name": "a\x00b"}',
    "NaN": b'{"name": "x", "size": NaN}',
    "Infinity": b'{"name": "x", "size": -Infinity}',
    "number out of range": b'{"name": "x", "size": 1e309}',
    "number far out of range": b'{"name": "x", "size": -1e999999999}',
    "endless number": b'{"name": "x", "size": ' + b"9" * 5000 + b"}",
    "duplicate name": b'{"name": "x", "name": "y"}',
    "duplicate name below": b'{"name": "x", "organization": {"a": 1, "a": 2}}',
    "deep arrays": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep arrays without an end": b"[" * DEEP,
    "surrogate in a name": b'{"\\ud800": 1}',
    "NUL in a name": b'{"na\\u0000me": 1}',
}


@pytest.mark.parametrize("raw", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_json_is_refused(api, raw):
    """I120: what no parser is sure to read the same way is 400, on creation and on change."""
    response = api.send("POST", "widgets/", raw=raw)

    assert response.status_code == 400
    assert response.json()["code"] in {"parse_error", "invalid"}


@pytest.mark.parametrize("body", [[], ["x"], "x", "", 1, 1.5, True, None], ids=repr)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_body_must_be_an_object(api, make_widget, method, body):
    """I120: an array, a text, a number or null is refused as a whole."""
    path = "widgets/" if method == "POST" else f"widgets/{make_widget().pk}/"

    response = api.send(method, path, raw=json.dumps(body).encode())

    assert response.status_code == 400
    assert None in fields_of(response)


def _nested(depth):
    value = "x"
    for _ in range(depth):
        value = [value]
    return value


BAD_VALUES = {
    "null": None,
    "array": ["x"],
    "object": {"a": "b"},
    "true": True,
    "too long": "x" * 121,
    "far too long": "x" * 500_000,
    "empty": "",
    "blank": "   ",
    "NUL": "a\x00b",
    "lone high surrogate": "a\ud800b",
    "lone low surrogate": "\udfff",
    "reversed pair": "\udc00\ud800",
    "nested 50 deep": _nested(50),
    "nested 90 deep": _nested(90),
    "nested 90 deep with NUL": [*_nested(90), "\x00"],
}


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES)
def test_bad_text_names_its_field(api, value):
    """I120: a value that is no text, or text that cannot be stored, is an error on its field."""
    response = api.send("POST", "widgets/", {"name": value})

    assert {field.split(".")[0] for field in fields_of(response)} == {"name"}


@pytest.mark.parametrize(
    "text", ["é漢😀", "\u202egnirts", "a\u2028b", "\ufffe", "'; DROP TABLE widgets; --", "<b>"]
)
def test_any_other_text_is_stored_as_it_is(api, text):
    """Text of every script and plane comes back unchanged, escaped in the body or not."""
    for raw in (json.dumps({"name": text}), json.dumps({"name": text + "2"}, ensure_ascii=False)):
        response = api.send("POST", "widgets/", raw=raw.encode())
        assert response.status_code == 201
        assert response.json()["name"] == json.loads(raw)["name"]


@pytest.mark.parametrize(
    "value",
    [-1, 2**31, 2**63, 2**64, 10**300, 1.5, "x", "", "\uff11", [1], {"a": 1}, None, "1e5", "9" * 2000],
)
def test_bad_number_names_its_field(api, value):
    """I120: numbers out of the column's range and things that are none are errors on the field."""
    response = api.send("POST", "widgets/", {"name": "x", "size": value})

    if value in (2**31, 2**63 - 1, "\uff11") and response.status_code == 201:
        assert response.json()["size"] == int(value)  # a wider column, another writing of 1
    else:
        assert set(fields_of(response)) == {"size"}


@pytest.mark.parametrize(
    "value",
    [None, "", "x", 1, 2**200, True, 1.5, [], {}, "0" * 32, "\x00", "{" + "0" * 36 + "}", _nested(90)],
)
def test_bad_reference_names_its_field(api, value):
    """I120: what is no id, or no organization's, is an error on the field."""
    response = api.send("POST", "widgets/", {"name": "x", "organization": value})

    assert {field.split(".")[0] for field in fields_of(response)} == {"organization"}


def test_unknown_field_is_refused_and_named(api):
    """A typing error in a name does not go unnoticed; each is named."""
    response = api.send("POST", "widgets/", {"name": "x", "colour": "red", "__class__": 1, "size ": 2})

    assert fields_of(response) == {"colour": "unknown", "__class__": "unknown", "size ": "unknown"}


def test_every_fault_is_told_at_once(api):
    """Unknown names and bad values are in one answer."""
    response = api.send("POST", "widgets/", {"size": "x", "colour": 1})

    assert fields_of(response) == {"name": "required", "size": "invalid", "colour": "unknown"}


def test_read_only_fields_are_ignored(api, make_widget):
    """I9: what was read can be sent back, and changes nothing that it must not."""
    widget = make_widget()
    read = api.get(f"widgets/{widget.pk}/").json()
    sent = {**read, "id": "01920000-0000-7000-8000-000000000000", "created_at": "2000-01-01T00:00:00Z"}

    response = api.send("PUT", f"widgets/{widget.pk}/", {**sent, "name": "new"})

    assert response.status_code == 200
    answered = response.json()
    assert {**answered, "updated_at": None} == {**read, "name": "new", "updated_at": None}


def test_field_that_is_written_on_creation_only(api, make_widget, make_organization, owner):
    """Sending it unchanged is fine, changing it is `immutable`."""
    widget, other = make_widget(), make_organization(owner=owner.user)
    path = f"widgets/{widget.pk}/"

    same = api.send("PATCH", path, {"organization": str(owner.organization_id), "name": "new"})
    assert same.status_code == 200
    assert same.json()["name"] == "new"

    changed = api.send("PATCH", path, {"organization": str(other.pk)})
    assert fields_of(changed) == {"organization": "immutable"}
    assert api.get(path).json()["organization"] == str(owner.organization_id)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "x",
        "",
    ],
)
def test_other_content_types_are_refused(api, content_type):
    """I119: only JSON is understood: 415."""
    response = api.send("POST", "widgets/", {"name": "x"}, content_type=content_type)

    assert response.status_code == 415


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_json_is_understood(api, content_type):
    """With or without its parameter."""
    assert api.send("POST", "widgets/", {"name": "x"}, content_type=content_type).status_code == 201


class TestSize:
    def test_more_than_the_limit_is_too_large(self, api):
        """I119: a body of more than 1 MiB is 413, whatever is in it; one byte less is looked at."""
        limit = 1024 * 1024
        start, end = b'{"name": "', b'"}'

        at_most = api.send("POST", "widgets/", raw=start + b"x" * (limit - len(start + end)) + end)
        assert set(fields_of(at_most)) == {"name"}
        for size in (limit + 1, 3 * limit):
            too_much = api.send("POST", "widgets/", raw=start + b"x" * (size - len(start + end)) + end)
            assert too_much.status_code == 413
            assert too_much.json()["code"] == "body_too_large"

    def test_limit_is_a_setting(self, api, settings):
        """A host may choose another one."""
        settings.SAAS_KIT_API_MAX_BODY_SIZE = 20

        assert api.send("POST", "widgets/", {"name": "x"}).status_code == 201
        assert api.send("POST", "widgets/", {"name": "x" * 20}).status_code == 413


class TestMetadata:
    """A field for any JSON object, bounded."""

    def _put(self, api, owner, metadata=None, raw=None):
        path = f"organizations/{owner.organization_id}/"
        if raw is not None:
            return api.send("PATCH", path, raw=b'{"metadata": ' + raw + b"}")
        return api.send("PATCH", path, {"metadata": metadata})

    @pytest.mark.parametrize("value", [[], "x", 1, None, True, [{}]], ids=repr)
    def test_must_be_an_object(self, api, owner, value):
        """I120: anything else is an error on the field."""
        assert set(fields_of(self._put(api, owner, value))) == {"metadata"}

    @pytest.mark.parametrize("value", [{}, {"a": [1, {"b": None}], "ü": "😀", "": 1.5}, {"n": 2**53}])
    def test_comes_back_as_it_was(self, api, owner, value):
        """What is stored is what was sent."""
        assert self._put(api, owner, value).json()["metadata"] == value

    @pytest.mark.parametrize(
        "raw",
        [
            b'{"a": "\\ud800"}',
            b'{"a": {"b": ["\\u0000"]}}',
            b'{"\\udc00": 1}',
            b'{"a\\u0000": 1}',
            b'{"a": 1e400}',
            b'{"a": [NaN]}',
        ],
    )
    def test_what_cannot_be_stored_is_refused(self, api, owner, raw):
        """I120: neither values nor names may have what PostgreSQL cannot hold."""
        assert self._put(api, owner, raw=raw).status_code == 400

    def test_field_of_what_cannot_be_stored_is_named_by_its_path(self, api, owner):
        """The path leads to the value."""
        response = self._put(api, owner, raw=b'{"a": {"b": [1, "\\u0000"]}}')

        assert fields_of(response) == {"metadata.a.b.1": "invalid_characters"}

    def test_depth_is_bounded(self, api, owner):
        """Sixteen levels are accepted, one more is not."""
        value = {}
        for _ in range(15):
            value = {"a": value}
        assert self._put(api, owner, value).status_code == 200
        assert fields_of(self._put(api, owner, {"a": value})) == {"metadata": "too_deep"}
        assert self._put(api, owner, {"a": [_nested(400)]}).status_code == 400

    def test_size_is_bounded(self, api, owner):
        """16 KiB of JSON are accepted, more is not."""
        assert self._put(api, owner, {"a": "x" * (16 * 1024 - 9)}).status_code == 200
        assert fields_of(self._put(api, owner, {"a": "x" * (16 * 1024 - 8)})) == {"metadata": "too_large"}


@pytest.mark.parametrize("depth", [98, 99, 100, 300, 900, 990, 1500, 4000, 9000, DEEP])
@pytest.mark.parametrize("leaf", [b"1", b'"\\u0000"'], ids=["number", "NUL"])
@pytest.mark.parametrize("field", [b"name", b"size", b"organization", b"unknown"])
def test_no_depth_breaks_anything(api, field, depth, leaf):
    """I120: however deep, on whatever field, with or without text to look at, the answer is 400."""
    raw = b'{"name": "x", "%s": %s%s%s}' % (field, b"[" * depth, leaf, b"]" * depth)
    if field == b"name":
        raw = raw.replace(b'"name": "x", ', b"")

    assert api.send("POST", "widgets/", raw=raw).status_code == 400


def test_parser_is_for_json_only():
    """It does not claim anything else."""
    assert JSONParser.media_type == "application/json"


def test_checks_of_this_module_see_what_is_wrong(client):
    """The look at problem documents fails on a page of Django's."""
    with pytest.raises(AssertionError):
        check_problem(client.get("/nowhere/"))
