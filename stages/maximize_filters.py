"""Render the filters that params.yaml chooses of one model: `python -m stages.maximize_filters <model>`."""

import dataclasses
import sys

from cnnviz import params, selection
from cnnviz.stage import ARTIFACTS, CACHE, fresh, progress, read_json, stage

CHUNK = 16  # filters rendered at once: about 1 GB for VGG16 at 128 px


def main(key: str) -> None:
    with stage(f"maximize@{key}") as watch:
        chosen = params.load()
        options = chosen.maximize
        described = read_json(ARTIFACTS / "models" / key / "model.json")
        wanted = selection.filters(options.layers[key], described, f"params.yaml: maximize.layers.{key}")
        from cnnviz import maximize, maximized, models, render_cache  # TensorFlow: only after the params are checked

        network, _ = models.load(ARTIFACTS / "models" / key)
        cache = render_cache.RenderCache(CACHE / "render", described["digest"], described["preprocessing"])
        convs = {conv["name"]: conv for conv in described["conv_layers"]}
        folder, rendered, settings = fresh(ARTIFACTS / "maximize" / key), {}, {}
        bar = progress(sum(map(len, wanted.values())) * options.steps, "image·step", f"maximize {key}")
        for layer, filters in wanted.items():
            use = maximize.settings_for(options, chosen.random_seed, convs[layer], described["input_shape"][0])
            found = {k: cache.load(layer, k, use) for k in filters}
            missing = [k for k in filters if found[k] is None]
            bar.update((len(filters) - len(missing)) * use.steps)
            if missing:
                with watch.network():
                    renderer = maximize.Renderer(network, described["preprocessing"], layer, use, described["digest"])
            for start in range(0, len(missing), CHUNK):
                chunk = missing[start : start + CHUNK]
                with watch.network():
                    result = renderer.render(chunk, bar.update)
                cache.store(layer, use, result)
            loaded = [cache.load(layer, k, use) for k in filters]
            rendered[layer] = render_cache.join([one for one in loaded if one is not None])
            settings[layer] = dataclasses.asdict(use)
            maximized.write_layer(folder, layer, rendered[layer])
        bar.close()
        maximized.write_numbers(folder, rendered, settings)


if __name__ == "__main__":
    main(sys.argv[1])
