"""What was typed -> a state, and what of it: `HEAD~1`, `long:vgg16`, `.:vgg16/block3_conv1@10`."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cnnviz import verify
from cnnviz.errors import InputError, choices, quoted
from cnnviz.files import ARTIFACTS
from cnnviz.tracking import lockfile, target
from cnnviz.verify import Folder
from cnnviz.versus.states import State, key_of

HERE, THIS = ".", "this folder"
EXPECTED = (
    "expected an experiment of DVC, a Git revision, a run of MLflow, another clone's folder, or . for this folder, "
    "and behind it, where wanted, :model, :model/layer, @step"
)
_CHOSEN = re.compile(r"(?P<state>.*?)(?::(?P<model>[^:/@]+)(?:/(?P<layer>[^:]+?))?)?(?:@(?P<step>[0-9]{1,9}))?")
_FOLDERS = {"analyze": "analysis"}  # of stages that write elsewhere than their name says


@dataclass(frozen=True)
class Chosen:
    """A state and what was chosen of it; None: whatever both have. step None: the last."""

    given: str
    state: State
    model: str | None = None
    layer: str | None = None
    step: int | None = None

    @property
    def title(self) -> str:
        """What tells it from the other side."""
        parts = [self.state.title]
        if self.model and self.model != self.state.only:
            parts.append("/".join(filter(None, (self.model, self.layer))))
        return ", ".join(parts) + (f", step {self.step}" if self.step is not None else "")


def find(given: str) -> Chosen:
    """Raises InputError, with the nearest names, for what is none of those."""
    if state := _state(given):
        return Chosen(given, state)
    parts = _CHOSEN.fullmatch(given)
    if parts and (parts["model"] or parts["step"]) and (state := _state(parts["state"])):
        step = int(parts["step"]) if parts["step"] else None
        return Chosen(given, state, parts["model"], parts["layer"], step)
    names = [*_experiments(), *(run.name for run in _runs() if run.tags.get("kind") == "model")]
    wanted = parts["state"] if parts and parts["state"] else given
    near = f"; {choices(wanted, dict.fromkeys(names))}" if names else ""
    raise InputError(f"{quoted(given)}: {EXPECTED}{near}{_unasked()}")


def _state(name: str) -> State | None:
    """The state of this name. An experiment before a commit before a folder; what begins with . or / is a folder."""
    path = Path(name or HERE)
    if name.startswith((".", "/")) and path.is_dir():
        return _folder(path)
    if not name:
        return _folder(path)
    known = [*_experiments().get(name, []), *filter(None, [_commit(name)])]
    if len(set(known)) > 1:
        listed = ", ".join(dict.fromkeys(commit[:9] for commit in known))
        raise InputError(f"{quoted(name)}: the name of several states; give the commit of one: {listed}")
    if known:
        return _committed(name, known[0], name in _experiments())
    if path.exists():
        return _folder(path)
    return _of_run(name)


def _folder(path: Path) -> State:
    if path.resolve() == Path.cwd():
        remedy = "dvc checkout {}, or make repro, brings them"
        return State(THIS, lockfile.read(), Folder(ARTIFACTS), remedy)
    found = verify.find(str(path))
    remedy = f"make repro, in {path}, makes them"
    return State(found.title, found.entries, found.folder, remedy if found.folder else "give a whole clone")


def _committed(name: str, commit: str, experiment: bool) -> State:
    short = commit[:9]
    title = f"commit {short}" + ("" if commit.startswith(name) else f" ({name})")
    title = f"experiment {name}" if experiment else title
    remedy = f"dvc fetch -A {{}} brings them where a remote has them; else: git worktree add ../then {short}, "
    remedy += "make repro there, and give that folder; what lay here but was not committed: by its run of MLflow"
    return State(title, verify.find(commit).entries, None, remedy)


def _git(*words: str) -> str:
    """What a git command says, nothing where it fails."""
    try:
        done = subprocess.run(["git", "--no-optional-locks", *words], capture_output=True, text=True, check=False)
    except (OSError, ValueError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _commit(name: str) -> str | None:
    words = ["rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}"]
    return _git(*words).strip() or None


def _experiments() -> dict[str, list[str]]:
    """Commits of DVC's experiments by name, of which several baselines may have the same."""
    found: dict[str, list[str]] = {}
    for line in _git("for-each-ref", "--format=%(refname) %(objectname)", "refs/exps/").splitlines():
        ref, _, commit = line.rpartition(" ")
        if kept := re.fullmatch(r"refs/exps/[0-9a-f]{2}/[0-9a-f]+/([^/]+)", ref):
            found.setdefault(kept[1], []).append(commit)
    return found


def _runs() -> list[target.Run]:
    with suppress(OSError):
        return target.past_runs(target.target())
    return []


def _unasked() -> str:
    """Why no run of MLflow was looked for; empty where they were."""
    try:
        target.past_runs(target.target())
    except OSError as error:
        return f"; MLflow's store can't be asked: {error}"
    return ""


def _of_run(name: str) -> State | None:
    """The state of a run, given by its name, its id or the beginning of that."""
    long = re.fullmatch(r"[0-9a-f]{7,32}", name)
    found = [run for run in _runs() if run.name == name or (long and run.id.startswith(name))]
    if len(found) > 1:
        listed = ", ".join(run.id for run in found)
        raise InputError(f"{quoted(name)}: the name of {len(found)} runs of MLflow; give the id of one: {listed}")
    if not found:
        return None
    run, model = found[0], found[0].tags.get("model")
    if not model:
        raise InputError(f"{quoted(name)}: a run of MLflow that is of no model; give the run of one")
    for state in _candidates(run):
        if state and _is(run, state.entries, model):
            return State(f"run {run.name}", state.entries, state.folder, state.remedy, run.tags, model)
    remedy = "no commit or experiment holds this state; make it again with its params, which MLflow shows"
    return State(f"run {run.name}", _told(run, model), None, remedy, run.tags, model)


def _candidates(run: target.Run) -> Iterator[State | None]:
    """Where the dvc.lock of a run may be: here, in its experiment, in its commit."""
    yield _folder(Path())
    for name in (run.tags.get("dvc.experiment"), run.tags.get("git.commit")):
        with suppress(InputError):  # several, or a commit without dvc.lock
            yield _state(name) if name and name != "none" else None


def _is(run: target.Run, entries: list[lockfile.Entry], model: str) -> bool:
    if run.tags.get("kind") == "model":
        return key_of(entries, model) == run.tags["dvc.lock_key"]
    return any(entry.key == run.tags["dvc.lock_key"] for entry in entries)


def _told(run: target.Run, model: str) -> list[lockfile.Entry]:
    """The stages of a model's state as the runs of MLflow tell them, by the digests of their outputs."""
    wanted = run.tags.get("dvc.outs_md5", "").split()
    found = []
    for one in _runs():
        stage, md5 = one.tags.get("stage", ""), one.tags.get("dvc.outs_md5", "")
        if one.tags.get("kind") == "stage" and one.tags.get("model") == model and md5 in wanted:
            out = lockfile.Out(ARTIFACTS / _FOLDERS.get(stage, stage) / model, md5, 0, 0)
            key = one.tags["dvc.lock_key"]
            found.append(lockfile.Entry(f"{stage}@{model}", stage, model, key, "", dict(one.params), (out,)))
    return found
