"""Two states of the project side by side: is this better than my other setting?

A and B are each an experiment of DVC (`dvc exp show` lists them), a Git revision (HEAD, a commit, tag or branch), a run
of MLflow (its name or id), another clone's folder, or . for this folder; behind it, where wanted, `:model`,
`:model/layer` and `@step`: `HEAD~1:vgg16`, `.:vgg16 .:vgg16-hed`, `.@10 .@64`.
"""

import argparse
import os
import sys
import webbrowser
from pathlib import Path

from cnnviz.errors import InputError, printable
from cnnviz.files import command, drop_chatter
from cnnviz.tracking import lockfile
from cnnviz.versus import naming, page, pairing
from cnnviz.versus.chance import FEWEST, UNITS
from cnnviz.versus.facts import Told, told

NAME = "python -m cnnviz.versus"


def main() -> None:
    parser = argparse.ArgumentParser(NAME, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", metavar="A", help="a state")
    parser.add_argument("b", metavar="B", nargs="?", default=naming.HERE, help="another one (default: this folder)")
    parser.add_argument("--out", type=Path, help="a folder for the page (default: .cache/versus/<A>--<B>)")
    parser.add_argument("--no-open", action="store_true", help="do not open it in a browser")
    given = parser.parse_args()
    drop_chatter()
    with command(NAME):
        out = given.out or page.folder_of(given.a, given.b)
        page.check(out)
        a, b = naming.find(given.a), naming.find(given.b)
        models, notes = compare(a, b)
        for line in (*said(a, b, models), *notes):
            print(printable(line))
        written = page.write(out, a, b, models, notes).resolve()
        print(f"side by side: {written}", flush=True)
        if not given.no_open and _has_screen():
            webbrowser.open(written.as_uri())


def compare(a: naming.Chosen, b: naming.Chosen) -> tuple[list[Told], list[str]]:
    """All models of both, and a line for each whose files are not at hand. Raises InputError where that leaves none."""
    names, models, notes = pairing.names_of(a, b), [], []
    for both in names:
        try:
            pair = pairing.pair(a, b, both)
        except InputError as problem:
            if len(names) == 1:
                raise
            notes.append(str(problem))
            continue
        if pair.layers:
            models.append(told(a, b, pair))
        else:
            notes.append(f"{pair.title}: no filter was rendered on both sides; {'; '.join(pair.only[0])}")
    if not models:
        raise InputError(notes[0])
    if (naming.THIS in (a.state.title, b.state.title)) and (later := lockfile.pending()):
        notes.append(f"{naming.THIS} was made with other values than params.yaml has now: {lockfile.some(later)}")
    return models, notes


def said(a: naming.Chosen, b: naming.Chosen, models: list[Told]) -> list[str]:
    """The answer in a few lines."""
    lines = [f"A: {a.title}", f"B: {b.title}"]
    for model in models:
        of = model.differing
        lines.append(f"{model.pair.title}: {model.pair.filters} filters on both sides, {model.same} the same picture")
        lines += [f"  {verdict}: {', '.join(names)}" for verdict, names in model.answer.items()]
        lines += [f"  {name}: {x} in A, {y} in B" for name, x, y in (*of.params, *of.rendered)]
        for test in model.tests:
            known = test.medians and not (test.name in UNITS and len(model.pair.layers) > 1)
            medians = "median {:.3g} -> {:.3g}, ".format(*test.medians) if test.medians and known else ""
            p = "" if test.corrected is None else f" (p = {test.corrected:.2g})"
            told = test.n >= FEWEST and not test.why
            better = f", better in A {test.better[0]}, in B {test.better[1]} of {test.n}" if told else ""
            lines.append(f"  {test.name}: {medians}{test.verdict}{p}{better}")
    return lines


def _has_screen() -> bool:
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.stdout.isatty() and (sys.platform != "linux" or any(map(os.environ.get, names)))


if __name__ == "__main__":
    main()
