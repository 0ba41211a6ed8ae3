"""Every link and picture of a site, followed as a browser would."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from PIL import Image


class Page(HTMLParser):
    """Ids and addresses of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        if values.get("id"):
            self.ids.add(str(values["id"]))
        self.asked += [(tag, str(values[name])) for name in ("href", "src", "data-src") if values.get(name)]
        if style := values.get("style"):
            self.asked += [("img-style", address) for address in re.findall(r"url\(([^)]*)\)", style)]


def follow(site: Path) -> tuple[dict[Path, Page], set[Path]]:
    """Return all pages, and all files that they lead to.

    Fails where an address leaves the site, has no file or no fragment, and where a picture cannot be read or says
    nothing to those who cannot see it (`alt` missing; an ornament has an empty one).
    """
    site = site.resolve()
    pages = {path: Page(path) for path in site.rglob("*.html")}
    found: dict[tuple[Path, str], Path] = {}

    def target(page: Path, path: str) -> Path:
        """The file of an address, asked of the disk once for each folder that pages lie in."""
        key = page.parent, path
        if key not in found:
            found[key] = (page.parent / unquote(path)).resolve()
            assert found[key].is_relative_to(site), (page, path)
            assert found[key].is_file(), (page, path)
        return found[key]

    reached, pictures = set(), set()
    for path, page in pages.items():
        for tag, address in page.asked:
            if address.startswith("data:"):
                continue
            parts = urlsplit(address)
            assert not parts.scheme, (path, address)
            assert not parts.netloc, (path, address)
            file = target(path, parts.path) if parts.path else path
            if parts.fragment:
                assert unquote(parts.fragment) in pages[file].ids, (path, address)
            reached.add(file)
            pictures |= {file} if tag == "img" else set()
        assert all("alt" in attrs for tag, attrs in page.tags if tag == "img"), path
    for picture in pictures:
        with Image.open(picture) as image:
            image.load()
    return pages, reached
