"""The pages of docs/ as HTML in the site's style, for a site that is published with them."""

import html
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree

from latex2mathml import exceptions
from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

HOME = "README.md"  # becomes docs/index.html
FOLDER = "docs"
# What latex2mathml raises: its exceptions have no base of their own; some wrong formulas end in plain ones
_OWN = (one for one in vars(exceptions).values() if isinstance(one, type) and issubclass(one, Exception))
UNKNOWN: tuple[type[Exception], ...] = (*_OWN, LookupError, ValueError, TypeError, AttributeError, RecursionError)


@dataclass
class Page:
    """A page of the docs. path: in the published folder; contents: (id, text) of its sections."""

    path: str
    title: str
    body: str
    contents: list[tuple[str, str]] = field(default_factory=list)


def place(source: str) -> str:
    """Where a Markdown file of the project (`docs/site.md`) is published: `docs/site.html`."""
    return f"{FOLDER}/index.html" if source == HOME else source.removesuffix(".md") + ".html"


def slug(text: str) -> str:
    """The id that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


def read(sources: Mapping[str, str], files: Sequence[str]) -> tuple[list[Page], set[str]]:
    """Markdown by its path in the project -> pages, and those of `files` (paths, too) that they show or link to.

    What a page links to and is neither published nor on the web becomes plain text: it lies in the project only.
    """
    used: set[str] = set()
    return [_page(source, text, set(sources), set(files), used) for source, text in sources.items()], used


def _page(source: str, text: str, pages: set[str], files: set[str], used: set[str]) -> Page:
    parser = _parser()
    tokens = parser.parse(text)
    found, taken = Page(place(source), source, ""), dict[str, int]()
    for token, inside in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and inside is not None:
            words = _words(inside)
            name = slug(words)
            taken[name] = taken.get(name, -1) + 1
            token.attrs["id"] = name + (f"-{taken[name]}" if taken[name] else "")
            if token.tag == "h1":
                found.title = words
            elif token.tag == "h2":
                found.contents.append((str(token.attrs["id"]), words))
        if token.type == "inline" and token.children:
            token.children = _linked(token.children, source, pages, files, used)
    found.body = parser.renderer.render(tokens, parser.options, {})
    return found


def _words(inline: Token) -> str:
    return "".join(one.content for one in inline.children or () if one.type in ("text", "code_inline", "math"))


def _linked(children: list[Token], source: str, pages: set[str], files: set[str], used: set[str]) -> list[Token]:
    """The tokens of a line with addresses made right for where the pages will lie."""
    kept, plain = [], 0
    for token in children:
        if token.type == "image":
            token.attrs["src"] = _address(str(token.attrs["src"]), source, pages, files, used) or ""
        if token.type == "link_open":
            address = _address(str(token.attrs["href"]), source, pages, files, used)
            if address is None:
                plain += 1
                continue
            token.attrs["href"] = address
        if token.type == "link_close" and plain:
            plain -= 1
            continue
        kept.append(token)
    return kept


def _address(address: str, source: str, pages: set[str], files: set[str], used: set[str]) -> str | None:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return address if parts.scheme in ("http", "https", "mailto") else None
    if not parts.path:
        return address
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), unquote(parts.path)))
    if target in files:
        used.add(target)
    elif target not in pages:
        return None
    there = place(target) if target in pages else target
    path = quote(posixpath.relpath(there, posixpath.dirname(place(source))))
    return path + (f"#{parts.fragment}" if parts.fragment else "")


def _parser() -> MarkdownIt:
    """CommonMark with tables and formulas; HTML stays text."""
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.inline.ruler.before("escape", "math", _math)
    count = iter(range(1, 10**6))

    def table_open(*_: Any) -> str:
        return f'<div class="wide" tabindex="0" role="region" aria-label="Table {next(count)}"><table>\n'

    def table_close(*_: Any) -> str:
        return "</table></div>\n"

    def code(_: Any, tokens: Sequence[Token], i: int, *__: Any) -> str:
        return f'<pre class="scroll" tabindex="0"><code>{html.escape(tokens[i].content)}</code></pre>\n'

    def math(_: Any, tokens: Sequence[Token], i: int, *__: Any) -> str:
        alone = tokens[i].markup == "$$"
        try:
            drawn = mathml(tokens[i].content, "block" if alone else "inline")
        except UNKNOWN:  # stays as it is written
            return f'<code class="math">{html.escape(tokens[i].content)}</code>'
        return f'<span class="formula" tabindex="0">{drawn}</span>' if alone else drawn

    for name, rule in (("table_open", table_open), ("table_close", table_close), ("math", math)):
        parser.add_render_rule(name, rule)
    parser.add_render_rule("fence", code)
    parser.add_render_rule("code_block", code)
    return parser


def mathml(formula: str, display: str) -> str:
    """LaTeX as MathML, all text in it escaped, without links. Raises one of UNKNOWN for what is no formula."""
    drawn = convert_to_element(formula, display=display)
    for one in drawn.iter():  # signs stand in it as entities; latex2mathml would write any text as it is, tags, too
        one.text = html.unescape(one.text or "")
        one.attrib.pop("href", None)
    return ElementTree.tostring(drawn, encoding="unicode")


def _math(state: StateInline, silent: bool) -> bool:
    """`$…$` and `$$…$$` as one token, so that nothing in it is taken for Markdown."""
    start = state.pos
    if state.src[start] != "$":
        return False
    mark = "$$" if state.src.startswith("$$", start) else "$"
    end = state.src.find(mark, start + len(mark))
    inside = state.src[start + len(mark) : end]
    if end < 0 or not inside.strip() or (mark == "$" and (inside[0].isspace() or inside[-1].isspace())):
        return False
    if not silent:
        token = state.push("math", "code", 0)
        token.content, token.markup = " ".join(inside.split()), mark
    state.pos = end + len(mark)
    return True


def files_of(root: Path) -> tuple[dict[str, str], list[str]]:
    """The Markdown of a project by path, README.md first, and the files below docs/ that it may show."""
    found = [root / HOME, *sorted((root / FOLDER).glob("*.md"))]
    sources = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in found if path.is_file()}
    shown = [path.relative_to(root).as_posix() for path in sorted((root / FOLDER).rglob("*")) if path.is_file()]
    return sources, [path for path in shown if path not in sources]
