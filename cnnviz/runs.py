"""Which runs dvc.lock asks for, and what each of them holds: MLflow as a view of the files that DVC knows."""

import hashlib
import time
from dataclasses import dataclass, field

from cnnviz import run_content, views
from cnnviz.lockfile import Entry, digest
from cnnviz.stage import ARTIFACTS, CACHE, read_json
from cnnviz.tracking import Store


@dataclass
class Done:
    """What a sync found and made: ids of the runs that dvc.lock asks for, number of new ones, stages without files."""

    experiment: str
    runs: list[str] = field(default_factory=list)
    made: int = 0
    absent: list[str] = field(default_factory=list)


def sync(store: Store, entries: list[Entry], workspace: bool = True) -> Done:
    """Make the runs that are missing for `entries`, and mark what is current.

    workspace: whether `entries` are the project's own dvc.lock; those of an experiment in a temporary folder get their
    runs without becoming current.
    """
    done, wanted = Done(store.experiment), set()
    present = {entry.name for entry in entries if entry.present()}
    current = "true" if workspace else "false"
    family: dict[str, dict[str, str]] = {}  # tags that the runs of a model's stages share
    for i, (model, stages) in enumerate(_by_model(entries).items()):
        color = {"mlflow.runColor": views.COLORS[i % len(views.COLORS)]}
        key = digest(sorted(entry.key for entry in stages))
        new = store.find("model", key) is None
        if new and all(entry.name in present for entry in stages):
            _make_model(store, model, key, stages, {**color, "current": current})
            done.made += 1
        if run := store.find("model", key):
            family[model] = {**color, "mlflow.parentRunId": run}
            wanted.add(("model", key))
            if new or workspace:
                store.tag("model", key, color)
                _refresh_report(store, model, key)
    for entry in entries:
        nested = family.get(entry.model or "", {})
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
        _settle_commit(store, wanted)
        models = [store.runs[run] for run in wanted if run[0] == "model"]
        if models:
            common = set.intersection(*(set(run.data.metrics) for run in models))
            store.tag_experiment(
                views.tags(sorted(common), max(entry.params.get("maximize.steps", 1) for entry in entries))
            )
    done.runs = sorted(store.runs[run].info.run_id for run in wanted)
    return done


def _by_model(entries: list[Entry]) -> dict[str, list[Entry]]:
    models: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.model:
            models.setdefault(entry.model, []).append(entry)
    return {model: stages for model, stages in models.items() if any(e.stage == "models" for e in stages)}


def _make_model(store: Store, model: str, key: str, stages: list[Entry], tags: dict[str, str]) -> None:
    content = run_content.of_model(model)
    for entry in stages:
        content.params |= entry.params
    times = [t for t in (_timing(entry.name) for entry in stages) if t]
    rendering = _timing(f"maximize@{model}")
    if rendering and content.metrics.get("rendered_filters"):
        content.metrics["render_seconds_per_filter"] = rendering["seconds"] / content.metrics["rendered_filters"]
    span = (min(t["started"] for t in times), max(t["ended"] for t in times)) if times else (time.time(),) * 2
    tags |= {"kind": "model", "model": model, "dvc.lock_key": key}
    tags["dvc.outs_md5"] = " ".join(entry.outs_md5 for entry in stages)
    store.make(model, tags, content, span)


def _make_stage(store: Store, entry: Entry, tags: dict[str, str]) -> None:
    content = run_content.of_stage(entry.stage, entry.model)
    content.params = dict(entry.params)
    timing = _timing(entry.name)
    if timing:
        for name in ("seconds", "network_seconds", "cpu_seconds", "peak_memory_mb"):
            content.metrics[name] = timing[name]
    tags |= {"kind": "stage", "stage": entry.stage, "dvc.stage": entry.name}
    tags |= {"mlflow.source.name": entry.cmd, "mlflow.source.type": "LOCAL"}
    tags |= {"dvc.lock_key": entry.key, "dvc.outs_md5": entry.outs_md5}
    if entry.model:
        tags["model"] = entry.model
    store.make(entry.name, tags, content, (timing["started"], timing["ended"]) if timing else (time.time(),) * 2)


def _refresh_report(store: Store, model: str, key: str) -> None:
    """Store the model's page again when it changed: other models' stages change it, too."""
    page = ARTIFACTS / "report" / f"{model}.html"
    if not page.is_file():
        return
    sha = hashlib.sha256(page.read_bytes()).hexdigest()
    if store.runs["model", key].data.tags.get("report.sha256") != sha:
        store.client.log_artifact(store.runs["model", key].info.run_id, str(page), "report")
        store.tag("model", key, {"report.sha256": sha})


def _settle_commit(store: Store, wanted: set[tuple[str, str]]) -> None:
    """Runs made before their dvc.lock was committed get the commit that holds it."""
    if store.common["git.dirty"] == "false":
        for kind, key in wanted:
            if store.runs[kind, key].data.tags.get("git.dirty") == "true":
                store.tag(kind, key, {k: store.common[k] for k in ("git.commit", "git.dirty")})


def _timing(name: str) -> dict[str, float] | None:
    """What cnnviz.stage measured, None where the stage was not run here."""
    try:
        return read_json(CACHE / "timings" / f"{name}.json")
    except (FileNotFoundError, ValueError):
        return None
