"""How near robust scores under a few transforms are to those under many, on the pictures of artifacts/maximize.

    python -m benchmarks.held_out     # after `make repro`, some minutes; --layers 5 of each model, --filters 4 of each

Each line of the table is a set of transforms: how far scores are from those under `--many` of a scrambled Sobol
sequence (relative; median and 95% of the pictures), and of how many pictures the part of the verdict that depends on
the score is another one. `random`: drawn independently; the mean of several such sets.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from scipy.stats import qmc

from benchmarks import figures
from cnnviz import config
from cnnviz.activations import nature
from cnnviz.files import ARTIFACTS, npz
from cnnviz.maximization import chunks, ladder
from cnnviz.maximization.ascent import scores, settings, transforms
from cnnviz.networks import read_description, selection
from cnnviz.objectives import channel

LATTICES = {8: (1, 3, 5, 7), 12: (1, 5, 7, 11), scores.HELD_OUT: scores.LATTICE}  # of the lowest discrepancy
RANDOM, DRAWN = (16, 32), 4  # sizes of independent sets, how many of each


def under_each(key: str, layer: str, filters: Sequence[int], images: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Mean pre-activation of each picture `(n, h, w, 3)`, uint8, under each transform: `(n, transforms)`."""
    use = settings.settings_for(config.load().maximize, 0, None, images.shape[1:3])
    aims = [channel(layer, k) for k in filters]
    evaluation = chunks.workshop(str(ARTIFACTS / "models" / key)).renderer(aims[0], use).evaluation
    pixels, data = tf.constant(images / np.float32(255)), evaluation.data(aims)

    @tf.function(autograph=False)
    def score(matrix: tf.Tensor) -> tf.Tensor:
        moved = scores.blur(transforms.apply(pixels, tf.broadcast_to(matrix, [len(filters), 8])))
        return evaluation.value(moved, data, "pre_activation", tf.constant(0.0))[0]

    return np.stack([score(tf.constant(one)).numpy() for one in scores.moved_by(points, images.shape[1:3])], 1)


def main(models: Sequence[str], layers: int, count: int, many: int) -> None:
    rng = np.random.default_rng(0)
    points = {f"lattice of {n}": (2 * np.arange(n)[:, None] + 1) * g / (2 * n) % 1 for n, g in LATTICES.items()}
    drawn = rng.random((DRAWN * max(RANDOM), 4))
    every = np.concatenate([*points.values(), drawn, qmc.Sobol(4, rng=rng).random(many)])
    found, drives = [], []
    for key in models or config.load().models:
        convs = read_description(ARTIFACTS / "models" / key)["conv_layers"]
        names = [conv["name"] for conv in convs if (ARTIFACTS / "maximize" / key / f"{conv['name']}.npz").is_file()]
        for layer in (names[i] for i in selection.evenly(layers, len(names))):
            with npz.opened(ARTIFACTS / "maximize" / key / f"{layer}.npz") as stored:
                filters, images = stored["filters"][:count].tolist(), stored["images"][:count]
            found.append(under_each(key, layer, filters, images, every))
            known = nature.read(ARTIFACTS / "feature_maps" / key, layer, config.load().images.sets)
            drives += list(known.drives[:, filters].T)
        print(f"{key}: {len(drives)} pictures so far", flush=True)
    each = np.concatenate(found).astype(float)
    truth = each[:, -many:].mean(1)

    def compared(means: Sequence[np.ndarray]) -> list[str]:
        errors = np.abs(np.stack(means) - truth) / np.abs(truth)
        doubts = [[bool(ladder.doubt(r, d)) for r, d in zip(mean, drives, strict=True)] for mean in (truth, *means)]
        flips = np.mean([np.not_equal(doubts[0], one).sum() for one in doubts[1:]])
        return [*(f"{100 * q:.2f}%" for q in np.quantile(errors, (0.5, 0.95))), f"{flips:g}"]

    rows, start = [], 0
    for name, some in points.items():
        rows.append([name, *compared([each[:, start : start + len(some)].mean(1)])])
        start += len(some)
    sets = each[:, start : start + len(drawn)].reshape(len(each), DRAWN, -1)
    rows += [[f"random, {n}", *compared([sets[:, i, :n].mean(1) for i in range(DRAWN)])] for n in RANDOM]
    print(figures.table([f"{len(each)} pictures, {many} transforms", "median", "95%", "other verdicts"], rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help="of params.yaml; all by default")
    parser.add_argument("--layers", type=int, default=5, help="of each model, evenly spread")
    parser.add_argument("--filters", type=int, default=4, help="of each layer")
    parser.add_argument("--many", type=int, default=128)
    options = parser.parse_args()
    main(options.models, options.layers, options.filters, options.many)
