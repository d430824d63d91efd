"""What people call the device that a user agent stands for."""

from __future__ import annotations

from django.utils.translation import gettext

# The first that a user agent contains counts, so what others pretend to be comes last.
_BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Vivaldi/": "Vivaldi",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
    "okhttp/": "okhttp",
    "curl/": "curl",
    "PostmanRuntime/": "Postman",
    "python-requests/": "Python",
    "python-httpx/": "Python",
}
_SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "CrOS": "ChromeOS",
    "Windows": "Windows",
    "Macintosh": "macOS",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}


def device_of(user_agent: str) -> str:
    """
    Return such as ``Firefox on Windows``, in the language that is active; what is unknown is left out, and empty where
    nothing is known.

    User agents are what clients say of themselves: this is for people to know their devices by, and decides nothing.
    """
    browser, system = _first(_BROWSERS, user_agent), _first(_SYSTEMS, user_agent)
    if browser and system:
        return gettext("{browser} on {system}").format(browser=browser, system=system)
    return browser or system


def _first(names: dict[str, str], user_agent: str) -> str:
    return next((name for mark, name in names.items() if mark in user_agent), "")
