"""Do borrowed first-layer filters help a small classifier, compared with random ones? docs/borrow.md has the answer.

    python -m examples.borrow_filters                      # the 20 bundled CIFAR-10 images
    python -m examples.borrow_filters --set artifacts/images/<set>.npz --folds 10

Frozen filters, ReLU, averaged over 4 x 4 cells, then a linear classifier (ridge regression on one-hot classes) that is
tested on images it was not trained with.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import cnnviz
from cnnviz.analysis import pool
from cnnviz.images import ImageSet, load_set, resized

SEEDS = 20
RIDGE = 1.0  # times the mean square of the features
VEHICLES = {"airplane", "automobile", "ship", "truck"}


def features(lent: cnnviz.Borrowed, pictures: NDArray) -> NDArray[np.float64]:
    """Cell averages of what the filters answer: `(n, 16 * filters)`."""
    found = [np.asarray(lent.model()(pictures[i : i + 50])) for i in range(0, len(pictures), 50)]
    return pool(np.moveaxis(np.concatenate(found), -1, 1)).reshape(len(pictures), -1).astype(float)


def colours(pictures: NDArray) -> NDArray[np.float64]:
    """The same cells of the image itself, without any filter."""
    return pool(np.moveaxis(pictures, -1, 1)).reshape(len(pictures), -1).astype(float)


def random_twin(lent: cnnviz.Borrowed, seed: int) -> cnnviz.Borrowed:
    """Gaussian filters of the same norms and no bias: what a fresh layer would start with, up to scale."""
    drawn = np.random.default_rng(seed).normal(size=lent.kernel.shape)
    norms = [np.sqrt((kernel**2).sum((0, 1, 2))) for kernel in (lent.kernel, drawn)]
    return replace(lent, kernel=(drawn * norms[0] / norms[1]).astype("float32"), bias=np.zeros_like(lent.bias))


def accuracy(rows: NDArray, classes: NDArray, folds: int, order: NDArray) -> float:
    """Share of images classified rightly by a classifier trained without them; folds: parts of `order` left out."""
    right = 0
    for part in np.array_split(order, folds):
        kept = np.setdiff1d(order, part)
        mean, spread = rows[kept].mean(0), rows[kept].std(0) + 1e-9
        train, test = (rows[kept] - mean) / spread, (rows[part] - mean) / spread
        wanted = np.eye(classes.max() + 1)[classes[kept]]
        base = wanted.mean(0)
        gram = train @ train.T + RIDGE * train.shape[1] * np.eye(len(kept))
        said = test @ train.T @ np.linalg.solve(gram, wanted - base) + base
        right += int((said.argmax(1) == classes[part]).sum())
    return right / len(order)


def compare(
    model: str, layer: str, filters: Sequence[int] | None, one: ImageSet, folds: int, tell: Callable[[str], None]
) -> None:
    """Print a table: per task, borrowed filters against 20 draws of random ones and against no filters."""
    lent = cnnviz.borrow(model, layer, filters)
    labelled = np.flatnonzero(one.labels >= 0)
    size = (int(one.sizes[0, 0]), int(one.sizes[0, 1]))
    pictures, labels = resized(one, labelled.tolist(), size), one.labels[labelled]
    order = np.random.default_rng(0).permutation(len(labels))
    tasks = {f"{len(set(labels.tolist()))} classes": np.unique(labels, return_inverse=True)[1]}
    if set(one.class_names.tolist()) >= VEHICLES:
        tasks["vehicle or animal"] = np.array([one.class_names[label] in VEHICLES for label in labels]).astype(int)
    rows = features(lent, pictures)
    others = [features(random_twin(lent, seed), pictures) for seed in range(SEEDS)]
    plain = colours(pictures)
    tell(f"{len(labels)} images, {folds} folds, {len(lent.filters)} filters of {lent.source}, {SEEDS} random draws\n")
    tell("| task | largest class | no filters | borrowed | random: mean (lowest to highest) | better, equal, worse |")
    tell("|---|---|---|---|---|---|")
    for task, classes in tasks.items():
        ours = accuracy(rows, classes, folds, order)
        theirs = np.array([accuracy(other, classes, folds, order) for other in others])
        better, equal = int((ours > theirs).sum()), int((ours == theirs).sum())
        largest, none = np.bincount(classes).max() / len(classes), accuracy(plain, classes, folds, order)
        tell(
            f"| {task} | {largest:.3f} | {none:.3f} | {ours:.3f} | {theirs.mean():.3f} ({theirs.min():.3f} to "
            f"{theirs.max():.3f}) | {better}, {equal}, {SEEDS - better - equal} of {SEEDS} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="vgg16")
    parser.add_argument("--layer", default="block1_conv1")
    parser.add_argument("--filters", type=int, nargs="+")
    parser.add_argument("--set", type=Path, default=Path("artifacts/images/cifar10.npz"), help="<set>.npz with labels")
    parser.add_argument("--folds", type=int, help="default: leave one out")
    given = parser.parse_args()
    one = load_set(given.set)
    count = int((one.labels >= 0).sum())
    compare(given.model, given.layer, given.filters, one, min(given.folds or count, count), print)


if __name__ == "__main__":
    main()
