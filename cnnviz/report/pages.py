"""Artifacts -> a report to look at: an index and one self-contained page per model, plus files for `dvc metrics/plots`.

Pages carry their images inside, make no request, and work in a sandboxed frame. Whatever comes from params.yaml or
from a file is escaped. Reads files only: imports no TensorFlow.
"""

import base64
import csv
import hashlib
import io
import json
import math
import re
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from cnnviz.files import write_bytes, write_json
from cnnviz.report import data as report_data
from cnnviz.report import facts as report_facts
from cnnviz.report import measures, metrics, wording
from cnnviz.report.pictures import Inliner, Picture, profile
from cnnviz.report.site import build, sprites

TEMPLATES = Path(__file__).with_name("templates")
LIMIT = 14_000_000  # bytes of a page; MLflow shows files up to 15 MB
LAST = "layers.csv"  # what is written last
SCALES = (1.0, 0.7, 0.5, 0.35, 0.25)  # of the pictures, tried in this order until a page is below LIMIT


_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
Params = report_data.Params
Fixed = Callable[[Inliner], dict[str, Any] | None]


def _large(value: float | None) -> str:
    """14714688 -> 14.7 M, 36928 -> 36,928."""
    if value is None:
        return "–"
    return f"{value / 1e6:.1f} M" if abs(value) >= 1e6 else f"{value:,.0f}"


def _percent(value: float) -> str:
    if 0 < value < 0.001:
        return "under 0.1%"
    return f"{value:.0%}" if value == 0 or value >= 0.1 else f"{value:.1%}"


def _comparable(value: float | None, name: str) -> str:
    """A number that models or pairs are compared by: shares in percent, the rest with two places."""
    if value is None:
        return "–"
    if name.endswith(("share", "rate")):
        return _percent(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


@cache
def _breakable(name: str) -> Markup:
    """Let a long layer name wrap after an underscore or a dot."""
    return Markup("<wbr>").join(re.split(r"(?<=[_./])(?=.)", name))


def _shape(values: list[int]) -> str:
    return " × ".join("?" if v is None else str(v) for v in values) or "–"


def _together(layers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Settings per layer -> those that all layers share, and a row for each layer of those that differ."""
    names = list(dict.fromkeys(name for values in layers.values() for name in values))
    texts = {layer: {name: str(values.get(name, "–")) for name in names} for layer, values in layers.items()}
    differ = [name for name in names if len({values[name] for values in texts.values()}) > 1]
    common = {name: next(iter(texts.values()))[name] for name in names if name not in differ}
    rows = {layer: [values[name] for name in differ] for layer, values in texts.items()}
    return {"common": common, "differ": differ, "rows": rows}


def environment() -> jinja2.Environment:
    """Return the templates' environment: everything escaped, a missing name is an error."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.filters.update(large=_large, percent=_percent, shape=_shape)
    env.filters["comparable"] = _comparable
    env.filters["correlation"] = lambda value: "–" if value is None else f"{value:.2f}".replace("-0.00", "0.00")
    env.filters["in_words"] = lambda n: _WORDS[n] if n < len(_WORDS) else str(n)
    env.filters["data"] = lambda numbers: json.dumps(numbers, separators=(",", ":"))
    env.filters.update(breakable=_breakable, profile=profile, together=_together)
    env.globals.update(sprite=sprites.sprite, tile=sprites.tile)
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    env.filters.update(score=wording.score, gain=wording.gain, measure=wording.measure)
    env.globals.update(photos=wording.photos, meant=measures.meaning, defined=measures.defined)
    env.globals.update(script=Markup(script), script_digest=digest, near_duplicate=report_data.NEAR_DUPLICATE)  # noqa: S704
    return env


def model_page(
    env: jinja2.Environment, artifacts: Path, key: str, params: Params, fixed: Fixed | None = None
) -> tuple[bytes, dict[str, Any]]:
    """Render one model's page, with smaller pictures where it would grow beyond LIMIT; return it and its facts.

    fixed: `fixed_filters` of these artifacts, where several pages share it.
    """
    fixed = fixed or partial(fixed_filters, artifacts)
    page, facts, least = b"", {}, 0.0
    sets, shown = _sets(artifacts), _shown_params(params, key)
    for scale in SCALES:
        if least * scale**2 > LIMIT and scale != SCALES[-1]:
            continue
        inline = Inliner(scale)
        facts = report_facts.model(artifacts, key, params, inline)
        values = {"fixed": fixed(inline), "sets": sets, "params": shown, "start": params.maximize.start}
        page = env.get_template("model.html").render(model=facts, **values).encode()
        if len(page) <= LIMIT:
            break
        least = len(page) / scale**2  # bytes shrink at most as pixels do
    return page, facts


def _sets(artifacts: Path) -> dict[str, Any]:
    return dict(report_data.read(artifacts / "images" / "images.json"))


def fixed_filters(artifacts: Path, inline: Inliner) -> dict[str, Any] | None:
    """The hand-made and borrowed kernels with their pictures, or None where the stage has not run."""
    folder = artifacts / "fixed_filters"
    facts = dict(report_data.read(folder / "fixed_filters.json"))
    if not facts:
        return None
    names = ", ".join(kernel["name"] for kernel in facts["kernels"])
    alts = {
        "kernels": f"The kernels themselves: {names}",
        "outputs": f"Each image beside its outputs, a column per kernel: {names}",
        "relu": "The same outputs with negative values set to 0",
        "pooling": "Minimum, average and maximum pooling of the outputs side by side",
    }
    pictures: dict[str, Picture | None] = {n: inline.file(folder / f"{n}.png", alt, 2000) for n, alt in alts.items()}
    return facts | {"pictures": pictures}


def _shown_params(params: Params, key: str) -> str:
    """The part of params.yaml that shaped this model's pages, as YAML."""
    data = params.model_dump(mode="json", exclude_none=True, exclude_defaults=False)
    data["models"] = {key: {k: v for k, v in data["models"][key].items() if v not in ([], {}, "not stated")}}
    data["enlarge"] = {k: v for k, v in data["enlarge"].items() if k == key}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None)


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


def _layers_csv(models: list[dict[str, Any]]) -> bytes:
    """A row per rendered layer: how many filters are ok, weak and dead, and the medians of their scores."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    medians = [f"median_{name}" for name in report_data.SCORES]
    counts = [f"{what}_filters" for what in ("rendered", *report_data.STATES)]
    writer.writerow(["model", "layer", *counts, *medians])
    for facts in models:
        for layer in facts["rendered"]:
            m = layer["maximized"]
            numbers = ["" if value is None else f"{value:.6g}" for value in m["median"].values()]
            writer.writerow([facts["key"], layer["name"], m["rendered"], *m["count"].values(), *numbers])
    return text.getvalue().encode()


def is_whole(out: Path) -> bool:
    """Whether `render` wrote a whole report there, to its end."""
    return (out / LAST).is_file()


def render(
    artifacts: Path, params: Params, out: Path, preview: str = "", notes: report_data.Notes | None = None
) -> None:
    """Write the whole report into `out`, an empty folder: pages, metrics/, curves.csv, layers.csv, plots/.

    preview: what the artifacts are a first part of, "2 of 4 models": the site alone, marked as a preview, without what
    DVC or MLflow would take for results. notes: what people wrote, {model: {layer: {filter: text}}}.

    One thread reads all files: numpy.load, in two threads at once, now and then fails in Python 3.11 with "AST
    constructor recursion depth mismatch" (python/cpython#106905).

    Raises InputError where an image is not readable.
    """
    env = environment()
    fixed, models = cache(partial(fixed_filters, artifacts)), []
    for key in params.models:
        if preview:
            models.append(report_facts.model(artifacts, key, params, Inliner()))
            continue
        page, facts = model_page(env, artifacts, key, params, fixed)
        write_bytes(out / f"{key}.html", page)
        models.append(facts)
        for layer in facts["rendered"]:
            picture = artifacts / "maximize" / key / f"{layer['name']}.png"
            if picture.is_file():
                write_bytes(out / "plots" / key / picture.name, picture.read_bytes())
    shown = {facts["key"]: _shown_params(params, facts["key"]) for facts in models}
    shared = {
        "sets": _sets(artifacts),
        "fixed": fixed(Inliner()),
        "params": shown,
        "start": params.maximize.start,
        "preview": preview,
    }
    build.build(env, artifacts, out, models, shared, notes or {})
    if preview:
        return
    for key in params.models:
        write_json(out / "metrics" / f"{key}.json", metrics.of_model(artifacts, key))
    write_bytes(out / "curves.csv", _curves_csv(models))
    write_bytes(out / LAST, _layers_csv(models))
