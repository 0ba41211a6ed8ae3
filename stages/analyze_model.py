"""Show one model every image once and measure its filters: `python -m stages.analyze_model <model>`."""

import sys

import h5py

from cnnviz import analysis, analysis_files, analysis_plots, images, params, selection, subjects, weights
from cnnviz import filter_statistics as measures
from cnnviz.stage import ARTIFACTS, fresh, progress, stage, write_bytes, write_json


def main(key: str) -> None:
    with stage(f"analyze@{key}") as clock:
        chosen = params.load()
        options, stored = chosen.analyze, ARTIFACTS / "models" / key
        described = weights.read_description(stored)
        where = f"params.yaml: analyze.layers.{key}"
        wanted = subjects.layers(options.layers.get(key), described, where)
        asked = selection.filters(chosen.maximize.layers[key], described, f"params.yaml: maximize.layers.{key}")
        pictured = subjects.pictured(wanted, asked, described, options.patches)
        sets = {name: images.load_set(ARTIFACTS / "images" / f"{name}.npz") for name in chosen.images.sets}
        size = (described["input_shape"][0], described["input_shape"][1])
        from cnnviz import explain, models, observe, watch  # TensorFlow: only after the params are checked

        observer = observe.Observer(models.load(stored)[0], described, wanted)
        amounts = watch.Amounts(options.examples, options.batch, options.kept_images)
        with clock.network(), progress(sum(map(len, sets.values())), "image", f"analyze {key}") as bar:
            layers, outputs = watch.watch(observer, sets, size, amounts, bar.update)
        examples = watch.located(observer, layers, pictured)
        with h5py.File(stored / "weights.weights.h5") as file:
            alike = {}
            for conv in (c for c in described["conv_layers"] if c["name"] in layers):
                kernel = weights.filters_of(weights.read_kernel(file, conv)[0], conv["depthwise"])
                alike[conv["name"]] = measures.cosines(kernel)
        columns = {name: analysis.per_filter(layer, alike[name]) for name, layer in layers.items()}

        folder = fresh(ARTIFACTS / "analysis" / key)
        pixels = analysis_files.Pixels(sets, size)
        on_patches = analysis_files.write_examples(folder, examples, pixels)
        fields = {conv["name"]: conv["receptive_field"] for conv in described["conv_layers"]}
        entries = {
            name: {"receptive_field": fields[name]} | analysis.per_layer(layer, columns[name]) | on_patches[name]
            for name, layer in layers.items()
        }
        analysis_files.write_arrays(folder, layers, columns)
        analysis_files.write_csv(folder / "filters.csv", analysis_files.filter_rows(columns))
        write_json(folder / "statistics.json", entries)
        predicted = explain.run(observer, described, outputs, options, pixels, ARTIFACTS)
        write_json(folder / "metrics.json", analysis.headline(entries, columns) | predicted)
        for name, png in analysis_plots.draw(key, layers, columns):
            write_bytes(folder / name, png)


if __name__ == "__main__":
    main(sys.argv[1])
