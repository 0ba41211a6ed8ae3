"""Pictures of pages for README and docs: `python -m tests.site_pictures`, after `make repro`."""

import io
import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests.chromium import chromium, settle

ROOT = Path(__file__).parents[1]
SITE, DOCS = ROOT / "artifacts" / "report", ROOT / "docs" / "images"
VERSUS = ROOT / ".cache" / "versus" / "picture"
LOAD_ALL = "document.querySelectorAll('img').forEach(i => { i.loading = 'eager' })"
LOADING = "[...document.images].filter(i => !i.complete).length"
DECODED = "Promise.all([...document.images].map(i => i.decode().catch(() => 0)))"
PAGES = {  # picture: (page, what to scroll to, height)
    "home": ("index.html", "", 860),
    "model": ("mobilenetv2-dogs/index.html", "", 1180),
    "layer": ("cifar10-cnn/conv2d_3/index.html", "", 1180),
    "filter": ("vgg16/block4_conv1/243.html", "", 1500),
    "compare": ("compare/vgg16--vgg16-hed.html", "", 1300),
    "versus": (f"{VERSUS}/index.html", ".pairs >> nth=7", 900),
}


def main() -> None:
    command = [sys.executable, "-m", "cnnviz.versus", ".:vgg16", ".:vgg16-hed", "--no-open", "--out", str(VERSUS)]
    subprocess.run(command, cwd=ROOT, check=True)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        for name, (path, target, height) in PAGES.items():
            page.set_viewport_size({"width": 1280, "height": height})
            page.goto((SITE / path).as_uri())
            page.evaluate(LOAD_ALL)
            settle(page, LOADING)
            page.evaluate(DECODED)
            if target:
                page.locator(target).scroll_into_view_if_needed()
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            picture.save(DOCS / f"site-{name}.jpg", quality=82, optimize=True, progressive=True)


if __name__ == "__main__":
    main()
