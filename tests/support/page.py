"""An HTML page as a test reads it: its text, its elements, and what is wrong with it for people and machines."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "br", "img", "link", "input", "hr", "rect", "line", "path", "use"}
HEADINGS = ("h1", "h2", "h3", "h4")


@dataclass
class Element:
    """An element with its children in order; text is a child that is a str."""

    name: str
    attributes: dict[str, str | None]
    children: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it, without that of styles."""
        parts = (child if isinstance(child, str) else child.text for child in self.children)
        return "" if self.name == "style" else "".join(parts)

    @property
    def words(self) -> str:
        """Its text with one space between words."""
        return " ".join(self.text.split())

    def all(self, name: str = "", **attributes: str) -> list["Element"]:
        """The elements in it by name and by attributes; `class_` asks for one of the classes."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                found += [child] if child._is(name, attributes) else []
                found += child.all(name, **attributes)
        return found

    def one(self, name: str = "", **attributes: str) -> "Element":
        """The only element like this."""
        (found,) = self.all(name, **attributes)
        return found

    def _is(self, name: str, attributes: dict[str, str]) -> bool:
        classes = (self.attributes.get("class") or "").split()
        return (not name or self.name == name) and all(
            value in classes if key == "class_" else self.attributes.get(key) == value
            for key, value in attributes.items()
        )


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open[-1].name == tag, f"</{tag}> closes <{self.open[-1].name}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parsed(html: str) -> Element:
    """The page as a tree; an element that is closed by another's end fails."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    assert len(builder.open) == 1, f"<{builder.open[-1].name}> is never closed"
    return builder.open[0]


def faults(page: Element) -> list[str]:
    """What WCAG 2.2 asks of every page and a parser can see, and what our policy forbids; nothing when all is well."""
    everything = page.all()
    found = [] if page.one("html").attributes.get("lang") else ["no language (3.1.1)"]
    found += [] if page.one("head").one("title").words else ["no title (2.4.2)"]
    levels = [HEADINGS.index(element.name) for element in everything if element.name in HEADINGS]
    found += [] if levels.count(0) == 1 and levels[0] == 0 else ["not one h1, first of all (1.3.1)"]
    found += [
        f"h{low + 1} is followed by h{high + 1} (1.3.1)" for low, high in pairwise(levels) if high > low + 1
    ]
    ids = [element.attributes["id"] for element in everything if "id" in element.attributes]
    found += [f"id {name} twice (4.1.2)" for name in set(ids) if ids.count(name) > 1]
    for element in everything:
        known = element.attributes
        found += [f"{name} in <{element.name}>" for name in known if name.startswith("on") or name == "style"]
        if known.get("aria-labelledby") and known["aria-labelledby"] not in ids:
            found.append(f"label {known['aria-labelledby']} is missing (4.1.2)")
        target = known.get("href") or "#"
        if not target.startswith("#") or (target != "#" and target[1:] not in ids):
            found.append(f"link to {target}")
        if element.name in (*HEADINGS, "summary", "a", "dt", "th") and not element.words:
            found.append(f"<{element.name}> without words (2.4.6)")
        if element.name in ("img", "script", "iframe", "object", "form", "link"):
            found.append(f"<{element.name}> on a page that needs nothing")
        if element.name in ("section", "table") and not (
            known.get("aria-labelledby") or element.all("caption")
        ):
            found.append(f"<{element.name}> without a label (1.3.1)")
    return found
