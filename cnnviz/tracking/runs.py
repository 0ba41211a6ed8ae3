"""Which runs dvc.lock asks for, and what each of them holds: MLflow as a view of the files that DVC knows."""

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from cnnviz.files import ARTIFACTS
from cnnviz.tracking import lockfile, timings, views
from cnnviz.tracking.content import STAGES, of_model, of_stage, rounded
from cnnviz.tracking.lockfile import Entry, digest
from cnnviz.tracking.store import Store

ORDER = ("images", *STAGES, "fixed_filters", "compare", "report")  # of stages in MLflow's tables
GIT = ("git.commit", "git.dirty", "git.differs", "mlflow.source.git.commit")


@dataclass
class Done:
    """What a sync found and made: ids of the runs that dvc.lock asks for, number of new ones, stages without files."""

    experiment: str
    runs: list[str] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)  # id of each model's run
    made: int = 0
    absent: list[str] = field(default_factory=list)


def sync(store: Store, entries: list[Entry], workspace: bool = True) -> Done:
    """Make the runs that are missing for `entries`, and mark what is current.

    workspace: whether `entries` are the project's own dvc.lock; those of an experiment in a temporary folder get their
    runs without becoming current.
    """
    done, wanted = Done(store.experiment), set()
    entries = [entry for entry in entries if _worth(entry)]
    present = {entry.name for entry in entries if entry.present()}
    current = "true" if workspace else "false"
    parents: dict[str, str] = {}
    models = _by_model(entries)
    places = {model: place for place, model in enumerate(models)}
    for model, stages in models.items():
        key, whole = digest(sorted(entry.key for entry in stages)), all(entry.name in present for entry in stages)
        if whole:
            store.renew("model", key)
        new = store.find("model", key) is None
        if new and whole:
            _make_model(store, model, key, stages, {"current": current})
            done.made += 1
        if run := store.find("model", key):
            parents[model] = run
            done.models[model] = run
            wanted.add(("model", key))
            if new or workspace:
                _refresh_report(store, model, key)
    for entry in entries:
        nested = {"mlflow.parentRunId": parents[entry.model]} if entry.model in parents else {}
        if entry.name in present:
            store.renew("stage", entry.key)
        if store.find("stage", entry.key) is None:
            if entry.name not in present:
                done.absent.append(entry.name)
                continue
            _make_stage(store, entry, {**nested, "current": current})
            done.made += 1
        elif workspace:
            store.tag("stage", entry.key, nested)
        wanted.add(("stage", entry.key))
    if workspace:
        for kind, key in list(store.runs):
            store.tag(kind, key, {"current": str((kind, key) in wanted).lower()})
        _order(store, places)
        _settle_commit(store, wanted)
    _name(store)
    _colour(store, list(models))
    if workspace and parents:
        _save_views(store, max(entry.params.get("maximize.steps", 1) for entry in entries))
    done.runs = sorted(store.runs[run].info.run_id for run in wanted)
    return done


def _worth(entry: Entry) -> bool:
    """Whether a stage made anything: `epochs` of a model that is no series did not."""
    return entry.stage != "epochs" or f"models.{entry.model}.checkpoints" in entry.params


def _tried(store: Store, name: str) -> str:
    """The name of a run that is made now: that of an experiment is not its baseline's."""
    experiment = store.common.get("dvc.experiment")
    return f"{name} · {experiment}" if experiment else name


def _name(store: Store) -> None:
    """The plain names belong to what is current outside of an experiment; while DVC runs one, the baseline keeps its.

    Past states of a model get names of their own, so that they compare as different models do.
    """
    trying = store.common.get("dvc.experiment")
    tried = {key for key, run in store.runs.items() if trying and run.data.tags.get("dvc.experiment") == trying}
    ahead = {
        run.data.tags["model"] for (kind, key), run in store.runs.items() if (kind, key) in tried and kind == "model"
    }
    for (kind, key), run in store.runs.items():
        tags = run.data.tags
        plain = tags["model"] if kind == "model" else tags["dvc.stage"]
        if tags["current"] == "true" and (kind, key) not in tried:
            store.rename(kind, key, plain)
        elif experiment := tags.get("dvc.experiment"):
            store.rename(kind, key, f"{plain} · {experiment}")
        elif kind == "model" and not (tags["model"] in ahead and tags.get("mlflow.runName") == plain):
            store.rename(kind, key, f"{plain} · {key[:7]}")


def _order(store: Store, places: dict[str, int]) -> None:
    """A tag that MLflow's tables are sorted by: stage after stage, and in each the models as params.yaml has them."""
    for (kind, key), run in store.runs.items():
        tags = run.data.tags
        stage = ORDER.index(tags["stage"]) if tags.get("stage") in ORDER else len(ORDER)
        place = places.get(tags.get("model", ""), len(places))
        store.tag(kind, key, {"order": f"{stage if kind == 'stage' else 0:02}-{place:03}"})


def _colour(store: Store, models: list[str]) -> None:
    """A colour for each model that is current, and one for each other state of one; the stages have their model's."""
    colors: dict[str, str] = {}
    for (kind, key), run in store.runs.items():
        tags = run.data.tags
        if kind == "model" and tags["current"] == "true":
            place = models.index(tags["model"]) if tags["model"] in models else len(models)
            colors[run.info.run_id] = views.COLORS[place % len(views.COLORS)]
        elif kind == "model":
            colors[run.info.run_id] = views.color(key)
    for (kind, key), run in store.runs.items():
        owner = run.info.run_id if kind == "model" else run.data.tags.get("mlflow.parentRunId")
        if owner in colors:
            store.tag(kind, key, {"mlflow.runColor": colors[owner]})


def _save_views(store: Store, last_step: int) -> None:
    """What MLflow's pages open with: the numbers that the models share, the params that a model's states differ in."""
    runs = [run for (kind, _), run in store.runs.items() if kind == "model"]
    keys = [set(run.data.metrics) for run in runs if run.data.tags["current"] == "true"]
    shown = set.intersection(*keys) | (set.union(*keys) & set(views.FIRST))  # not every model is a classifier
    values: dict[tuple[str, str], set[str]] = {}
    for run in runs:
        for name, value in run.data.params.items():
            values.setdefault((run.data.tags["model"], name), set()).add(value)
    differing = sorted({name for (_, name), found in values.items() if len(found) > 1})
    store.tag_experiment(views.KIND | views.tags(sorted(shown), last_step, differing))


def _by_model(entries: list[Entry]) -> dict[str, list[Entry]]:
    """The stages of each model, models in the order of params.yaml."""
    models: dict[str, list[Entry]] = {model: [] for model in lockfile.models()}
    for entry in entries:
        if entry.model:
            models.setdefault(entry.model, []).append(entry)
    return {model: stages for model, stages in models.items() if any(e.stage == "models" for e in stages)}


def _make_model(store: Store, model: str, key: str, stages: list[Entry], tags: dict[str, str]) -> None:
    content = of_model(model)
    for entry in stages:
        content.params |= entry.params
    times = _times(stages)
    rendering = next((timings.of(e.name, e.key) for e in stages if e.stage == "maximize"), None)
    if rendering and content.metrics.get("rendered_filters"):
        each = rendering["seconds"] / content.metrics["rendered_filters"]
        content.metrics["render_seconds_per_filter"] = rounded(each)
    first = {name: content.metrics[name] for name in views.FIRST if name in content.metrics}
    content.metrics = first | content.metrics
    # its own work: not that of stages which it has in common with a state that was logged before
    own = _times(entry for entry in stages if store.find("stage", entry.key) is None) or times
    start = min((t["started"] for t in own), default=time.time())
    span = (start, start + sum(t["seconds"] for t in own))  # they may have run days apart
    tags |= {"mlflow.source.name": "make repro", "mlflow.source.type": "LOCAL"}
    tags |= {"kind": "model", "model": model, "dvc.lock_key": key, **_environment(times)}
    tags["dvc.outs_md5"] = " ".join(entry.outs_md5 for entry in stages)
    store.make(_tried(store, model), tags, content, span)


def _times(entries: Iterable[Entry]) -> list[timings.Timing]:
    return [t for t in (timings.of(entry.name, entry.key) for entry in entries) if t]


def _make_stage(store: Store, entry: Entry, tags: dict[str, str]) -> None:
    content = of_stage(entry.stage, entry.model)
    content.params = dict(entry.params)
    timing = timings.of(entry.name, entry.key)
    if timing:
        for name in ("seconds", "network_seconds", "cpu_seconds", "peak_memory_mb"):
            content.metrics[name] = rounded(timing[name])
    tags |= {"kind": "stage", "stage": entry.stage, "dvc.stage": entry.name}
    tags |= {"mlflow.source.name": entry.cmd, "mlflow.source.type": "LOCAL"}
    tags |= {"dvc.lock_key": entry.key, "dvc.outs_md5": entry.outs_md5, **_environment([timing] if timing else [])}
    if entry.model:
        tags["model"] = entry.model
    name = _tried(store, entry.name)
    store.make(name, tags, content, (timing["started"], timing["ended"]) if timing else (time.time(),) * 2)


def _refresh_report(store: Store, model: str, key: str) -> None:
    """Store the model's page again when it changed: other models' stages change it, too."""
    page = ARTIFACTS / "report" / f"{model}.html"
    if not page.is_file():
        return
    sha = hashlib.sha256(page.read_bytes()).hexdigest()
    if store.runs["model", key].data.tags.get("report.sha256") != sha:
        store.keep(store.runs["model", key], page, "report")
        store.tag("model", key, {"report.sha256": sha})


def _settle_commit(store: Store, wanted: set[tuple[str, str]]) -> None:
    """Runs made before their dvc.lock was committed get the commit that holds it."""
    if store.common["git.dirty"] == "false":
        for kind, key in wanted:
            if store.runs[kind, key].data.tags.get("git.dirty") == "true":
                store.tag(kind, key, {k: store.common[k] for k in GIT if k in store.common})


def _environment(times: list[timings.Timing]) -> dict[str, str]:
    """Tags with what the stages ran on and with: processors, name and kind of each, what TensorFlow computed on, the
    versions of the packages.
    """
    found: dict[str, dict[str, None]] = {"cpu": {timing["cpu"]: None for timing in times if "cpu" in timing}}
    for name, value in ((name, value) for timing in times for name, value in timing.get("device", {}).items()):
        found.setdefault(name, {})[value] = None
    versions = {f"{name} {version}": None for t in times for name, version in t.get("packages", {}).items()}
    tags = {f"environment.{name}": " | ".join(map(str, values)) for name, values in found.items()}
    tags["environment.packages"] = ", ".join(sorted(versions))
    return {name: value for name, value in tags.items() if value}
