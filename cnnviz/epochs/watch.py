"""A callback for Keras's `fit` that keeps the weights of a network while it is trained, for little time and room."""

import sys
import time
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from math import isfinite
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

from cnnviz.epochs.strips import Strip
from cnnviz.errors import InputError, reason
from cnnviz.networks import series

START = (10, 30, 100, 300)  # steps
SCRATCH = ".now.weights.h5"  # overwritten at every checkpoint; what a kill leaves of it is never read
WAITING, READY, FAILED = "waiting", "ready", "failed"  # for a network that is built


class FilterWatch(keras.callbacks.Callback):  # type: ignore[misc]  # Keras comes without types
    """Keep a network's weights in a folder, at the start, after some of the first steps, and after every epoch.

        model.fit(images, labels, epochs=20, callbacks=[cnnviz.FilterWatch("inputs/models/mine")])

    folder: of this training alone. `network.keras` there has the architecture; `<epochs>-<steps>.npz`, written whole or
    not at all, the weights that changed since the file before, and what Keras measured. every: so many epochs lie
    between two checkpoints; the last state is kept in any case. steps: of the training, counted from its start, after
    which the weights are kept as well. strip: `{layer: [filters]}` whose pictures are made beside the training, by a
    process of its own, in so many strip_steps, for a network trained with this preprocessing: files
    `<folder>/strip/<epochs>-<steps>.png`, and the step slider of MLflow's active run where there is one.

    A training that goes on where an earlier one ended (`fit` again, `initial_epoch`, a restart after a kill) goes on in
    its folder; what another one left there is set aside first. `seconds`: what all of it took so far. It never stops a
    training: what fails is said once, as a warning. Raises InputError, before the training, for what can't be meant.
    """

    def __init__(
        self,
        folder: str | Path,
        every: int = 1,
        steps: Collection[int] = START,
        strip: Mapping[str, Collection[int]] | None = None,
        strip_steps: int = 32,
        preprocessing: str = "unit",
    ) -> None:
        super().__init__()
        if not isinstance(folder, str | PathLike) or not str(folder):
            raise InputError(f"FilterWatch: folder: {folder!r} given; expected the path of a folder")
        self.folder, self.every = Path(folder), _whole("every", every)
        if not isinstance(steps, Collection) or isinstance(steps, str):
            raise InputError(f"FilterWatch: steps: {steps!r} given; expected whole numbers in a list, 1 or more")
        self.steps = frozenset(_whole("steps", step) for step in steps)
        self.seconds = 0.0
        strip_steps = _whole("strip_steps", strip_steps)
        self._strip = Strip(self.folder, strip, strip_steps, preprocessing) if strip else None
        self._failed = ""
        self._said = False
        self._state = WAITING
        self._moment: series.Moment | None = None  # the last one that was kept
        self._epoch, self._epochs, self._step, self._batch = 0, 0, 0, -1  # fit's first epoch; those that were done
        self._logs: Mapping[str, Any] | None = None  # of an epoch that was not kept

    def on_train_begin(self, logs: Any = None) -> None:
        self._state, self._logs = WAITING, None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """What other callbacks restored is there by now; `epoch` counts from fit's initial_epoch."""
        self._batch = -1
        if self._state == WAITING:
            self._epoch, self._epochs, self._step = epoch, epoch, 0
            self._try(self._begin)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        before = self._step
        self._step += batch - self._batch  # several, where Keras makes several steps at once
        self._batch = batch
        if self._state == WAITING:  # a network that was not built before its first images
            self._try(self._begin)
        if any(before < step <= self._step for step in self.steps):
            self._try(lambda: self._keep(logs))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._epochs += 1
        self._logs = dict(logs or {})
        if self._epochs % self.every == 0:
            self._try(lambda: self._keep(self._logs))

    def on_train_end(self, logs: Any = None) -> None:
        if self._logs is not None:
            self._try(lambda: self._keep(self._logs, again=False))
        if self._strip:
            self._try(self._strip.close)

    def _begin(self) -> None:
        """Find out where in its folder this training stands, and keep the state that it begins with."""
        if not self.model.built:
            return
        self._state = FAILED  # until all of this is done
        for left in self.folder.glob(".*.part"):  # by a kill
            left.unlink()
        arrays = self._arrays()
        self._moment = self._standing(arrays)
        if self._moment is None:
            self._set_aside(_files(self.folder))
            self._save_network()
            self._write(arrays, {})
        else:
            self._epochs, self._step = self._moment.epoch or 0, (self._moment.step or 0) + self._step
        self._state = READY

    def _standing(self, arrays: Mapping[str, NDArray]) -> series.Moment | None:
        """The kept state that the network is in, or, where fit says so, begins behind; None for a new training.

        What the folder has of later states is set aside: it is made again.
        """
        try:
            kept = series.kept_in(self.folder, "FilterWatch")
        except InputError:  # no series, or a damaged one, which is set aside
            return None
        if not all(set(one.moment.stands) == set(arrays) for one in kept):
            return None
        now, moments = series.digests(arrays), [one.moment for one in kept]
        found = [i for i, moment in enumerate(moments) if moment.digests == now]
        if found:
            standing = moments[found[-1]]
        elif found := [i for i, moment in enumerate(moments) if (moment.epoch or 0) <= self._epoch and self._epoch]:
            standing = replace(moments[found[-1]], epoch=self._epoch)
        else:
            return None
        self._set_aside([one.path for one in kept[found[-1] + 1 :]])
        return standing

    def _set_aside(self, files: Sequence[Path]) -> None:
        if place := series.set_aside(self.folder, files):
            print(f"FilterWatch: {len(files)} files of an earlier training are in {place} now", file=sys.stderr)

    def _save_network(self) -> None:
        partial = self.folder / f".{series.NETWORK}"
        self.model.save(partial)
        partial.replace(self.folder / series.NETWORK)

    def _arrays(self) -> dict[str, NDArray]:
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = self.folder / SCRATCH
        skipped = [one for one in (getattr(self.model, "optimizer", None),) if one is not None]
        try:
            try:
                keras.saving.save_weights(self.model, scratch, objects_to_skip=skipped)
            except (AttributeError, TypeError):  # of an older Keras: the optimizer's, twice as much, too
                self.model.save_weights(scratch)
            return series.from_weights(scratch)
        finally:
            with suppress(OSError):
                scratch.unlink()

    def _keep(self, logs: Any, again: bool = True) -> None:
        """again: also where the network is in a state that is kept, as one is that early stopping took back."""
        if self._state != READY:
            return
        self._logs = None
        arrays = self._arrays()
        known = [] if again else [one.moment.digests for one in series.kept_in(self.folder, "FilterWatch")]
        if series.digests(arrays) not in known:
            self._write(arrays, logs)

    def _write(self, arrays: Mapping[str, NDArray], logs: Any) -> None:
        measured = {str(name): _number(value) for name, value in (logs or {}).items()}
        name = f"{self._epochs}-{self._step}"
        moment = series.Moment(self._epochs, self._step, measured)
        self._moment = series.keep(self.folder, name, arrays, self._moment, moment)
        if self._strip:
            try:
                self._strip.after(name, self._step)
            except Exception as error:  # the weights are kept all the same
                self._failed = reason(error, 300)  # not the error, which holds what was in memory

    def _try(self, do: Callable[[], None]) -> None:
        """Nothing that goes wrong here may stop a training."""
        started = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Keras's, which somebody may have made errors
                do()
        except Exception as error:
            self._failed = reason(error, 300)
        self.seconds += time.perf_counter() - started
        if self._failed and not self._said:
            self._said = True
            text = f"FilterWatch({str(self.folder)!r}): {self._failed}; the training goes on"
            try:
                warnings.warn(text, stacklevel=2)
            except Warning:  # made an error by whoever runs this
                print(text, file=sys.stderr)


def _whole(name: str, value: Any) -> int:
    """A number, of Python or NumPy. Raises InputError for what is none."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise InputError(f"FilterWatch: {name}: {value!r} given; expected whole numbers, 1 or more")
    return int(value)


def _files(folder: Path) -> list[Path]:
    return sorted(series.files_of(str(folder)))


def _number(value: Any) -> float | None:
    """None for what is no finite number, as the loss of a training that diverged."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if isfinite(found) else None
