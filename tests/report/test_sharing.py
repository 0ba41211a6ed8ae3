"""What of a page can be passed on: links that know what they meant, cards, frames, and the published folder."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import zip_longest
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit
from urllib.request import urlopen

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cnnviz.errors import InputError
from cnnviz.report import docs, measures, publishing
from tests import site_walk
from tests.chromium import browser_fixture  # noqa: F401
from tests.report.test_site import axe  # noqa: F401

ROOT = Path(__file__).parents[2]
PAGE = "before/second/0.html"
COMMANDS = [
    *(r"\frac", r"\text{<i>", r"\left(", r"\begin{matrix}", r"\href{x}", r"\sqrt[", r"\operatorname{<b>}", "</math>"),
]
MATHML = (
    *("math", "mrow", "mi", "mo", "mn", "mtext", "mfrac", "msub", "msup", "msubsup", "munder", "mover", "munderover"),
    *("msqrt", "mroot", "mtable", "mtr", "mtd", "mstyle", "mspace", "mpadded", "mphantom", "menclose", "merror"),
)


class Tags(HTMLParser):
    """Which tags and addresses a page has."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.addresses += [str(value) for name, value in attrs if name in ("href", "src")]


@pytest.fixture(name="page")
def page_fixture(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, permissions=["clipboard-read"])
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def published(project: Path, site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("host") / "a folder"
    command = [sys.executable, "-m", "cnnviz.publish", str(out)]
    for name in ("README.md", "docs"):  # the docs of this project
        if not (project / name).exists():
            (project / name).symlink_to(ROOT / name)
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": "/"}
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert f"published: {out}/index.html" in done.stdout
    return out


# ---- digests


@pytest.mark.pipeline
def test_digests_are_those_of_what_can_be_downloaded(site: Path) -> None:
    text = (site / PAGE).read_text()
    numbers = hashlib.sha256((site / "before/second/0.json").read_bytes()).hexdigest()
    picture = hashlib.sha256(np.asarray(Image.open(site / "before/second/0.png")).tobytes()).hexdigest()
    assert numbers in text
    assert picture in text
    assert f'data-version="{picture[:12]}-{numbers[:12]}"' in text
    unrendered = (site / "before/third/0.html").read_text()
    own = hashlib.sha256((site / "before/third/0.json").read_bytes()).hexdigest()
    assert f'data-version="none-{own[:12]}"' in unrendered


@pytest.mark.pipeline
def test_a_page_says_whether_it_is_what_a_link_meant(site: Path, page) -> None:
    page.goto((site / PAGE).as_uri())
    assert page.locator(".since").count() == 0
    version = page.locator("#share").get_attribute("data-version")
    assert page.locator("[data-absolute]").inner_text() == (site / PAGE).as_uri() + f"?v={version}"
    picture, numbers = version.split("-")
    for link, said in (
        (version, "As it was when that link was made"),
        (f"{picture}-{'0' * 12}", "The picture is the one that the link meant; numbers on this page have changed"),
        (f"{'0' * 12}-{numbers}", "This picture has changed since that link was made."),
        ("<b>nonsense", "That link says of no picture which one it meant"),
    ):
        page.goto((site / PAGE).as_uri() + "?v=" + quote(link))
        assert page.locator(".since").inner_text().startswith(said)


@pytest.mark.pipeline
def test_what_is_shown_can_be_copied_from_a_file(site: Path, page) -> None:
    page.goto((site / PAGE).as_uri())
    for code in page.locator("#share .copied").all():
        code.locator("xpath=following-sibling::button[1]").click()
        page.wait_for_selector("text=Copied")
        assert page.evaluate("navigator.clipboard.readText()") == code.inner_text()


@pytest.mark.pipeline
def test_a_frame_of_another_page_shows_the_filter(site: Path, page, tmp_path: Path) -> None:
    page.goto((site / PAGE).as_uri())
    snippet = page.locator("[data-embed]").inner_text()
    shutil.copytree(site, tmp_path / "site")
    folder = tmp_path / "site/before/second"
    (folder / "mine.html").write_text(f"<!doctype html><title>mine</title>{snippet}")
    page.goto((folder / "mine.html").as_uri())
    frame = page.frame_locator("iframe")
    assert frame.locator("h1").inner_text().startswith("Filter 0 of second")
    assert frame.locator("img").evaluate("i => i.complete && i.naturalWidth") > 0
    inner = page.frames[1]
    box = page.locator("iframe").bounding_box()
    assert inner.evaluate("document.documentElement.scrollWidth") <= box["width"]


@pytest.mark.pipeline
def test_cards_show_the_picture_and_are_small(project: Path, site: Path) -> None:
    stored = np.load(project / "artifacts/maximize/before/second.npz")
    for row, k in enumerate(stored["filters"].tolist()):
        path = site / f"before/second/{k}_card.png"
        card = np.asarray(Image.open(path).convert("RGB")).astype(int)
        assert card.shape == (420, 800, 3)
        assert path.stat().st_size < 120_000
        image = stored["images"][row].astype(int)
        times = 320 // image.shape[0]
        first = 24 + (320 - times * image.shape[0]) // 2
        shown = card[first : first + times * image.shape[0] : times, first : first + times * image.shape[1] : times]
        near = abs(shown - image)[: -20 // times]  # above the sign in the corner
        assert near.mean() < 12


# ---- docs


def test_addresses_lead_to_pages_files_or_nowhere() -> None:
    sources = {
        "README.md": "# Home\n[site](docs/site.md#keys) [other](examples/x.ipynb) ![p](docs/images/a.jpg)",
        "docs/site.md": "# Site\n## Keys & `more`\n## Keys & `more`\n[home](../README.md) [here](#keys--more) [web](https://x.org)\n"
        "![p](images/a.jpg) [bad](javascript:alert(1)) $a_b*c*$ and <b>raw</b> "
        "$\\tfrac1{n} < \\mu$\n\n|a|b|\n|-|-|\n|1|$|x|$|\n",
    }
    (home, site), used = docs.read(sources, ["docs/images/a.jpg", "docs/images/b.jpg"])
    assert (home.path, home.title, site.path, site.title) == ("docs/index.html", "Home", "docs/site.html", "Site")
    assert '<a href="site.html#keys">site</a> other <img src="images/a.jpg" alt="p"' in home.body
    assert '<a href="index.html">home</a> <a href="#keys--more">here</a> <a href="https://x.org">web</a>' in site.body
    assert site.contents == [("keys--more", "Keys & more"), ("keys--more-1", "Keys & more")]
    assert "javascript" not in site.body.replace("[bad](javascript:alert(1))", "")
    assert "</math> and &lt;b&gt;raw&lt;/b&gt; <math" in site.body
    first, second = re.findall(r"<math[^>]*>(.*?)</math>", site.body)
    times, less = "*", "&lt;"
    assert first == f"<mrow><msub><mi>a</mi><mi>b</mi></msub><mo>{times}</mo><mi>c</mi><mo>{times}</mo></mrow>"
    assert "<mfrac><mn>1</mn><mrow><mi>n</mi></mrow></mfrac>" in second
    assert f"<mo>{less}</mo><mi>μ</mi>" in second
    assert used == {"docs/images/a.jpg"}


@pytest.mark.parametrize(
    "formula", [r"\text{<b>x</b>}", r"\href{javascript:alert(1)}{x}", "<img src=x>", r"\frac{", "x^2^3"]
)
def test_formulas_carry_no_tags_and_no_links_and_wrong_ones_stay_text(formula: str) -> None:
    check_formula(formula)


@given(st.text(r"\{}[]^_&<>\"'ab1 =", max_size=30), st.lists(st.sampled_from(COMMANDS), max_size=4))
def test_any_formula_is_drawn_or_stays_text(text: str, commands: list[str]) -> None:
    check_formula("".join(a + b for a, b in zip_longest(commands, text.split(" "), fillvalue="")))


def check_formula(formula: str) -> None:
    (page,), _ = docs.read({"docs/a.md": f"A ${formula}$ and $${formula}$$ b"}, [])
    parsed = Tags()
    parsed.feed(page.body)
    assert parsed.found <= {*MATHML, "p", "em", "code", "span", "br", "blockquote"}, page.body
    assert not parsed.addresses


def test_every_address_of_the_docs_has_its_page_and_heading() -> None:
    sources, files = docs.files_of(ROOT)
    pages, used = docs.read(sources, files)
    assert len(pages) == len(list((ROOT / "docs").glob("*.md"))) + 1
    found = {page.path: site_walk_ids(page.body) for page in pages}
    for page in pages:
        for address in addresses(page.body):
            parts = urlsplit(address)
            if parts.scheme:
                continue
            target = urljoin(page.path, unquote(parts.path)) if parts.path else page.path
            assert target in found or target in used, (page.path, address)
            assert not parts.fragment or unquote(parts.fragment) in found[target], (page.path, address)


def test_what_defines_a_number_is_there() -> None:
    pages, _ = docs.read(*docs.files_of(ROOT))
    ids = {page.path: site_walk_ids(page.body) for page in pages}
    for name, (said, place) in measures.MEANINGS.items():
        page, _, section = place.partition("#")
        assert said.endswith("."), name
        assert not section or section in ids[f"docs/{page}.html"], (name, place)
    assert measures.meaning("median_firing_rate").startswith("Median over the filters: share of spots")
    assert measures.meaning("title") == measures.defined("title") == ""


@pytest.mark.pipeline
def test_no_number_that_models_or_pairs_are_compared_by_is_without_a_meaning(project: Path) -> None:
    found = json.loads((project / "artifacts/compare/metrics.json").read_text())
    names = {name for kind in found.values() for one in kind.values() for name, v in one.items() if v is not None}
    assert len(names) > 12
    assert [name for name in sorted(names) if not measures.meaning(name)] == []


def _parsed(body: str, tmp: Path = Path("/dev/null")) -> site_walk.Page:
    page = site_walk.Page(tmp)
    page.feed(body)
    return page


def site_walk_ids(body: str) -> set[str]:
    return _parsed(body).ids


def addresses(body: str) -> list[str]:
    return [address for _, address in _parsed(body).asked]


# ---- the published folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.pipeline
def test_all_addresses_of_the_published_folder_are_answered_by_a_server(published: Path) -> None:
    handler = partial(Quiet, directory=str(published.parent))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/{quote(published.name)}/"
    asked, known = set(), {}
    try:
        for path in published.rglob("*.html"):
            page = site_walk.Page(path)
            known[path.resolve()] = page
            own = base + quote(path.relative_to(published).as_posix())
            for _, address in page.asked:
                if not address.startswith(("data:", "https:", "http:")):
                    asked.add((urljoin(own, address), path))
        assert len({path for _, path in asked}) > 60
        for url in {urlsplit(url)._replace(fragment="", query="").geturl() for url, _ in asked}:
            assert url.startswith(base), url
            with urlopen(url) as answer:  # noqa: S310
                assert answer.status == 200
        for url, path in asked:
            parts = urlsplit(url)
            target = published.parent / unquote(parts.path).lstrip("/")
            if parts.fragment:
                assert unquote(parts.fragment) in known[target.resolve()].ids, (path, url)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.pipeline
def test_published_pages_name_docs_as_links_and_nothing_local(project: Path, site: Path, published: Path) -> None:
    assert 'href="docs/index.html"' in (published / "index.html").read_text()
    assert 'href="../../docs/index.html"' in (published / PAGE).read_text()
    assert 'data-docs="index" hidden' in (site / PAGE).read_text()
    for path in published.rglob("*.html"):
        text = path.read_text()
        assert "data-docs" not in text, path
        assert str(project) not in text
    assert {p.relative_to(site) for p in site.rglob("*.json")} <= {
        p.relative_to(published) for p in published.rglob("*.json")
    }
    assert not list(published.rglob("report-links.html"))


@pytest.mark.pipeline
def test_formulas_of_published_docs_are_drawn_and_their_sections_found(published: Path, page) -> None:
    page.goto((published / "docs/analysis.html").as_uri())
    fraction = page.locator("mfrac").first.bounding_box()
    letter = page.locator("mi").first.bounding_box()
    assert fraction["height"] > letter["height"]  # one above the other
    assert "\\frac" not in page.locator("main").inner_text()
    page.keyboard.press("/")
    page.fill("#query", "population sparsity")
    page.wait_for_selector("#hits li")
    page.keyboard.press("Enter")
    page.wait_for_url("**/docs/analysis.html#lifetime-and-population-sparsity")


@pytest.mark.pipeline
def test_published_pages_ask_for_nothing_that_is_not_there(published: Path, page) -> None:
    missed = []
    page.on("requestfailed", lambda request: missed.append(request.url))
    page.on("console", lambda message: missed.append(message.text))
    for path in (PAGE, "docs/scores.html", "index.html"):
        page.goto((published / path).as_uri())
        page.wait_for_timeout(200)
        assert page.evaluate("document.querySelector('object.sidecar') === null")
    assert missed == []


@pytest.mark.pipeline
@pytest.mark.parametrize("path", ["docs/scores.html", "docs/index.html", "before/second/0_embed.html", "nested.html"])
def test_contrast_names_and_roles_of_docs_frames_and_files(published: Path, browser, axe: str, path: str) -> None:  # noqa: F811
    context = browser.new_context(color_scheme="light", bypass_csp=True, viewport={"width": 390, "height": 800})
    opened = context.new_page()
    opened.goto((published / path).as_uri())
    opened.add_script_tag(content=axe)
    found = opened.evaluate("axe.run()")["violations"]
    opened.emulate_media(color_scheme="dark")
    found += opened.evaluate("axe.run({runOnly: ['color-contrast']})")["violations"]
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
    assert [(v["id"], [n["html"][:160] for n in v["nodes"]][:3]) for v in found] == []


@pytest.mark.pipeline
def test_what_would_be_lost_or_is_local_is_refused(project: Path, site: Path, published: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("mine")
    for out, said in (
        (mine, "something else is there"),
        (project, "the project lies there"),
        (site / "x", "lies there"),
    ):
        with pytest.raises(InputError, match=said):
            publishing.publish(site, project, out)
    assert (mine / "letter.txt").is_file()
    with pytest.raises(InputError, match="no whole report there"):
        publishing.publish(tmp_path / "none", project, tmp_path / "out")
    publishing.publish(site, project, published)  # again, over what it wrote itself
    local = shutil.copytree(site, tmp_path / "site")
    (local / "before/second/0.json").write_text(json.dumps({"path": f"{project.resolve()}/inputs"}))
    with pytest.raises(InputError, match=r"names .*, a place on this machine"):
        publishing.publish(local, project, tmp_path / "out")
    shutil.copy(site / "before/second/0.json", local / "before/second/0.json")
    page = local / "before/index.html"
    page.write_text(page.read_text().replace("file: inputs/models/before.keras", "file: /data/mine/before.keras"))
    with pytest.raises(InputError, match=r"index.html: names /data/mine/before.keras, a place"):
        publishing.publish(local, project, tmp_path / "out")
    assert not (tmp_path / "out").exists()
