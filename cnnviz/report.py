"""Artifacts -> a report to look at: an index and one self-contained page per model, plus files for `dvc metrics/plots`.

Pages carry their images inside, make no request, and work in a sandboxed frame. Whatever comes from params.yaml or
from a file is escaped. Reads files only: imports no TensorFlow.
"""

import base64
import csv
import hashlib
import io
import math
import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from cnnviz import report_data
from cnnviz.errors import InputError
from cnnviz.params import Params
from cnnviz.report_pictures import Inliner, profile
from cnnviz.stage import read_json, write_bytes, write_json

TEMPLATES = Path(__file__).with_name("templates")
LIMIT = 14_000_000  # bytes of a page; MLflow shows files up to 15 MB
SCALES = (1.0, 0.7, 0.5, 0.35, 0.25)  # of the pictures, tried in this order until a page is below LIMIT


def _large(value: float) -> str:
    """14714688 -> 14.7 M, 36928 -> 36,928."""
    return f"{value / 1e6:.1f} M" if abs(value) >= 1e6 else f"{value:,.0f}"


def _score(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _gain(value: float | None) -> str:
    return _score(value) if value is None or value <= 0 else f"+{_score(value)}"


def _percent(value: float) -> str:
    if 0 < value < 0.001:
        return "under 0.1%"
    return f"{value:.0%}" if value == 0 or value >= 0.1 else f"{value:.1%}"


def _breakable(name: str) -> Markup:
    """Let a long layer name wrap after an underscore or a dot."""
    return Markup("<wbr>").join(re.split(r"(?<=[_./])(?=.)", name))


def _shape(values: list[int]) -> str:
    return " × ".join("?" if v is None else str(v) for v in values) or "–"


def environment() -> jinja2.Environment:
    """Return the templates' environment: everything escaped, a missing name is an error."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(large=_large, score=_score, gain=_gain, percent=_percent, shape=_shape)
    env.filters.update(breakable=_breakable, profile=profile)
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    env.globals.update(script=Markup(script), script_digest=digest, near_duplicate=report_data.NEAR_DUPLICATE)  # noqa: S704
    return env


def model_page(env: jinja2.Environment, artifacts: Path, key: str, params: Params) -> tuple[bytes, dict[str, Any]]:
    """Render one model's page, with smaller pictures where it would grow beyond LIMIT; return it and its facts."""
    page, facts = b"", {}
    for scale in SCALES:
        inline = Inliner(scale)
        facts = report_data.model(artifacts, key, params, inline)
        fixed = report_data.fixed_filters(artifacts, inline)
        page = env.get_template("model.html").render(model=facts, fixed=fixed, sets=_sets(artifacts)).encode()
        if len(page) <= LIMIT:
            break
    return page, facts


def _sets(artifacts: Path) -> dict[str, Any]:
    path = artifacts / "images" / "images.json"
    return dict(read_json(path)) if path.is_file() else {}


def _curves_csv(models: list[dict[str, Any]]) -> bytes:
    """Rows model, layer, step, score: the mean over the rendered filters of a layer."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "layer", "step", "score"])
    for facts in models:
        for layer in facts["rendered"]:
            for step, score in enumerate(layer["maximized"]["mean_curve"]):
                if math.isfinite(score):
                    writer.writerow([facts["key"], layer["name"], step, f"{score:.6g}"])
    return text.getvalue().encode()


def render(artifacts: Path, params: Params, out: Path) -> None:
    """Write the whole report into `out`, an empty folder: pages, metrics.json, curves.csv and plots/.

    Raises InputError where an image is not readable, or a model's name is that of the index.
    """
    if "index" in params.models:
        raise InputError("params.yaml: models.index: the report's first page has this name; expected another one")
    env = environment()
    models = []
    for key in params.models:
        page, facts = model_page(env, artifacts, key, params)
        write_bytes(out / f"{key}.html", page)
        models.append(facts)
        for layer in facts["rendered"]:
            picture = artifacts / "maximize" / key / f"{layer['name']}.png"
            if picture.is_file():
                write_bytes(out / "plots" / key / picture.name, picture.read_bytes())
    fixed = report_data.fixed_filters(artifacts, Inliner())
    index = env.get_template("index.html").render(models=models, fixed=fixed, sets=_sets(artifacts))
    write_bytes(out / "index.html", index.encode())
    write_json(out / "metrics.json", {facts["key"]: facts["headline"] for facts in models})
    write_bytes(out / "curves.csv", _curves_csv(models))
