#!/usr/bin/env python
"""The example project's command line."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    """Run a command with the project's settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["demo"]:
        os.environ.setdefault("DEMO", "true")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
