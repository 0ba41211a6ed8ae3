"""A callback for Keras's `fit` that keeps the weights of a network while it is trained, for little time and room."""

import inspect
import json
import sys
import time
import warnings
from collections.abc import Callable, Collection, Mapping
from math import isfinite
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import keras

from cnnviz.epochs.keeping import Keeping, digest
from cnnviz.epochs.strips import Strip
from cnnviz.errors import InputError, reason
from cnnviz.networks import scaling, series

START = (10, 30, 100, 300)  # steps
COLOURS = 3  # channels, for names of preprocessings: those of a network are known when it is trained
WAITING, READY, FAILED = "waiting", "ready", "failed"  # for a network that is built
# Where networks are, epochs and steps by folder, whose training goes on, or broke off by Ctrl-C or an error
running: WeakKeyDictionary[Any, dict[Path, tuple[int, int]]] = WeakKeyDictionary()


class FilterWatch(keras.callbacks.Callback):  # type: ignore[misc]  # Keras comes without types
    """Keep a network's weights in a folder, at the start, after some of the first steps, and after every epoch.

        model.fit(images, labels, epochs=20, callbacks=[cnnviz.FilterWatch("inputs/models/mine")])

    folder: of this training alone. `network.keras` there has the architecture; `<epochs>-<steps>.npz`, written whole or
    not at all, the weights that changed since the file before, and what Keras measured; `seen.jsonl` a line for every
    epoch, kept or not. every: so many epochs lie between two checkpoints; the last state is kept in any case. steps: of
    the training, counted from its start, after which the weights are kept as well. strip: `{layer: [filters]}` whose
    pictures are made beside the training, by a process of its own, in so many strip_steps: files
    `<folder>/strip/<epochs>-<steps>.png`, and the step slider of MLflow's active run where there is one. preprocessing:
    what the network is trained with, as in params.yaml, for the strip ("unit" where nothing is said) and cnnviz.add.

    A training that goes on where an earlier one ended (`fit` again, `initial_epoch`, a restart after a kill) goes on in
    its folder: its weights tell where it is. What another one left there is set aside first. A state that a callback
    brings back in the end has the name of when it was first seen. `seconds`: what all of it took so far. It never stops
    a training: what fails is said once, as a warning. Raises InputError, before the training, for what can't be meant.
    """

    def __init__(
        self,
        folder: str | Path,
        every: int = 1,
        steps: Collection[int] = START,
        strip: Mapping[str, Collection[int]] | None = None,
        strip_steps: int = 32,
        preprocessing: str | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(folder, str | PathLike) or not str(folder):
            raise InputError(f"FilterWatch: folder: {folder!r} given; expected the path of a folder")
        self.folder, self.every = Path(folder), _whole("every", every)
        if not isinstance(steps, Collection) or isinstance(steps, str):
            raise InputError(f"FilterWatch: steps: {steps!r} given; expected whole numbers in a list, 1 or more")
        self.steps = frozenset(_whole("steps", step) for step in steps)
        self.seconds = 0.0
        strip_steps, said = _whole("strip_steps", strip_steps), _scaled(preprocessing)
        self._strip = Strip(self.folder, strip, strip_steps, said or "unit") if strip else None
        self._keeping = Keeping(self.folder, said, self._after, lambda text: self._news.setdefault("gone", text))
        self._news: dict[str, str] = {}  # what is to be said once, by kind
        self._said: set[str] = set()
        self._state = WAITING
        self._epochs, self._step, self._batch = 0, 0, -1  # those that were done
        self._last: series.Seen | None = None  # of this fit's last epoch

    def on_train_begin(self, logs: Any = None) -> None:
        self._state, self._last = WAITING, None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """What other callbacks restored is there by now; `epoch` counts from fit's initial_epoch."""
        self._batch = -1
        if self._state == WAITING:
            self._epochs, self._step = epoch, 0
            self._try(self._begin)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        before = self._step
        self._step += self._steps(batch)
        if self._state == WAITING:  # a network that was not built before its first images
            self._try(self._begin)
        if not self.steps.isdisjoint(range(before + 1, self._step + 1)):
            self._try(lambda: self._keep(logs))
        running.setdefault(self.model, {})[self.folder.absolute()] = self._epochs, self._step

    def _steps(self, batch: int) -> int:
        """How many Keras made: several where it makes several at once, fewer than it says where an epoch ends."""
        done = min(batch + 1, (self.params or {}).get("steps") or batch + 1) - 1
        made, self._batch = done - self._batch, done
        return made

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._epochs += 1
        self._try(lambda: self._keep(logs, epoch=True))
        running.setdefault(self.model, {})[self.folder.absolute()] = self._epochs, self._step

    def on_train_end(self, logs: Any = None) -> None:
        """Callbacks behind this one may bring back an earlier state now: what is left is looked at after them."""
        others = _callbacks(self)
        if others and others[-1] is not self:
            others.append(keras.callbacks.LambdaCallback(on_train_end=lambda logs: self._end()))
        else:
            self._end()

    def _begin(self) -> None:
        if not self.model.built:
            return
        self._state = FAILED  # until all of this is done
        stopped = running.get(self.model, {}).get(self.folder.absolute())
        self._epochs, self._step = self._keeping.begin(self.model, self._epochs, self._step, stopped)
        self._state = READY

    def _keep(self, logs: Any, epoch: bool = False) -> None:
        """epoch: whether one ended, whose state is noted at any interval."""
        if self._state != READY:
            return
        measured = {str(name): _number(value) for name, value in (logs or {}).items()}
        now = series.Seen(self._epochs, self._step, digest(self.model), measured)
        self._last = now if epoch else self._last
        self._keeping.note(self.model, now)
        if not epoch or self._epochs % self.every == 0 or self._keeping.due(now):
            self._keeping.add(self.model, now)

    def _end(self) -> None:
        running.get(self.model, {}).pop(self.folder.absolute(), None)
        if self._state == READY and (last := self._last):
            self._try(lambda: self._keeping.end(self.model, last))
        if self._strip:
            self._try(self._strip.close)

    def _after(self, name: str, step: int) -> None:
        """A state is kept: its strip may fail, the weights are there."""
        if self._strip:
            try:
                self._strip.after(name, step)
            except Exception as error:
                self._news.setdefault("failed", reason(error, 300))

    def _try(self, do: Callable[[], None]) -> None:
        """Nothing that goes wrong here may stop a training."""
        started = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Keras's, which somebody may have made errors
                do()
        except Exception as error:
            self._news.setdefault("failed", reason(error, 300))  # not the error, which holds what was in memory
        self.seconds += time.perf_counter() - started
        for kind in sorted(self._news.keys() - self._said):
            self._said.add(kind)
            text = f"FilterWatch({str(self.folder)!r}): {self._news[kind]}; the training goes on"
            try:
                warnings.warn(text, stacklevel=2)
            except Warning:  # made an error by whoever runs this
                print(text, file=sys.stderr)


def _callbacks(one: keras.callbacks.Callback) -> list[Any]:
    """All callbacks of the fit that is calling this one, in the list that Keras goes through; none where it is gone."""
    frame = inspect.currentframe()
    while frame:
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList) and any(of is one for of in caller.callbacks):
            found: list[Any] = caller.callbacks
            return found
        frame = frame.f_back
    return []


def _scaled(preprocessing: Any) -> Any:
    """What the user says of it, as params.yaml takes it. Raises InputError for what is none."""
    if preprocessing is None:
        return None
    given = preprocessing if isinstance(preprocessing, Mapping) else str(preprocessing)
    lists = [given.get(key) for key in ("mean", "std")] if isinstance(given, Mapping) else []
    channels = max((len(one) for one in lists if isinstance(one, list | tuple) and len(one) > 1), default=COLOURS)
    try:
        scaling(given, channels)
    except InputError as error:
        raise InputError(f"FilterWatch: preprocessing: {error}") from None
    return given if isinstance(given, str) else json.loads(json.dumps(dict(given)))


def _whole(name: str, value: Any) -> int:
    """A number, of Python or NumPy. Raises InputError for what is none."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise InputError(f"FilterWatch: {name}: {value!r} given; expected whole numbers, 1 or more")
    return int(value)


def _number(value: Any) -> float | None:
    """None for what is no finite number, as the loss of a training that diverged."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if isfinite(found) else None
