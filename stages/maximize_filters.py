"""Render the filters that params.yaml chooses of one model: `python -m stages.maximize_filters <model>`."""

import dataclasses
import sys

from cnnviz import images, nature, params, selection
from cnnviz.stage import ARTIFACTS, CACHE, fresh, progress, read_json, stage


def main(key: str) -> None:
    with stage(f"maximize@{key}") as watch:
        chosen = params.load()
        options, stored = chosen.maximize, ARTIFACTS / "models" / key
        described = read_json(stored / "model.json")
        wanted = selection.filters(options.layers[key], described, f"params.yaml: maximize.layers.{key}")
        sets = {name: images.load_set(ARTIFACTS / "images" / f"{name}.npz") for name in chosen.images.sets}
        from cnnviz import chunks, maximized, objectives, render_cache, renderer, rendering  # TensorFlow
        from cnnviz import settings as recipe

        others = {name: objectives.parse(text) for name, text in options.objectives.get(key, {}).items()}
        wishes = rendering.Wishes(options.neuron, options.stability_steps, options.negatives, options.variants)
        fields = {conv["name"]: conv["receptive_field"] for conv in described["conv_layers"]}
        size = described["input_shape"][0]
        use = {name: recipe.settings_for(options, chosen.random_seed, fields[name], size) for name in wanted}
        whole = recipe.settings_for(options, chosen.random_seed, None, size)
        whole_of = {name: recipe.for_objective(whole, one, size) for name, one in others.items()}
        work = sum(rendering.operations(len(ks), use[name], wishes) for name, ks in wanted.items())
        bar = progress(work + whole.steps * len(others), "image·step", f"maximize {key}")
        cache = render_cache.RenderCache(CACHE / "render", described["digest"], described["preprocessing"])

        def make(chunk: chunks.Chunk, tick: rendering.Tick) -> renderer.Rendered:
            with watch.network():
                return chunks.render(chunk, tick)

        made = rendering.Rendering(str(stored), make, cache, bar.update)
        folder = fresh(ARTIFACTS / "maximize" / key)
        numbers, done = {}, 0
        for layer, filters in watch.each(wanted):
            known = nature.read(ARTIFACTS / "feature_maps" / key, layer, list(sets))
            around = rendering.around(known, sets, use[layer].size, options.start)
            each = chunks.size(str(stored), layer, use[layer], options.memory, around.pictures)
            writer = maximized.LayerWriter(folder, layer, filters)
            for start in range(0, len(filters), each):
                writer.add(made.judge(layer, filters[start : start + each], use[layer], wishes, around))
                done += len(filters[start : start + each])
                bar.set_postfix_str(f"{done} filters done")
            numbers[layer] = writer.finish()
        entries = {}
        for name, objective in others.items():
            starts = rendering.start_image(sets, whole_of[name].size, options.start)
            image = made.images(chunks.Chunk(str(stored), (objective,), whole_of[name], starts=starts))
            entries[name] = maximized.write_objective(folder, name, str(objective), image)
        bar.close()
        used = {layer: dataclasses.asdict(one) for layer, one in use.items()}
        rest = {"objectives": {n: dataclasses.asdict(one) for n, one in whole_of.items()}} if others else {}
        maximized.write_numbers(folder, numbers, entries, used | rest)


if __name__ == "__main__":
    main(sys.argv[1])
