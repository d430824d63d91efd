"""What messages say: the same in text and in HTML, in each language, and nothing that somebody else put into it."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
from django.core import checks, mail
from django.template import Template, engines
from django.templatetags.i18n import BlockTranslateNode, TranslateNode
from django.utils import translation

import saas_kit
from saas_kit.email.messages import message_class, message_kinds
from saas_kit.email.services import send
from tests.email.screenshots import FOLDER, SCHEMES, screenshot_path
from tests.email.shown import Shown

PACKAGE = Path(saas_kit.__file__).parent
KINDS = [kind for kind in message_kinds() if kind.startswith("saas_kit_")]
CATALOGUES = sorted(PACKAGE.glob("*/locale/*/LC_MESSAGES/django.po"))
LANGUAGES = sorted({path.parts[-3] for path in CATALOGUES})
APPS = sorted({path.parts[-5] for path in CATALOGUES})
CLIPPED = 102 * 1024  # Gmail shows no more of a message
URL = re.compile(r"https?://\S+")
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}")
REMOTE = ("src=", "url(", "<link", "@import", "<script", "<img", "srcset")

each_kind = pytest.mark.parametrize("kind", KINDS)
each_language = pytest.mark.parametrize("language", ["en", *LANGUAGES])


def _samples(kind, language):
    with translation.override(language):
        samples = message_class(kind).samples()
        assert samples
        for each in samples:
            extra = {"unsubscribe_url": "https://api.example.com/u/1/"} if each.topic else {}
            yield each, each.render_subject(), each.render_text(**extra), each.render_html(**extra)


class TestSamples:
    @each_language
    @each_kind
    def test_are_complete(self, kind, language):
        for _message, subject, text, html in _samples(kind, language):
            assert subject.strip()
            assert "\n" not in subject
            for part in (subject, text, html):
                assert part.strip()
                assert not re.search(r"\{\{|\{%|%\(|\{\w+\}", part.partition("</style>")[2] or part)
            assert "\n\n\n" not in text

    @each_language
    @each_kind
    def test_say_the_same_in_text_and_in_html(self, kind, language):
        for message, _subject, text, html in _samples(kind, language):
            assert Shown(html).links == set(URL.findall(text))
            # the line that unsubscribes has its link in the words of the text only
            assert Shown(message.render_html()).words == message.render_text().split()

    @each_language
    @each_kind
    def test_html_is_in_its_language_and_for_every_screen(self, kind, language):
        for _message, _subject, _text, html in _samples(kind, language):
            attributes = Shown(html).attributes
            assert (attributes["lang"], attributes["dir"]) == (language, "ltr")
            assert '<meta name="color-scheme" content="light dark">' in html
            assert "@media (prefers-color-scheme: dark)" in html
            assert 'style="' in html

    @each_kind
    def test_html_needs_nothing_from_elsewhere_and_is_not_clipped(self, kind):
        for _message, _subject, _text, html in _samples(kind, "en"):
            assert [each for each in REMOTE if each in html] == []
            assert len(html.encode()) < CLIPPED

    def test_html_is_from_right_to_left_where_the_language_is(self):
        [_message, _subject, _text, html], *_ = _samples("saas_kit_auth.verify_email", "ar")

        assert Shown(html).attributes["dir"] == "rtl"

    @each_kind
    def test_people_are_told_how_to_unsubscribe_where_they_can(self, kind):
        for message, _subject, text, html in _samples(kind, "en"):
            assert ("Unsubscribe" in text) == ("Unsubscribe" in html) == bool(message.topic)


class TestValues:
    """I81."""

    @each_kind
    def test_are_escaped_in_html_and_not_in_text(self, kind):
        evil = '"><script>alert(1)</script>'
        for message, *_ in _samples(kind, "en"):
            for name in _texts_of(message):
                changed = replace(message, **{name: evil})
                shown = Shown(changed.render_html())
                assert "script" not in shown.names, name
                assert shown.words == changed.render_text().split(), name

    @each_kind
    def test_do_not_reach_a_header(self, kind, db, on_commit, mailoutbox):
        message = message_class(kind).samples()[0]
        evil = dict.fromkeys(_texts_of(message), "Eve\r\nBcc: eve@example.com\u2028X: 1")

        with on_commit():
            send(replace(message, **evil), to="ada@example.com")

        [sent] = mailoutbox
        headers = sent.message()
        assert {"Bcc", "X"} & set(headers.keys()) == set()
        assert sent.recipients() == ["ada@example.com"]
        assert len(sent.subject.splitlines()) == 1

    def test_long_ones_leave_a_subject_that_can_be_read(self):
        message = message_class("saas_kit_tenancy.invitation").samples()[0]

        subject = replace(message, organization="A" * 500).render_subject()

        assert len(subject) == 200
        assert subject.endswith("…")


class TestLanguage:
    def test_is_that_of_whoever_caused_the_message(self, db, on_commit):
        with translation.override("de"), on_commit():
            send(message_class("saas_kit_auth.welcome")(), to="ada@example.com")

        [sent] = mail.outbox
        assert sent.subject == "Willkommen bei saas_kit"
        assert sent.body.startswith("Guten Tag!")
        assert "Guten Tag!" in sent.alternatives[0][0]

    def test_dates_are_written_as_people_write_them(self):
        message = message_class("saas_kit_auth.account_deletion").samples()[0]
        texts = {}
        for language in ("en", "de", "fr"):
            with translation.override(language):
                texts[language] = message.render_text()

        assert "Jan. 31, 2026 at 09:30 (UTC)" in texts["en"]
        assert "31. Januar 2026 um 09:30 Uhr (UTC)" in texts["de"]
        assert "31 janvier 2026 à 09:30 (UTC)" in texts["fr"]


class TestCatalogues:
    def test_every_app_has_the_same_languages(self):
        assert len(CATALOGUES) == len(APPS) * len(LANGUAGES)
        assert {f"saas_kit_{app}" for app in APPS} >= {kind.partition(".")[0] for kind in KINDS}

    @pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: f"{path.parts[-5]}-{path.parts[-3]}")
    def test_say_all_that_messages_say_and_nothing_else(self, path):
        translated = _read(path)

        assert set(translated) == set(_said_by(PACKAGE / path.parts[-5]))
        for english, other in translated.items():
            assert other, english
            assert sorted(PLACEHOLDER.findall(english)) == sorted(PLACEHOLDER.findall(other)), english

    @pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: f"{path.parts[-5]}-{path.parts[-3]}")
    def test_are_compiled(self, path):
        """`nox -s translations` does it."""
        with path.with_suffix(".mo").open("rb") as file:
            compiled = gettext.GNUTranslations(file)

        assert {each: compiled.gettext(each) for each in _read(path)} == _read(path)


class TestScreenshots:
    def test_there_is_one_of_each_on_either_screen(self):
        """`nox -s screenshots` takes them."""
        expected = {screenshot_path(kind, scheme) for kind in KINDS for scheme in SCHEMES}

        assert set(FOLDER.glob("*")) == expected
        assert all(path.read_bytes().startswith(b"\x89PNG") for path in expected)


class TestTemplatesOfAHost:
    @pytest.fixture
    def templates(self, settings, tmp_path):
        [engine] = settings.TEMPLATES
        settings.TEMPLATES = [{**engine, "DIRS": [tmp_path]}]
        return tmp_path

    def test_take_the_place_of_the_kit_s(self, templates):
        (templates / "saas_kit_auth" / "email").mkdir(parents=True)
        (templates / "saas_kit_auth" / "email" / "welcome.txt").write_text("Ahoy at {{ product }}")

        message = message_class("saas_kit_auth.welcome")()

        assert message.render_text() == "Ahoy at saas_kit\n"
        assert "Hello," in message.render_html()

    def test_may_build_on_the_layout_that_they_replace(self, templates):
        (templates / "saas_kit_email").mkdir()
        (templates / "saas_kit_email" / "layout.html").write_text(
            '{% extends "saas_kit_email/layout.html" %}'
            "{% block style %}.button { background-color: #b91c1c; }{% endblock %}"
            "{% block header %}ACME{% endblock %}"
        )

        html = message_class("saas_kit_auth.verify_email").samples()[0].render_html()

        assert "ACME" in html
        assert "background-color: #b91c1c" in html
        assert "Confirm address" in html


class TestClassesOfAHost:
    def test_take_the_place_of_the_kit_s(self, db, settings, on_commit, mailoutbox):
        settings.SAAS_KIT_EMAIL_MESSAGES = {"saas_kit_auth.welcome": "tests.email.sample_messages.Greeting"}
        from saas_kit.auth.messages import Welcome

        with on_commit():
            send(Welcome(), to="ada@example.com")

        [sent] = mailoutbox
        assert sent.subject == "Your friends greet you"
        assert _reported() == []

    @pytest.mark.parametrize(
        ("check_id", "value"),
        [
            ("saas_kit_email.E001", ["saas_kit_auth.welcome"]),
            ("saas_kit_email.E002", {"saas_kit_auth.welcome": "nowhere.Welcome"}),
            ("saas_kit_email.E002", {"saas_kit_auth.welcome": "tests.email.sample_messages.Nothing"}),
            ("saas_kit_email.E002", {"saas_kit_auth.welcome": "tests.email.sample_messages.dataclass"}),
            ("saas_kit_email.E002", {"saas_kit_auth.welcome": "Welcome"}),
            ("saas_kit_email.E003", {"saas_kit_auth.wellcome": "tests.email.sample_messages.Greeting"}),
            ("saas_kit_email.E004", {"saas_kit_auth.welcome": "tests.email.sample_messages.Demanding"}),
            ("saas_kit_email.E004", {"saas_kit_auth.welcome": "tests.email.sample_messages.Renamed"}),
        ],
    )
    def test_are_checked(self, settings, check_id, value):
        settings.SAAS_KIT_EMAIL_MESSAGES = value

        [reported] = _reported()
        assert reported.id == check_id
        assert reported.hint


def _reported():
    found = checks.run_checks(tags=[checks.Tags.compatibility])
    return [each for each in found if each.id.startswith("saas_kit_email")]


def _texts_of(message) -> list[str]:
    return [each.name for each in fields(message) if isinstance(getattr(message, each.name), str)]


def _said_by(folder: Path) -> Iterator[str]:
    """Yield what the messages of an app say, in English: their subjects, and what is in their templates."""
    for path in (folder / "messages.py", folder / "roles.py", folder / "devices.py"):
        if path.exists():
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("_", "gettext", "gettext_lazy"):
                    yield ast.literal_eval(node.args[0])
    for path in folder.glob("templates/**/*.*"):
        if path.parent.name in ("email", "saas_kit_email"):
            nodes = Template(path.read_text(), engine=engines["django"].engine).nodelist
            for node in nodes.get_nodes_by_type((BlockTranslateNode, TranslateNode)):
                if isinstance(node, TranslateNode):
                    yield str(node.filter_expression.var.literal)
                else:
                    yield _trimmed(node, node.render_token_list(node.singular)[0])


def _trimmed(node: BlockTranslateNode, text: str) -> str:
    return " ".join(text.split()) if node.trimmed else text


def _read(path: Path) -> dict[str, str]:
    """Return the translations of a catalogue; none of its entries is unsure or has a plural."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^#, .*fuzzy|^msgid_plural|^msgctxt|^#~", text, re.MULTILINE)
    pairs = re.findall(r'^msgid ((?:".*"\n?)+)msgstr ((?:".*"\n?)+)', text, re.MULTILINE)
    joined = [
        ["".join(map(ast.literal_eval, part.split("\n")[:-1] or [part])) for part in pair] for pair in pairs
    ]
    return {english: other for english, other in joined if english}
