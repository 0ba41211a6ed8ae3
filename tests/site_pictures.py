"""Pictures of the five kinds of page for README and docs: `python -m tests.site_pictures`, after `make repro`."""

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.test_report import CHROMIUM, FLAGS

ROOT = Path(__file__).parents[1]
SITE, DOCS = ROOT / "artifacts" / "report", ROOT / "docs" / "images"
LOAD_ALL = "document.querySelectorAll('img').forEach(i => { i.loading = 'eager' })"
LOADED = "[...document.images].every(i => i.complete)"
DECODED = "Promise.all([...document.images].map(i => i.decode().catch(() => 0)))"
PAGES = {  # picture: (page, what to scroll to, height)
    "home": ("index.html", "", 860),
    "model": ("mobilenetv2-dogs/index.html", "", 1180),
    "layer": ("cifar10-cnn/conv2d_3/index.html", "", 1180),
    "filter": ("vgg16/block4_conv1/243.html", "", 1500),
    "compare": ("compare/vgg16--vgg16-hed.html", "", 1300),
}


def main() -> None:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        for name, (path, target, height) in PAGES.items():
            page.set_viewport_size({"width": 1280, "height": height})
            page.goto((SITE / path).as_uri())
            page.evaluate(LOAD_ALL)
            page.wait_for_function(LOADED)
            page.evaluate(DECODED)
            if target:
                page.locator(target).scroll_into_view_if_needed()
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            picture.save(DOCS / f"site-{name}.jpg", quality=82, optimize=True, progressive=True)
        browser.close()


if __name__ == "__main__":
    main()
