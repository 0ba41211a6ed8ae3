"""Saved views of MLflow's pages: which runs, columns and charts a link opens with. Knows no MLflow.

MLflow keeps a saved view as a tag of the experiment, and `viewStateShareKey=<name>` in an address opens it.
"""

import base64
import colorsys
import json
import zlib
from typing import Any

from cnnviz.tracking.links import TRAINING

LAYOUT = "2"  # of what a run holds: raised when runs of an older cnnviz have to be made again to show it
TAG = "mlflow.sharedViewState."
KIND = {"mlflow.experimentKind": "custom_model_development"}  # that of an experiment; some MLflows ask for it
CURRENT = "tags.kind = 'model' and tags.current = 'true'"
FIRST = (
    *("parameters", "conv_layers", "conv_filters", "accuracy", "dead_share", "weak_share", "median_against_nature"),
    *("mean_firing_rate", "median_population_sparsity", "median_selectivity_rank", "render_seconds_per_filter"),
    *(
        "rendered_filters",
        "median_robust_score",
        "median_nature_percentile",
        "median_seed_stability",
        "median_spectrum_distance",
    ),
    *("median_score_gain", "ok_share", "never_active_share"),
)
LONGEST = 5000  # characters that MLflow takes in a tag of an experiment
DATE = 1767225600000  # MLflow shows one; a fixed one keeps the tags the same from sync to sync

DEPTHS = ("early", "middle", "late")

STAGE_COLUMNS = [
    "tags.`stage`",
    "tags.`model`",
    "metrics.`seconds`",
    "metrics.`network_seconds`",
    "metrics.`peak_memory_mb`",
    "tags.`git.commit`",
    "tags.`dvc.lock_key`",
]

HISTORY_COLUMNS = ["tags.`current`", "tags.`dvc.experiment`", "tags.`git.commit`", "tags.`git.dirty`"]

# One colour per model, in the order of params.yaml (Okabe and Ito, told apart by colour-blind people, too).
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C564B", "#7F7F7F")


def color(key: str) -> str:
    """A colour for a past state of a model, from the digest (hexadecimal) that it is known by."""
    parts = colorsys.hls_to_rgb(int(key[:6], 16) / 0xFFFFFF, 0.45, 0.6)
    return "#" + "".join(f"{round(255 * part):02X}" for part in parts)


def tags(metrics: list[str], last_step: int, params: list[str]) -> dict[str, str]:
    """Return the experiment's tags for the views `models`, `pictures`, `filters`, `history` and `stages`.

    metrics: the keys to show of model runs; last_step: the step that the pictures open at; params: keys in which the
    states of a model differ, shown in `history`.
    """
    numbers = [key for key in FIRST if key in metrics]
    numbers += [key for key in metrics if key not in (*FIRST, *_CURVES)]
    columns = [f"metrics.`{key}`" for key in numbers]
    charts, steps = _charts(numbers, metrics), _step_charts(last_step)
    current = {"searchFilter": CURRENT, "orderByKey": "tags.`order`", "orderByAsc": True}
    every = {"searchFilter": "tags.kind = 'model'", "orderByKey": "tags.`current`", "orderByAsc": False}
    stages = {"searchFilter": CURRENT.replace("model", "stage"), "orderByKey": "tags.`order`", "orderByAsc": True}
    # MLflow shows the pictures of charts from the last row of the table to the first
    rendered = {**stages, "searchFilter": f"{stages['searchFilter']} and tags.stage = 'maximize'", "orderByAsc": False}
    wide = {"runListHidden": True, "viewMaximized": True}
    return {
        f"{TAG}models": _view("Models", {**current, **_columns(columns), **charts}),
        f"{TAG}pictures": _view("Pictures", {**current, **_columns(columns), **wide}),
        f"{TAG}filters": _view("Maximized filters", {**rendered, **_columns(STAGE_COLUMNS), **steps, **wide}),
        f"{TAG}history": _view(
            "Models, past ones too",
            {**every, **_columns([*HISTORY_COLUMNS, *(f"params.`{key}`" for key in params[:12]), *columns]), **charts},
        ),
        f"{TAG}stages": _view("Stages", {**stages, **_columns(STAGE_COLUMNS)}),
    }


def links(base: str, experiment: str) -> dict[str, str]:
    """Return what is worth opening on the server at `base`, in words and as addresses."""
    view = f"{base}/#/experiments/{experiment}/runs?{TRAINING}&viewStateShareKey="
    return {
        "models": f"{view}models",
        "pictures side by side": f"{view}pictures&compareRunsMode=ARTIFACT",
        "curves and numbers side by side": f"{view}models&compareRunsMode=CHART",
    }


def note(experiment: str) -> str:
    """Return what stands above every page of the experiment, as Markdown: the other pages, and what a run is."""
    pages = links("", experiment)
    pages["filters step by step"] = pages["models"].replace("=models", "=filters&compareRunsMode=CHART")
    pages |= {"stages": pages["models"].replace("=models", "=stages")}
    listed = " · ".join(f"[{name}]({address.removeprefix('/')})" for name, address in pages.items())
    return f"{listed}\n\nOne run per model, its stages below it, made from the files of DVC; `make ui` restores them."


def _columns(columns: list[str]) -> dict[str, Any]:
    """Columns in this order, wide enough for their headings; left to itself MLflow sorts and cuts them."""
    first = {"attributes.`Run Name`": 190, "runDateAndNestInfo": 150, "duration": 80}
    widths = {name: max(70, 8 * len(name.split("`")[1]) + 24) for name in columns}
    return {
        "selectedColumns": columns,
        "columnOrder": [*first, *columns],
        "columnWidths": {**first, **widths},
    }


def _view(name: str, state: dict[str, Any]) -> str:
    for left_out in ((), _CHARTS, (*_CHARTS, "columnOrder", "columnWidths"), (*_CHARTS, *_COLUMNS)):
        kept = {key: value for key, value in state.items() if key not in left_out}
        packed = base64.b64encode(zlib.compress(json.dumps(kept).encode())).decode()
        value = json.dumps({"name": name, "createdAt": DATE, "updatedAt": DATE, "state": f"deflate;{packed}"})
        if len(value) <= LONGEST:  # otherwise very many image sets: MLflow's own choice of charts and columns will do
            break
    return value


_CHARTS = ("compareRunCharts", "compareRunSections", "isAccordionReordered")
_COLUMNS = ("selectedColumns", "columnOrder", "columnWidths")


def _charts(numbers: list[str], metrics: list[str]) -> dict[str, Any]:
    """Curves first, then bars, then all numbers as parallel coordinates."""
    sections = {
        "curves": "Maximized filters: score by step",
        "bars": "Headline numbers",
        "all": "All at once",
    }
    cards = []
    for key in (key for key in _CURVES if key in metrics):
        scale = "linear" if key == "progress" else "log"  # scores of two networks may differ a thousandfold
        cards.append(
            _card(key, "curves", type="LINE", metricKey=key, displayName=_title(key), scaleType=scale, **_LINE)
        )
    cards += [_card(key, "bars", type="BAR", displayName=key, metricKey=key) for key in numbers]
    compared = [key for key in numbers if key.startswith("median_")] or numbers[:8]
    cards.append(_card("all", "all", type="PARALLEL", selectedMetrics=compared, selectedParams=[], showAllRuns=False))
    return _sections(sections, cards, {"all": {"columns": 1}})


def _step_charts(last_step: int) -> dict[str, Any]:
    """Of the maximize stages: final images, then the way there with a slider, then the scores."""
    sections = {
        "final": "Final images",
        "steps": "Step by step: move the slider",
        "bars": "Scores of every filter",
        "curves": "Score by step",
    }
    cards = []
    for section, key in (("final", "final image"), ("steps", "image by step")):
        for depth in DEPTHS:
            keys = {"imageKeys": [f"{key}/{depth}"], "step": 0 if section == "final" else last_step}
            name = f"{key}, {depth} layer"
            cards.append(_card(name, section, type="IMAGE", **keys, showRunParams=False, displayName=name))
    name = "by filter/scores"
    cards.append(
        _card(name, "bars", type="IMAGE", imageKeys=[name], step=0, showRunParams=False, displayName="scores by filter")
    )
    for key in ("score/early", "score/middle", "score/late"):
        cards.append(
            _card(key, "curves", type="LINE", metricKey=key, displayName=_title(key), scaleType="log", **_LINE)
        )
    high = {"columns": 1, "cardHeight": 680}
    return _sections(sections, cards, {"final": high, "steps": high, "bars": {"columns": 1, "cardHeight": 420}})


def _sections(names: dict[str, str], cards: list[Any], sizes: dict[str, dict[str, int]]) -> dict[str, Any]:
    shape = {"display": True, "isReordered": False, "deleted": False, "isGenerated": False}
    return {
        "compareRunCharts": cards,
        "compareRunSections": [{"uuid": u, "name": name, **shape, **sizes.get(u, {})} for u, name in names.items()],
        "isAccordionReordered": True,  # in this order; what MLflow adds for other metrics comes after
    }


_CURVES = ("progress", "score", "score/early", "score/middle", "score/late")
_LINE = {
    "lineSmoothness": 0,
    "xAxisScaleType": "linear",
    "range": {},
    "xAxisKey": "step",
    "selectedXAxisMetricKey": "",
    "yAxisKey": "metric",
    "yAxisExpressions": [],
    "ignoreOutliers": False,
    "useGlobalXaxisKey": True,
    "useGlobalLineSmoothing": True,
}


def _title(key: str) -> str:
    return {
        "progress": "share of the whole gain reached (mean over filters)",
        "score": "score (mean over filters)",
    }.get(key, f"score, {key.partition('/')[2]} layer")


def _card(uuid: str, section: str, **settings: Any) -> dict[str, Any]:
    common = {"uuid": uuid, "runsCountToCompare": 10, "metricSectionId": section, "deleted": False}
    return {**common, "isGenerated": False, **settings}
