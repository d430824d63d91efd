"""Addresses have one form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saas_kit.core.addresses import normalize_email


@pytest.mark.parametrize(
    ("email", "normal"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        ("  ann@example.com ", "ann@example.com"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER A}nn\N{FULLWIDTH COMMERCIAL AT}example.com", "ann@example.com"),
        ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
        ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("a+b@example.com", "a+b@example.com"),
        ("not an address", "not an address"),
        ("ann@" + "ü" * 300, "ann@" + "ü" * 300),
        ("", ""),
    ],
)
def test_i45_spellings_of_one_address_have_one_form(email, normal):
    assert normalize_email(email) == normal


def test_i45_a_tag_is_part_of_the_address():
    assert normalize_email("a+x@example.com") != normalize_email("a@example.com")


@given(st.text() | st.emails())
def test_the_form_of_a_form_is_itself(text):
    assert normalize_email(normalize_email(text)) == normalize_email(text)
