"""A state of the project: where its files are, and what made them. It may be past, another clone's, or the one here."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cnnviz import verify
from cnnviz.files import ARTIFACTS, computed_on
from cnnviz.tracking import lockfile, timings
from cnnviz.verify import Files, Folder

KINDS = ("images", "models", "weights", "maximize", "analysis", "judge")  # outputs of which files are read


@dataclass(frozen=True)
class State:
    """title: for people; entries: stages of its dvc.lock, none where there isn't one; folder: where its files lie,
    None: in DVC's cache; remedy: how to get files that are not there, with {} for the stage; tags: of its runs in
    MLflow, where it was asked for by one of these; only: the one model that it knows.
    """

    title: str
    entries: list[lockfile.Entry]
    folder: Folder | None = None
    remedy: str = ""
    tags: Mapping[str, str] | None = None
    only: str | None = None

    @cached_property
    def digests(self) -> dict[str, str]:
        """MD5 of its outputs that are read here, by path; of a folder what its dvc.lock says, which may be older."""
        found = verify.paths(self.entries)
        return {path: md5 for path, md5 in found.items() if Path(path).parts[1] in KINDS}

    @cached_property
    def _kept(self) -> dict[str, Files]:
        found = verify.from_cache(self.digests)
        for entry in lockfile.read() if self.digests.keys() - found.keys() else ():
            for out in entry.outs:  # the cache lacks it, but it lies here
                path = out.path.as_posix()
                if path not in found and self.digests.get(path) == out.md5 and entry.present():
                    found[path] = Folder(ARTIFACTS).files(path)
        return found

    def files(self, kind: str, model: str = "") -> Files:
        """Files of an output, none where they are not at hand."""
        path = (ARTIFACTS / kind / model).as_posix()
        return self.folder.files(path) if self.folder else self._kept.get(path, {})

    def models(self) -> list[str]:
        """Models with maximized filters, whether or not their files are at hand."""
        if self.only is not None:
            return [self.only]
        top = self.folder.artifacts / "maximize" if self.folder else None
        here = sorted(path.name for path in top.iterdir() if path.is_dir()) if top and top.is_dir() else []
        parts = [Path(path).parts for path in self.digests]
        listed = [part[2] for part in parts if part[1] == "maximize" and len(part) == 3]
        return [name for name in listed if name in here or not self.folder] + [n for n in here if n not in listed]

    def key(self, model: str) -> str:
        """What `track` calls this state of a model: `dvc.lock_key` of its run."""
        return key_of(self.entries, model)

    def entry(self, stage: str, model: str) -> lockfile.Entry | None:
        found = (one for one in self.entries if one.stage == stage and one.model == model)
        return next(found, None)

    def params(self, model: str) -> dict[str, Any]:
        """Values that the stages of a model and of the images were run with; `models.<model>.` is `model.` here."""
        found: dict[str, Any] = {}
        for entry in self.entries:
            if entry.model == model or entry.stage == "images":
                found |= entry.params
        own = f"models.{model}."
        return {f"model.{k.removeprefix(own)}" if k.startswith(own) else k: v for k, v in found.items()}

    def deps(self, model: str) -> dict[str, str]:
        """Digests of the code, the inputs and the models' files that the stages of a model were run with."""
        found: dict[str, str] = {}
        for entry in self.entries:
            if entry.model == model or entry.stage == "images":
                found |= entry.deps
        return found

    def environment(self, model: str) -> tuple[str, str]:
        """Processor and packages that its filters were rendered on and with; empty where that is not known."""
        entry = self.entry("maximize", model)
        if timing := timings.noted(entry.name, entry.key) if entry else {}:
            packages = ", ".join(f"{name} {version}" for name, version in timing.get("packages", {}).items())
            return computed_on(timing), packages
        tags = self.tags or {}
        noted = {"cpu": tags.get("environment.cpu", ""), "device": {"device": tags.get("environment.device", "")}}
        return computed_on(noted), tags.get("environment.packages", "")


def key_of(entries: list[lockfile.Entry], model: str) -> str:
    return lockfile.digest(sorted(one.key for one in entries if one.model == model))
