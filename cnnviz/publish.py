"""The site with the docs as one folder for any static host: `python -m cnnviz.publish [folder]`, or make publish."""

import argparse
from pathlib import Path

from cnnviz import report
from cnnviz.files import ARTIFACTS, command


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m cnnviz.publish", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("public"), help="public by default; replaced")
    given = parser.parse_args(words)
    with command("make publish"):
        count = report.publish(ARTIFACTS / "report", Path.cwd(), given.folder)
        size = sum(path.stat().st_size for path in given.folder.rglob("*") if path.is_file())
        print(f"published: {given.folder}/index.html ({count:,} files, {size / 1e6:.0f} MB)")


if __name__ == "__main__":
    main()
