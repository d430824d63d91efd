"""What a message in HTML shows, and where it leads."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"br", "meta"}
_BESIDE_THE_TEXT = {"preheader", "header", "footer", "button"}


class Shown(HTMLParser):
    """
    Reads the HTML of a message.

    Attributes:
        words: Those that are shown, without what only the HTML has: the heading, the names of buttons and the like.
        links: Where its links lead.
        names: The elements that it is made of.
        attributes: Those of the outermost element.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: set[str] = set()
        self.names: set[str] = set()
        self.attributes: dict[str, str | None] = {}
        self._open: list[tuple[str, set[str]]] = []
        self.feed(html)
        self.close()
        assert not self._open, "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.names.add(tag)
        if tag == "html":
            self.attributes = values
        if tag == "a":
            self.links.add(values["href"] or "")
        if tag not in _VOID:
            self._open.append((tag, set((values.get("class") or "").split())))

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag, "elements are not nested"

    def handle_data(self, data: str) -> None:
        tags = {tag for tag, _ in self._open}
        classes = set().union(*(names for _, names in self._open))
        if tags & {"head", "h1"} or classes & _BESIDE_THE_TEXT:
            return
        if "note" in classes and "a" not in tags:  # what to do where a button does not work
            return
        self.words += data.split()
