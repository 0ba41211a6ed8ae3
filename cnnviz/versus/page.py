"""A folder with one page: both pictures of every filter under one slider, the scores of both, what differs."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from cnnviz import pictures, report, tracking
from cnnviz.errors import InputError
from cnnviz.files import ARTIFACTS, LOCAL, fresh, write_bytes, write_csv
from cnnviz.tracking import target
from cnnviz.versus import chance
from cnnviz.versus.facts import Row, Told
from cnnviz.versus.naming import Chosen

OURS = "filters.csv"  # by which a folder that may be written again is known
_TEMPLATES = Path(__file__).with_name("templates")


def folder_of(a: str, b: str) -> Path:
    """Where the page of two settings goes: inside .cache/versus, whatever was typed."""
    named = [re.sub(r"^(\.(?=[:@]|$)|(?=[:@]|$))", "here", given) for given in (a, b)]
    names = [re.sub(r"[^A-Za-z0-9_~-]+", "-", given).strip("-~")[:60] or "here" for given in named]
    return LOCAL / "versus" / "--".join(names)


def check(out: Path) -> None:
    """Raise InputError where a folder holds what this has not written."""
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or (out / OURS).is_file())):
        raise InputError(f"{out}: there is something else; expected an empty or a new folder")


def write(out: Path, a: Chosen, b: Chosen, models: Sequence[Told], notes: Sequence[str]) -> Path:
    """Write the folder anew; return its page. notes: what could not be compared, a sentence each."""
    fresh(out)
    env = report.environment()
    env.loader = jinja2.ChoiceLoader([jinja2.FileSystemLoader(_TEMPLATES), env.loader or jinja2.DictLoader({})])
    env.filters["signed"] = _signed
    env.filters["plain"] = _plain
    env.globals.update(
        lower=chance.LOWER, relative=chance.RELATIVE, units=chance.UNITS, fewest=chance.FEWEST, level=chance.LEVEL
    )
    for m, model in enumerate(models):
        for number, row in enumerate(model.rows):
            _draw(out, f"{m}-{number}", row)
    addresses, missing = _mlflow(a, b, models)
    text = env.get_template("versus.html").render(
        a=a, b=b, models=models, notes=[*notes, *missing], mlflow=addresses, beside=_beside(out)
    )
    for name in ("versus.css", "versus.js"):
        shared = [env.get_template("style.css").render()] if name.endswith(".css") else []
        write_bytes(out / name, "\n".join([*shared, env.get_template(name).render()]).encode())
    write_csv(out / OURS, [_csv(model, row) for model in models for row in model.rows])
    write_bytes(out / "index.html", text.encode())
    return out / "index.html"


def _draw(out: Path, name: str, row: Row) -> None:
    """Names are numbers: those of layers come from files of others."""
    for letter, side in (("a", row.layer.a), ("b", row.layer.b)):
        write_bytes(out / "pictures" / f"{name}{letter}.png", pictures.png_bytes(np.asarray(side.pictures[row.at])))


def _mlflow(a: Chosen, b: Chosen, models: Sequence[Told]) -> tuple[dict[str, str], list[str]]:
    """MLflow's page that compares both, by model, and why there is none."""
    where = target.target()
    try:
        runs = {
            (run.tags.get("model"), run.tags["dvc.lock_key"]): run
            for run in target.past_runs(where)
            if run.tags.get("kind") == "model"
        }
    except OSError as error:
        return {}, [f"MLflow's store can't be asked ({error}): no link to its comparison."]
    base = where.page or tracking.base()
    found, lacking = {}, []
    for model in models:
        names, states = model.pair.names, (a.state, b.state)
        both = [runs.get((name, state.key(name))) for name, state in zip(names, states, strict=True)]
        if both[0] and both[1] and both[0].id != both[1].id:
            found[model.pair.title] = tracking.compared(base, both[0].experiment, [both[0].id, both[1].id])
        elif not all(both):
            sides = " and ".join(side for side, run in zip("AB", both, strict=True) if not run)
            lacking.append(f"MLflow has no run of {model.pair.title} in the state {sides}: no link to its comparison.")
    return found, lacking


def _beside(out: Path) -> str:
    """The way from the page to the links that `make ui` keeps, which say on what port MLflow is now."""
    return Path(os.path.relpath(ARTIFACTS / "report-links.html", out)).as_posix()


def _csv(model: Told, row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {"model": model.pair.title, "layer": row.layer.title, "filter": row.filter}
    found |= {"status_a": row.status[0], "status_b": row.status[1]}
    for name, cell in row.scores.items():
        found |= {f"{name}_a": cell.a, f"{name}_b": cell.b, f"{name}_better": cell.better}
    return found | {"kernel_moved": row.moved, "same_picture": int(row.same)}


def _signed(value: float | None, unit: str = "") -> str:
    """A change with its sign; `%`: of a share."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    return f"{100 * value:+.1f}%" if unit == "%" else f"{value:+,.0f}" if abs(value) >= 1000 else f"{value:+.3g}"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value == round(value) else f"{value:.4g}"
