"""
Take the screenshots of the messages that the documentation shows, each on a light and on a dark screen.

`nox -s screenshots`, or `python -m tests.email.screenshots`; needs a Chromium.
"""

from __future__ import annotations

import base64
import os
import sys
import tempfile
from pathlib import Path

from tests.auth.browser import Browser, find_program
from tests.plugin import ROOT

FOLDER = ROOT / "docs" / "reference" / "messages"
SCHEMES = ("light", "dark")
WIDTH = 560


def screenshot_path(kind: str, scheme: str) -> Path:
    """Return where the screenshot of a kind of message is."""
    return FOLDER / f"{kind}.{scheme}.png"


def main() -> None:
    """Take them all, and remove those of messages that are no more."""
    program = find_program()
    if program is None:
        sys.exit("There is no Chromium on the PATH.")
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.hosts.full.settings"
    import django

    django.setup()
    from saas_kit.email.messages import message_kinds
    from saas_kit.email.previews import previews

    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.png"):
        path.unlink()
    with tempfile.TemporaryDirectory() as directory:
        browser = Browser(program, Path(directory) / "profile")
        try:
            for kind in [each for each in message_kinds() if each.startswith("saas_kit_")]:
                page = Path(directory) / f"{kind}.html"
                page.write_text(previews(kind, language="en")[0].html, encoding="utf-8")
                for scheme in SCHEMES:
                    screenshot_path(kind, scheme).write_bytes(_picture(browser, page, scheme))
        finally:
            browser.close()


def _picture(browser: Browser, page: Path, scheme: str) -> bytes:
    browser.send(
        "Emulation.setDeviceMetricsOverride", width=WIDTH, height=1, deviceScaleFactor=1, mobile=False
    )
    browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.open("about:blank")
    browser.open(page.as_uri())
    area = {"x": 0, "y": 0, "width": WIDTH, "height": browser.run("document.body.scrollHeight"), "scale": 1}
    answer = browser.send("Page.captureScreenshot", format="png", clip=area, captureBeyondViewport=True)
    return base64.b64decode(answer["data"])


if __name__ == "__main__":
    main()
