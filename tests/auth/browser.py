"""A headless Chromium with a virtual authenticator, driven through the DevTools protocol over a pair of pipes."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_TIMEOUT = 60
_OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    "--remote-debugging-pipe",
)
# Chromium reads commands from descriptor 3 and writes to 4, which only the process itself can arrange.
_LAUNCH = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
_AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def find_program() -> str | None:
    """Return the path of a Chromium; None where there is none."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Browser:
    """One page, whose owner is always there and always verified."""

    def __init__(self, program: str, profile: Path) -> None:
        commands, self._write = os.pipe()
        self._read, answers = os.pipe()
        # the pipes may have got the very numbers that Chromium wants
        inherited = [fcntl.fcntl(each, fcntl.F_DUPFD, 5) for each in (commands, answers)]
        launch = [sys.executable, "-c", _LAUNCH, *map(str, inherited)]
        self._process = subprocess.Popen(
            [*launch, program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=inherited,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for each in (commands, answers, *inherited):
            os.close(each)
        self._received, self._number, self._page = b"", 0, None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._page = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.send("WebAuthn.enable")
        self.send("WebAuthn.addVirtualAuthenticator", options=_AUTHENTICATOR)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command to the page, and return what it answers."""
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._page is not None:
            command["sessionId"] = self._page
        os.write(self._write, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + _TIMEOUT
        while (message := self._next(deadline)).get("id") != self._number:
            pass
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        return message["result"]

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is there."""
        self.send("Page.navigate", url=url)
        deadline = time.monotonic() + _TIMEOUT
        while self.run("location.href + document.readyState") != url + "complete":
            if time.monotonic() > deadline:
                raise TimeoutError(url)
            time.sleep(0.05)

    def run(self, script: str) -> Any:
        """Run JavaScript in the page, and return the value, of a promise too, as JSON has it."""
        answer = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description"))
        return answer["result"].get("value")

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(_TIMEOUT)
        os.close(self._write)
        os.close(self._read)

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._received:
            if not select.select([self._read], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError("Chromium does not answer.")
            data = os.read(self._read, 65536)
            if not data:
                raise RuntimeError("Chromium has ended.")
            self._received += data
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)
