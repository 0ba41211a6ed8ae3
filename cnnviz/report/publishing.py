"""The site and the docs as one folder for any static host: nothing in it is local to the machine that made it."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cnnviz.errors import InputError
from cnnviz.files import write_bytes
from cnnviz.report import docs
from cnnviz.report.pages import environment, is_whole
from cnnviz.report.site import search
from cnnviz.report.site.links import url

MARK = ".nojekyll"  # tells GitHub Pages to leave names as they are, and us that the folder is ours
TEXTS = (".html", ".js", ".json", ".csv", ".css", ".svg")
# How pages of the site name a page of the docs: as text, a link once they are published with it (parts.html, `docs`)
NAMED = re.compile(r'<span class="docs" data-docs="([\w./#-]+)"(?: hidden)?>([^<]*)</span>')
# A key of params.yaml whose file lies outside of the project, as pages quote it
ELSEWHERE = re.compile(r"\b(?:file|folder|code): (?:&#3[49];)?(/[\w.-][^\s,}&]*)")
OWN = ("compare", "images", docs.FOLDER)  # folders that are no models


def publish(site: Path, project: Path, out: Path) -> int:
    """Copy a whole site to `out`, with the project's docs as pages and links to them. Returns the number of its files.

    Raises InputError where the site is not whole, `out` holds something else, or a page names a folder of this machine.
    """
    if not is_whole(site):
        raise InputError(f"{site}: no whole report there; run `make repro` first")
    _check(out, site, project)
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        _write(site, project, part)
        if out.exists():
            shutil.rmtree(out)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return sum(path.is_file() for path in out.rglob("*"))


def _write(site: Path, project: Path, out: Path) -> None:
    pages, used = docs.read(*docs.files_of(project))
    known = {page.path for page in pages}
    local = [str(one) for one in {project.resolve(), Path.home()} if len(one.parts) > 1]
    for path in sorted(p for p in site.rglob("*") if p.is_file()):
        name = path.relative_to(site).as_posix()
        data = path.read_bytes()
        if path.suffix in TEXTS:
            text = data.decode()
            found = next((one for one in local if re.search(rf"{re.escape(one)}(?![\w-])", text)), None)
            if found := found or next(iter(ELSEWHERE.findall(text)), None):
                raise InputError(f"{path}: names {found}, a place on this machine; mend params.yaml, then make repro")
            data = (_linked(text, name, known) if path.suffix == ".html" else text).encode()
        write_bytes(out / name, data)
    for name in used:
        write_bytes(out / name, (project / name).read_bytes())
    _docs(out, pages)
    index = out / "assets" / "index.js"
    write_bytes(index, search.extended(index.read_text(encoding="utf-8"), _found(pages)).encode())
    write_bytes(out / MARK, b"")


def _check(out: Path, site: Path, project: Path) -> None:
    """Raises InputError where what is at `out` would be lost."""
    whole, kept = out.resolve(), (site.resolve(), project.resolve())
    if any(one == whole or one.is_relative_to(whole) for one in kept) or whole.is_relative_to(site.resolve()):
        raise InputError(f"{out}: the report or the project lies there; expected a folder of its own")
    if out.exists() and not (out.is_dir() and ((out / MARK).is_file() or not any(out.iterdir()))):
        raise InputError(f"{out}: something else is there; remove it, or name another folder")


def _linked(text: str, name: str, known: set[str]) -> str:
    """A page with its links to docs, and without the question for what tracking may have written beside the site."""
    root = "../" * name.count("/")

    def link(match: re.Match[str]) -> str:
        page, _, fragment = match[1].partition("#")
        path = f"{docs.FOLDER}/{page}.html"
        if path not in known:
            return match[0]
        return f'<a href="{root}{path}{"#" + fragment if fragment else ""}">{match[2]}</a>'

    return NAMED.sub(link, text).replace("<body ", '<body data-published="" ', 1)


def _found(pages: list[docs.Page]) -> Iterator[search.Entry]:
    """What the search finds the docs by: pages and their sections."""
    for page in pages:
        yield f"docs: {page.title}", page.path, "documentation help", page.title
        for name, words in page.contents:
            yield f"docs: {page.title}, {words}", f"{page.path}#{quote(name)}", "documentation help", words


def _docs(out: Path, pages: list[docs.Page]) -> None:
    """Write the pages of the docs, in the frame of the site whose front page is in `out`."""
    env, home = environment(), (out / "index.html").read_text(encoding="utf-8")
    version = re.search(r'data-version="(\w+)"', home)
    keys = [path.parent.name for path in out.glob("*/index.html") if path.parent.name not in OWN]
    keys.sort(key=lambda key: home.find(f'"{url(key, "index.html")}"'))  # as the front page has them
    models = [{"key": key, "url": url(key, "index.html")} for key in keys]
    shared: dict[str, Any] = {"models": models, "preview": "", "walk": (out / "walk.html").is_file()}
    shared |= {
        "pairs": (out / "compare" / "index.html").is_file(),
        "with_images": (out / "images" / "index.html").is_file(),
    }
    shared |= {"version": version[1] if version else "", "root": "../", "pages": pages}
    template = env.get_template("site/docs.html")
    for page in pages:
        text = template.render(shared, page=page)
        write_bytes(out / page.path, _linked(text, page.path, {one.path for one in pages}).encode())
