"""How Sphinx builds the documentation; it needs no network."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django

import saas_kit

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

# The reference is read from the code, in the host of the suite that has every app. It needs no service.
for name in ("DATABASE_URL", "REDIS_URL"):
    os.environ.pop(name, None)
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.hosts.full.settings"
django.setup()

project = "saas_kit"
author = "the saas_kit authors"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's own name
release = version = saas_kit.__version__

extensions = ["myst_parser", "kit_reference"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"saas_kit {release}"
html_theme_options = {"source_edit_link": ""}
html_copy_source = False
html_show_sourcelink = False
