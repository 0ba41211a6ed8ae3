"""What changes from run to run, for the pages of the report: `artifacts/report-links.html`, beside the DVC output.

The pages embed that file. It hands them, per model, rows of (name, text, address or None); they do without where it
is absent. Written by `track`.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from cnnviz.errors import InputError
from cnnviz.files import ARTIFACTS, computed_on, write_bytes
from cnnviz.tracking import timings
from cnnviz.tracking.lockfile import Entry

PATH = ARTIFACTS / "report-links.html"
DEFAULT = 5000
SITE = "site"  # where the server of `make ui` has the report
TRAINING = "workflowType=machine_learning"  # without it MLflow's pages open as GenAI
Row = tuple[str, str, str | None]
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Links of the report</title></head>
<body><script>parent.postMessage({data}, "*");</script></body></html>
"""


def base(path: Path = PATH) -> str:
    """Where the links lead to now: the server that `make ui` started last, whatever port it found; else to `PORT`."""
    try:
        found = re.search(
            r"(http://127\.0\.0\.1:\d+)/#/experiments", path.read_text(encoding="utf-8", errors="replace")
        )
    except OSError:
        found = None
    port = DEFAULT
    with suppress(InputError):  # PORT may be there for something else
        port = asked_port()
    return found[1] if found else f"http://127.0.0.1:{port}"


def asked_port() -> int:
    """PORT, DEFAULT where it is not set. Raises InputError where it is no port."""
    given = os.environ.get("PORT") or str(DEFAULT)
    if not given.isdecimal() or not 0 < int(given[:6]) < 65536:
        raise InputError(f"PORT: given {given[:80]!r}; expected a number from 1 to 65535, as in PORT=5077 make ui")
    return int(given)


def run_page(experiment: str, run: str, artifact: str = "") -> str:
    """Where on a server a run's page is, or that of one of its files, as an address to be put behind the server's."""
    shown = f"/artifacts/{quote(artifact)}" if artifact else ""
    return f"#/experiments/{experiment}/runs/{run}{shown}?{TRAINING}"


def compared(base: str, experiment: str, runs: Iterable[str]) -> str:
    """The page on which MLflow compares these runs, given by their ids, as its own button Compare opens it."""
    chosen, of = (quote(json.dumps(ids, separators=(",", ":"))) for ids in (list(runs), [experiment]))
    return f"{base}/#/compare-runs?runs={chosen}&experiments={of}"


def rows(base: str, experiment: str, runs: Mapping[str, str], entries: Iterable[Entry]) -> dict[str, list[Row]]:
    """Per model its run in MLflow, the DVC hash of its maximized filters, what rendered them and what that took.

    And, as `<model>/<layer>`, what rendering each layer took. base: address of the MLflow server; runs: model -> its
    run's id.
    """
    rendered = {entry.model: entry for entry in entries if entry.stage == "maximize"}
    found: dict[str, list[Row]] = {}
    for model, run in runs.items():
        found[model] = [("MLflow run", run, f"{base}/{run_page(experiment, run)}")]
        entry = rendered.get(model)
        if entry is None:
            continue
        found[model] += [("DVC output", f"{out.path.as_posix()} {out.md5}", None) for out in entry.outs]
        if took := timings.of(entry.name, entry.key):
            if where := computed_on(took):  # whose kind has to agree for the same bytes
                found[model].append(("rendered on", where, None))
            found[model].append(("all layers rendered in", _cost(took), None))
            for layer, part in took.get("parts", {}).items():
                kept = part["network_seconds"] == 0
                cost = "no time: its images were in the render cache" if kept else _cost(part)
                found[f"{model}/{layer}"] = [("this layer rendered in", cost, None)]
    return found


def _cost(took: Mapping[str, float]) -> str:
    return f"{took['seconds']:,.1f} s, {took['peak_memory_mb']:,.0f} MB at most"


def write(found: Mapping[str, list[Row]], path: Path = PATH) -> None:
    """Write the file; whatever stands in it stays text."""
    data = json.dumps(found, ensure_ascii=False).replace("<", "\\u003c")
    write_bytes(path, _PAGE.replace("{data}", data).encode())
