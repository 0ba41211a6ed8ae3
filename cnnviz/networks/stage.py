"""What the stage `models` does: get one model of params.yaml, verify it and store it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cnnviz.files import fresh, say
from cnnviz.networks import selection
from cnnviz.networks.description import read_description
from cnnviz.networks.section import ModelSection

if TYPE_CHECKING:
    import keras

    from cnnviz.networks.store import Loaded


def run(key: str, section: ModelSection, artifacts: Path, latest: bool = False) -> None:
    """Write the model `key` into `<artifacts>/models/<key>`, of a series all checkpoints, or the `latest` alone.

    Raises InputError where it can't be had.
    """
    from cnnviz.networks import loading, store  # TensorFlow: only after the params are known to be right

    loaded = loading.get(key, section)
    folder = fresh(artifacts / "models" / key)
    if section.checkpoints:
        loaded = _series(key, section, loaded, folder, latest)
    for note in store.save(key, loaded, folder, section.output):
        say(f"{key}: {note}")
    described = read_description(folder)
    for name in ("layers", "channels"):  # before other stages work for hours on the rest of the model
        selection.filters(getattr(section, name), described, f"params.yaml: models.{key}.{name}")


def _series(key: str, section: ModelSection, loaded: "Loaded", folder: Path, latest: bool) -> "Loaded":
    """Store the weights of checkpoints below the model's folder, and give its network those of the last one."""
    from cnnviz.networks import loading, series, store

    found, notes = loading.checkpoints(key, section), list(loaded.notes)

    def network(checkpoint: series.Checkpoint) -> "keras.Model":
        read = loading.at_checkpoint(key, section, checkpoint)
        notes.extend(f"{checkpoint.path.name}: {note}" for note in read.notes if note not in loaded.notes)
        return read.network

    chosen = found[-1:] if latest else found
    entries, said = series.store(key, chosen, found[0], loaded.network, network, store.digest, folder)
    notes += said
    if gone := series.missing(Path(section.checkpoints or "")):
        notes.append(f"of its training {series.without(gone)}")
    count = len(found) - len(chosen) + len(entries)
    if count == 1:
        notes.append(f"its series has one checkpoint, {entries[0]['file']}: nothing changes from one to the next")
    elif all(checkpoint.moment.epoch is None for checkpoint in found):
        notes.append(f"a series of {count} checkpoints in the order of their names, numbers by their size")
    return replace(loaded, checkpoints=entries, notes=notes)
