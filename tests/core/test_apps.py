"""What an app of the kit says where another is missing that it needs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.plugin import ROOT

SETTINGS = """
from tests.hosts.models_only.settings import *
INSTALLED_APPS = [each for each in INSTALLED_APPS if each != {missing!r}]
"""


@pytest.mark.hosts("models_only")
@pytest.mark.parametrize("missing", ["saas_kit.audit", "saas_kit.email"])
def test_line_to_paste_is_said_before_models_are_loaded(tmp_path, missing):
    """Models that point to a missing app cannot be loaded, so no check would come to say why."""
    (tmp_path / "incomplete.py").write_text(SETTINGS.format(missing=missing))

    done = subprocess.run(
        [sys.executable, "-m", "django", "check", "--settings=incomplete"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert f'needs {missing}: add "{missing}" to INSTALLED_APPS.' in done.stderr
