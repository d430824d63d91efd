"""How Sphinx builds the documentation; it needs no network."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import saas_kit

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
