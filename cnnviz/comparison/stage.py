"""What the stage `compare` does: what all models did on the same images, side by side. Runs no network."""

from collections.abc import Sequence
from itertools import combinations_with_replacement
from pathlib import Path

from cnnviz.analysis import Pixels, read_analysis
from cnnviz.comparison import files, pairs, plots
from cnnviz.comparison.section import CompareSection
from cnnviz.files import fresh, progress, write_bytes, write_csv, write_json
from cnnviz.images import load_sets
from cnnviz.networks import read_description


def run(section: CompareSection, models: Sequence[str], sets: Sequence[str], artifacts: Path) -> None:
    """Compare every two of these models, and each with itself -> `<artifacts>/compare`.

    Two that saw no image set in common, since their inputs have other channels, are left out.
    """
    images = load_sets(artifacts, sets)
    sides = []
    for key in models:
        described = read_description(artifacts / "models" / key)
        analysis = read_analysis(artifacts / "analysis" / key)
        seen = {name: images[name] for name in analysis.sets}
        pixels = Pixels(seen, described["input_shape"], described.get("bands", {}).get("rgb"))
        sides.append(pairs.Side(analysis, described, pixels, artifacts))
    folder = fresh(artifacts / "compare")
    rows = [row for side in sides for row in pairs.depth_rows(side)]
    write_csv(folder / "depth.csv", rows)
    for suffix, data in plots.depth(rows).items():
        write_bytes(folder / f"depth{suffix}", data)
    write_csv(folder / "models.csv", [{"model": side.name, **side.analysis.metrics} for side in sides])
    numbers = {}
    every = [two for two in combinations_with_replacement(sides, 2) if pairs.shared(two[0].analysis, two[1].analysis)]
    with progress(len(every), "pair", "compare") as bar:
        for one, other in every:
            name = f"{one.name}--{other.name}"
            numbers[name] = files.write_pair(folder, one, other, section.matches, section.changed)
            bar.update()
    metrics = {side.name: side.analysis.metrics for side in sides}
    write_json(folder / "metrics.json", {"models": metrics, "pairs": {key: one for key, one in numbers.items() if one}})
