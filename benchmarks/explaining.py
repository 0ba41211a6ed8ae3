"""Do pictures explain filters? `python -m benchmarks.explaining --photos FOLDER` after `make repro`: docs/scores.md.

Pair tasks on VGG16, judged by what is not VGG16. `--recipe milder:colour=rgb,steps=64` adds a row,
`nine:from_patches=9` one of nine pictures that start at photos, `--masks` one of what filters look at of their patches.
Needs 100 photos at least. Prints the table; the same photos, filters and recipes give the same table.
"""

import argparse
import dataclasses
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import table
from cnnviz.analysis import Observer, Pixels, masked, window
from cnnviz.analysis.causes import Spot, opacities
from cnnviz.config import params
from cnnviz.errors import InputError
from cnnviz.files import use_defaults
from cnnviz.images import Own, fed
from cnnviz.images import photos as same_photos
from cnnviz.judging import colours, scoring, seeing, tasks, tiles
from cnnviz.maximization import Chunk, Rendering, Workshop, canvas, settings, surroundings
from cnnviz.maximization.asking import PATCH_STEPS
from cnnviz.networks import load, read_description
from cnnviz.objectives import channel

ROOT = Path(__file__).parents[1]
LAYERS = {  # two early, two middle, two late
    "vgg16": ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv2", "block5_conv1", "block5_conv3"),
    "mobilenetv2-dogs": ("Conv1", "block_3_expand", "block_6_expand", "block_10_expand", "block_13_expand", "Conv_1"),
}
DEFAULT, FROM_PATCHES = "the default picture", "from_patches"


class Subject:
    """A stored model of which some filters are explained. recipes: name -> changes of params.yaml's settings."""

    def __init__(self, key: str, photos: Path, count: int | None, filters: int) -> None:
        stored = ROOT / "artifacts" / "models" / key
        self.key, self.described = key, read_description(stored)
        convs = {conv["name"]: conv for conv in self.described["conv_layers"]}
        each = {
            name: [int((i + 0.5) * convs[name]["filters"] / filters) for i in range(filters)] for name in LAYERS[key]
        }
        self.filters: dict[str, list[int]] = each
        self.fields = {name: canvas.pair(convs[name]["receptive_field"]) for name in each}
        own = Own(photos, count, root=photos).read()
        self.shown = same_photos(own.image(i) for i in range(len(own)))
        self.photos = len(np.unique(self.shown))
        if self.photos < scoring.NEEDED:
            raise InputError(f"{photos}: {self.photos} photos; {scoring.NEEDED} at least tell what a filter reacts to")
        shape = self.described["input_shape"]  # as the network sees them: a tenth of the memory
        small = np.concatenate([fed(own, [i], shape) for i in range(len(own))], dtype=np.uint8, casting="unsafe")
        sizes = np.tile(np.array(shape[:2], np.int32), (len(own), 1))
        self.pixels = Pixels({"photos": dataclasses.replace(own, images=small, sizes=sizes)}, shape)
        del own
        self.network = load(stored)[0]

    def natural(self) -> dict[str, scoring.Natural]:
        """The photos' patches that explain each layer's filters, and those that ask."""
        asking = scoring.ranks(self.photos)
        self.observer = Observer(self.network, self.described, list(self.filters))
        found = seeing.driving(self.observer, self.pixels, self.shown, self.filters, asking[-1] + 1, lambda n: None)
        self.strongest = found
        return {name: scoring.Natural(self.pixels, one.images, one.boxes, asking) for name, one in found.items()}

    def _starts(self, name: str, rank: int, size: tuple[int, int]) -> np.ndarray:
        """What surrounds the place where the rank-th of the photos drives each filter, from 0."""
        images, boxes, *_ = (one[:, rank] for one in self.strongest[name])
        centres = ((boxes[:, :2] + boxes[:, 2:]) // 2).tolist()
        photos = self.pixels.sets["photos"].images[images]
        field = self.fields[name]
        cuts = [surroundings.cut(p, c, field, size) for p, c in zip(photos, centres, strict=True)]
        return np.stack(cuts) / np.float32(255)

    def rendered(self, changes: dict[str, Any]) -> dict[str, list[list[np.ndarray]]]:
        """Pictures by a recipe, `(h, w, 3)`, a list per filter and layer; `natural` comes first."""
        chosen, shape = params.load(), self.described["input_shape"]
        count = changes.get(FROM_PATCHES, 0)
        changes = ({"steps": PATCH_STEPS} if count else {}) | changes
        changes = {key: value for key, value in changes.items() if key != FROM_PATCHES}
        shop = Workshop(
            self.network, self.described["preprocessing"], self.described["digest"], shape[2], self.described
        )
        work = Rendering(self.key, shop.render, None, lambda done: None)
        found = {}
        for name, filters in self.filters.items():
            size = canvas.wanted(self.fields[name], tuple(shape[:2]), chosen.maximize.max_size)
            made = settings.settings_for(chosen.maximize, chosen.random_seed, self.fields[name], size)
            made = dataclasses.replace(made, **changes)
            starts = [self._starts(name, rank, size) for rank in range(count)] or [None]
            wanted = tuple(channel(name, k) for k in filters)
            plain = Chunk(self.key, wanted, made, scored=False, measured=False)
            every = [work.images(dataclasses.replace(plain, starts=one)).images for one in starts]
            found[name] = [list(some) for some in zip(*every, strict=True)]
        return found

    def masked(self) -> dict[str, list[list[np.ndarray]]]:
        """The patches that explain as each filter looks at them."""
        found = {}
        for name, filters in self.filters.items():
            images, boxes, values, positions = (one[:, : scoring.EXPLAINING] for one in self.strongest[name])
            places = [(k, (row, rank)) for row, k in enumerate(filters) for rank in range(scoring.EXPLAINING)]
            spots = [
                Spot(k, int(images[at]), tuple(positions[at].tolist()), tuple(boxes[at].tolist()), float(values[at]))
                for k, at in places
            ]
            seen = opacities(self.observer, name, spots, self.pixels.seen)
            known = [(spot, one) for spot, one in zip(spots, seen, strict=True) if one is not None]
            if len(known) < len(spots):
                raise InputError(f"{name}: what its filters look at is unknown in {len(spots) - len(known)} patches")
            shown = [window(masked(self.pixels[spot.image], spot.box, one), spot.box) for spot, one in known]
            found[name] = [shown[i : i + scoring.EXPLAINING] for i in range(0, len(shown), scoring.EXPLAINING)]
        return found


def rows(judged: dict[str, list[dict[str, np.ndarray]]], seed: int) -> list[list[str]]:
    """A row per kind of explanation. judged: per layer, for each judge, likeness by kind."""
    lines = []
    layers = list(judged)
    thirds = [layers[: len(layers) // 3], layers[len(layers) // 3 : -(len(layers) // 3)], layers[-(len(layers) // 3) :]]
    for kind in judged[layers[0]][0]:
        solved = {name: np.mean([tasks.pairs(one[kind]) for one in judged[name]], 0) for name in layers}
        other = [
            np.mean([tasks.control(one[kind], np.random.default_rng([seed, i])) for one in judged[name]], 0)
            for i, name in enumerate(layers)
        ]
        low, high = tasks.interval(list(solved.values()), np.random.default_rng(seed))
        lines.append(
            [
                kind,
                f"{tasks.accuracy(list(solved.values())):.2f} [{low:.2f}, {high:.2f}]",
                f"{tasks.accuracy(other):.2f}",
            ]
            + [f"{tasks.accuracy([solved[name] for name in third]):.2f}" for third in thirds]
        )
    return lines


def torn(pictures: list[np.ndarray]) -> tuple[float, float]:
    """Means over pictures: share of values at the ends of the scale; 1 - min / max of red, green and blue."""
    most = [p.max(-1).astype(float) for p in pictures]
    ends = np.mean([np.mean((p <= 2) | (p >= 253)) for p in pictures])
    return float(ends), float(
        np.mean([np.mean((m - p.min(-1)) / np.maximum(m, 1)) for m, p in zip(most, pictures, strict=True)])
    )


def recipe(text: str) -> tuple[str, dict[str, Any]]:
    """`name:key=value,key=value` -> name and changes."""
    name, _, rest = text.partition(":")
    known: dict[str, Any] = {field.name: type(field.default) for field in dataclasses.fields(settings.Settings)}
    known[FROM_PATCHES] = int
    changes: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        if key not in known:
            raise InputError(f"--recipe {text}: {key!r} is no setting; {', '.join(known)}")
        try:
            sides = tuple(int(one) for one in value.split("x")) if known[key] is tuple else ()
            changes[key] = sides * (3 - len(sides)) if sides else known[key](value)
        except ValueError:
            raise InputError(f"--recipe {text}: {key} is {known[key].__name__}, given {value!r}") from None
    return name, changes


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m benchmarks.explaining", description=__doc__)
    asked.add_argument("--photos", type=Path, required=True, help="a folder of photos, in any sub-folders")
    asked.add_argument("--count", type=int, help="so many of them; all by default")
    asked.add_argument("--model", choices=LAYERS, default="vgg16")
    asked.add_argument("--filters", type=int, default=4, help="of each of the six layers")
    asked.add_argument("--recipe", action="append", default=[], help="name:setting=value,…; a row more")
    asked.add_argument("--masks", action="store_true", help="a row more: what filters look at of the nine patches")
    asked.add_argument("--seed", type=int, default=0)
    given = asked.parse_args()
    use_defaults()
    begin = time.monotonic()
    recipes = {DEFAULT: {}, "four pictures from patches": {FROM_PATCHES: 4}} | dict(
        recipe(text) for text in given.recipe
    )
    subject = Subject(given.model, given.photos, given.count, given.filters)
    natural = subject.natural()
    pictures = {name: subject.rendered(changes) for name, changes in recipes.items()}
    masks = subject.masked() if given.masks else {}
    other = next(key for key in LAYERS if key != given.model)
    judges: list[scoring.Embed] = [seeing.NetworkJudge(ROOT / "artifacts" / "models" / other).embed, colours.embed]
    judged: dict[str, list[dict[str, np.ndarray]]] = {}
    for name, shown in natural.items():
        made = {
            kind: [[piece for p in some for piece in tiles.pieces(p, subject.fields[name])] for some in one[name]]
            for kind, one in pictures.items()
        }
        made |= {scoring.MASKED: masks[name]} if masks else {}
        judged[name] = [scoring.judge(shown, made, embed).likes for embed in judges]
    header = ["explanation", "pair", "of other filters", "early", "middle", "late"]
    print(table(header, rows(judged, given.seed)))
    for number, title in enumerate((other, "colours and textures")):
        alone = {name: [each[number]] for name, each in judged.items()}
        print(f"\nJudged by {title} alone:\n\n{table(header, rows(alone, given.seed))}")
    late = list(natural)[-2:]
    kinds = {"photos": [p for name in late for one in natural[name].explaining for p in one]}
    kinds |= {kind: [p for name in late for some in one[name] for p in some] for kind, one in pictures.items()}
    lines = [[kind, *(f"{share:.0%}" for share in torn(some))] for kind, some in kinds.items()]
    print(f"\n{table(['late layers', 'values at the ends of the scale', 'saturation'], lines)}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{subject.photos} photos, {given.filters} filters of {', '.join(natural)}", file=sys.stderr)
    print(f"{time.monotonic() - begin:.0f} s, {memory:,.0f} MB at most", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except InputError as problem:
        sys.exit(f"error: {problem}")
