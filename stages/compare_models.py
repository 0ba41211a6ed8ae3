"""Stage `compare`: what all models did on the same images, side by side -> artifacts/compare. Runs no network."""

from itertools import combinations_with_replacement

from cnnviz import analysis_files, compare, compare_files, compare_plots, images, params
from cnnviz.stage import ARTIFACTS, fresh, progress, stage, write_bytes, write_json
from cnnviz.weights import read_description


def main() -> None:
    chosen = params.load()
    options = chosen.compare
    sets = {name: images.load_set(ARTIFACTS / "images" / f"{name}.npz") for name in chosen.images.sets}
    sides = []
    for key in chosen.models:
        described = read_description(ARTIFACTS / "models" / key)
        pixels = analysis_files.Pixels(sets, (described["input_shape"][0], described["input_shape"][1]))
        found = analysis_files.read(ARTIFACTS / "analysis" / key)
        sides.append(compare.Side(found, described, pixels, ARTIFACTS))
    folder = fresh(ARTIFACTS / "compare")
    rows = [row for side in sides for row in compare.depth_rows(side)]
    analysis_files.write_csv(folder / "depth.csv", rows)
    write_bytes(folder / "depth.png", compare_plots.depth(rows))
    analysis_files.write_csv(folder / "models.csv", [{"model": side.name, **side.analysis.metrics} for side in sides])
    pairs, numbers = list(combinations_with_replacement(sides, 2)), {}
    with progress(len(pairs), "pair", "compare") as bar:
        for one, other in pairs:
            name = f"{one.name}--{other.name}"
            numbers[name] = compare_files.write_pair(folder, one, other, options.matches, options.changed)
            bar.update()
    models = {side.name: side.analysis.metrics for side in sides}
    write_json(folder / "metrics.json", {"models": models, "pairs": {key: one for key, one in numbers.items() if one}})


if __name__ == "__main__":
    with stage("compare"):
        main()
