"""The folder of a watched training: where in it a network stands, which of its states are written, and where."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

from cnnviz.errors import InputError
from cnnviz.networks import recognise, series

SCRATCH = ".now.weights.h5"  # overwritten at every checkpoint; what a kill leaves of it is never read
WHO = "FilterWatch"


class Keeping:
    """Keeps the states of one training. kept: those that have a file, in their order; seen: all that came by."""

    def __init__(
        self,
        folder: Path,
        preprocessing: Any,
        after: Callable[[str, int], None],
        warn: Callable[[str], None],
    ) -> None:
        """preprocessing: None where the user did not say it. after: gets name and step of what was written."""
        self.folder, self.after, self.warn = folder, after, warn
        self.given = {} if preprocessing is None else {"preprocessing": preprocessing}
        self.about: dict[str, Any] = {}
        self.kept: list[series.Moment] = []
        self.seen: list[series.Seen] = []

    def begin(self, network: keras.Model, epoch: int, step: int, stopped: tuple[int, int] | None) -> tuple[int, int]:
        """Find out where a training stands that begins now; return how many epochs and steps of it are done.

        epoch: as fit says it; step: those already done; stopped: where this very network was when fit last broke off.
        The state that it begins with is kept. What the folder has of later ones is set aside, and of another training
        everything: of another architecture, or where nothing tells that it was ever in this state.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(".*.part"):  # by a kill
            left.unlink()
        found, lost = series.whole_in(self.folder, thorough=True)
        self.kept, self.seen = [one.moment for one in found], series.seen_in(self.folder)
        known, signature, state = series.watch_in(self.folder), series.signature(network), digest(network)
        standing = None if _other(known, signature) else self._standing(state, epoch, stopped)
        if standing:
            self._leave(lost)
            self._go_back(standing)
        else:
            self._leave_all()
            known, standing = {}, series.Seen(epoch, step, state)
            step = 0
        self.about = known | self.given | {"architecture": signature}
        self._describe(network)
        if standing.at not in map(_at, self.kept):
            self.note(network, standing)
            self.add(network, standing)
        return standing.epoch, standing.step + step

    def note(self, network: keras.Model, one: series.Seen) -> None:
        """The network is in this state now, which need not be kept."""
        self._heal(network)
        self.seen.append(one)
        series.see(self.folder, one)

    def due(self, one: series.Seen) -> bool:
        """Whether a state at the end of an epoch is to be kept at any interval: it has a file, or none has."""
        return not self.kept or self.kept[-1].step == one.step

    def add(self, network: keras.Model, one: series.Seen) -> None:
        """Write the state that the network is in to its place in the series; a state has one file."""
        arrays = self._arrays(network)
        self._heal(network)
        earlier = (moment for moment in reversed(self.kept) if _at(moment) < one.at and moment.step != one.step)
        before = next((moment for moment in earlier if self._whole(moment)), None)
        kept = series.keep(self.folder, one.name, arrays, before, series.Moment(*one.at, one.logs))
        if self.kept and self.kept[-1].step == one.step and _at(self.kept[-1]) != one.at:  # before the epoch was over
            _file(self.folder, self.kept.pop()).unlink(missing_ok=True)
        self.kept = sorted([*(moment for moment in self.kept if _at(moment) != one.at), kept], key=_at)
        self.after(one.name, one.step)

    def end(self, network: keras.Model, last: series.Seen) -> None:
        """Keep the state that a training leaves, under the name of when it was first in it. last: of its last epoch.

        That may be another one by now: that of the best epoch, which a callback brought back, or the mean of many,
        which the optimizer makes in the end and which is the last one then.
        """
        state = digest(network)
        found = [last] if state == last.state else [one for one in self._known() if one.state == state]
        if not found and _averages(network):
            self.kept = [moment for moment in self.kept if _at(moment) != last.at]
            found = [replace(last, state=state, logs={})]
            self.note(network, found[0])
        if not found:
            _say("the network was left in a state that it had after no epoch, which is no part of the series")
        elif not {one.at for one in found} & set(map(_at, self.kept)):
            self.add(network, min(found, key=lambda one: one.at))

    def _known(self) -> list[series.Seen]:
        kept = [series.Seen(*_at(moment), moment.state, moment.logs) for moment in self.kept]
        return [*kept, *self.seen]

    def _standing(self, state: str, epoch: int, stopped: tuple[int, int] | None) -> series.Seen | None:
        """When the training was last in this state, at fit's epoch where that is one of several such."""
        found = [one for one in self._known() if one.state == state]
        if not found and stopped:
            return series.Seen(*stopped, state)
        found = [one for one in found if epoch and one.epoch == epoch] or found
        return max(found, key=lambda one: one.at, default=None)

    def _leave(self, lost: dict[Path, str]) -> None:
        """Set aside what is damaged, or needs what is; rewrite what needs the latter alone."""
        gone, before = {path.name for path in lost}, None
        for i, moment in enumerate(self.kept):
            if moment.files & gone:
                file = _file(self.folder, moment)
                arrays = series.read_arrays(self.folder, moment, file.name)
                self.kept[i] = series.keep(self.folder, file.stem, arrays, before, moment)
            before = self.kept[i]
        if place := series.set_aside(self.folder, sorted(lost, reverse=True)):
            why = "; ".join(dict.fromkeys(reason.split(";")[0] for reason in lost.values()))
            _say(f"{why}; {len(lost)} files that are damaged, or need one that is, are in {place} now")

    def _go_back(self, standing: series.Seen) -> None:
        """Set aside what came after the state in which a training goes on."""
        files = [path for path in series.files_of(str(self.folder)) if (series.place(path) or (0, 0)) > standing.at]
        self.kept = [moment for moment in self.kept if _at(moment) <= standing.at]
        place = self._set_aside(sorted(files, key=series.natural, reverse=True))
        later = [one for one in self.seen if one.at > standing.at]
        self.seen = [one for one in self.seen if one.at <= standing.at]
        if later:
            series.write_seen(self.folder, self.seen)
            if place:
                series.write_seen(place, later)

    def _leave_all(self) -> None:
        """Set aside all files, so that at every moment what is left is a series: those that others need at last."""
        files = sorted(series.files_of(str(self.folder)), key=lambda path: series.place(path) or (-1, -1), reverse=True)
        beside = [path for name in (series.SEEN, series.WATCH) if (path := self.folder / name).is_file()]
        self.kept, self.seen = [], []
        self._set_aside([*beside, *files])

    def _set_aside(self, files: Sequence[Path]) -> Path | None:
        if place := series.set_aside(self.folder, files):
            _say(f"{len(files)} files of an earlier training are in {place} now")
        return place

    def _describe(self, network: keras.Model) -> None:
        """Write what is known of all states, where it is not there."""
        file = self.folder / series.NETWORK
        try:
            recognise(file, WHO)
        except InputError as error:
            if file.exists():
                _say(f"{str(error).removeprefix(f'{WHO}: ').split(';')[0]}; it is written again")
            partial = self.folder / f".{series.NETWORK}"
            network.save(partial)
            partial.replace(file)
        if series.watch_in(self.folder) != self.about:
            series.write_watch(self.folder, self.about)

    def _heal(self, network: keras.Model) -> None:
        """Where somebody removed the folder, or files of it that others need, begin again with a whole state."""
        needed = {series.NETWORK, *(self.kept[-1].files if self.kept else ())}
        if all((self.folder / name).is_file() for name in needed):
            return
        self.kept = [moment for moment in self.kept if self._whole(moment)]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._describe(network)
        series.write_seen(self.folder, self.seen)
        self.warn("its files are gone; it goes on with a whole state")

    def _whole(self, moment: series.Moment) -> bool:
        return all((self.folder / name).is_file() for name in moment.files)

    def _arrays(self, network: keras.Model) -> dict[str, NDArray]:
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = self.folder / SCRATCH
        skipped = [one for one in (getattr(network, "optimizer", None),) if one is not None]
        try:
            try:
                keras.saving.save_weights(network, scratch, objects_to_skip=skipped)
            except (AttributeError, TypeError):  # of an older Keras: the optimizer's, twice as much, too
                network.save_weights(scratch)
            return series.from_weights(scratch)
        finally:
            with suppress(OSError):
                scratch.unlink()


def digest(network: keras.Model) -> str:
    """Of all weights, not of random generators and of what an optimizer or a metric keeps."""
    return series.state(keras.ops.convert_to_numpy(weight) for weight in network.weights)


def _at(moment: series.Moment) -> tuple[int, int]:
    return moment.epoch or 0, moment.step or 0


def _file(folder: Path, moment: series.Moment) -> Path:
    return folder / f"{moment.epoch}-{moment.step}.npz"


def _other(known: dict[str, Any], signature: list[Any]) -> bool:
    """Whether a folder's training is known to be of another architecture."""
    with suppress(AttributeError, IndexError, KeyError, TypeError, ValueError):  # a file that somebody edited
        return "architecture" in known and bool(series.difference(known["architecture"], signature))
    return False


def _averages(network: keras.Model) -> bool:
    """Whether its optimizer gives it the mean of its past states when a training ends."""
    optimizer = getattr(network, "optimizer", None)
    return bool(getattr(getattr(optimizer, "inner_optimizer", optimizer), "use_ema", False))


def _say(text: str) -> None:
    print(f"{WHO}: {text}", file=sys.stderr)
