"""cnnviz as others install it: a wheel in an environment of its own, far from this folder, without DVC and MLflow."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import cnnviz

ROOT = Path(__file__).parents[1]
# What README's lines take for given: a model, images, and another model to lend filters to
BEFORE = """
import keras, numpy as np
from cnnviz.networks.store import Loaded, save
from pathlib import Path

keras.utils.set_random_seed(0)
def network(first, second):
    layers = [keras.layers.Conv2D(64, 3, activation="relu", name=first), keras.layers.MaxPooling2D(4)]
    layers += [keras.layers.Conv2D(16, 3, activation="relu", name=second), keras.layers.GlobalAveragePooling2D()]
    return keras.Sequential([keras.Input((32, 32, 3)), *layers, keras.layers.Dense(4, activation="softmax")])

model, my_model = network("conv1", "conv3"), network("conv1", "conv2")
images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype("uint8")
unit = {"name": "unit", "scale": [1 / 255] * 3, "offset": [0.0] * 3, "reverse_channels": False}
folder = Path("artifacts/models/vgg16")
folder.mkdir(parents=True)
save("vgg16", Loaded(network("block1_conv1", "block1_conv2"), "t", "file", "o", "l", "t", (32, 32, 3), unit), folder)
"""
AFTER = """
import sys
import cnnviz
assert set(cnnviz.__all__) == set(dir(cnnviz)), dir(cnnviz)
for name in ("dvc", "mlflow", "pydantic", "jinja2", "yaml", "matplotlib", "pandas", "tqdm"):
    assert name not in sys.modules, name
assert "site-packages" in cnnviz.__file__, cnnviz.__file__
cnnviz.feature_maps(cnnviz.bundled_model("cifar10-cnn")[0], cnnviz.bundled_images("cifar10", 2).images, "conv2d",
                    preprocessing="raw")
print(cnnviz.__version__, repr(result))
"""


def notebook_lines() -> str:
    """The indented lines of README's section on notebooks."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## In a notebook")[1].split("\n## ")[0]
    lines = re.findall(r"^    (.*)$", section, re.MULTILINE)
    return "\n".join(line for line in lines if not line.startswith(("pip ", "%pip ")))


@pytest.mark.pipeline
def test_the_wheel_in_an_empty_environment_runs_the_notebook_lines(tmp_path: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}

    def run(*command: str | Path, cwd: Path = tmp_path) -> str:
        done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("cnnviz-*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "env")
    python = tmp_path / "env" / "bin" / "python"
    run(python, ROOT / "install.py", "-c", ROOT / "requirements.txt", wheel)
    installed = {line.split("==")[0].lower() for line in run(python, "-m", "pip", "freeze").splitlines()}
    assert not installed & {"dvc", "mlflow", "pydantic", "jinja2", "pandas", "matplotlib"}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    lines = notebook_lines()
    assert "cnnviz.maximize(" in lines
    assert "cnnviz.borrow(" in lines
    said = run(python, "-c", BEFORE + lines + AFTER, cwd=elsewhere)
    assert said.startswith(cnnviz.__version__)
    assert len(said.splitlines()) == 1  # the result's repr is one line
    assert list(tmp_path.glob("env/lib/*/site-packages/cnnviz/report/templates/site/home.html"))


def test_extras_and_ranges_cover_what_is_pinned() -> None:
    """What the pipeline is tested with lies in the ranges that the package gives."""
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = dict(re.findall(r"^([\w.-]+)(?:\[\w+\])?==([\w.]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    extras = project["optional-dependencies"]
    assert set(extras) >= {"pipeline", "gpu", "ray", "teams", "dev"}
    for text in project["dependencies"] + extras["pipeline"]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(pins[wanted.name]), f"{text}: pinned {pins[wanted.name]}"


def test_every_direct_import_is_a_dependency() -> None:
    """The names that cnnviz/ imports are installed by the package or by its extras `pipeline` and `ray`."""
    import ast

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = project["dependencies"] + [
        text for extra in ("pipeline", "ray") for text in project["optional-dependencies"][extra]
    ]
    known = {re.split(r"[\[<>=~ ]", text)[0].lower().replace("-", "_") for text in listed}
    modules = {
        "PIL": "pillow",
        "yaml": "pyyaml",
        "ruamel": "ruamel_yaml",
        "markupsafe": "jinja2",
        "markdown_it": "markdown_it_py",
        "sqlalchemy": "mlflow",
        "starlette": "mlflow",
        "uvicorn": "mlflow",
        "voluptuous": "dvc",
        "zc": "dvc",
        "dvc_data": "dvc",
        "dvc_objects": "dvc",
    }
    for file in (ROOT / "cnnviz").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"cnnviz", "IPython"}:
                assert modules.get(name, name).lower() in known, f"{file}: {name}"
