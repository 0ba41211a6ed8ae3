"""dvc.yaml lists what each stage really uses, and nothing else."""

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
# Shared ground: a change here changes no output (params are tracked by value, errors are words).
GROUND = {"params", "schema", "fields", "stage", "errors", "quiet", "keras_settings", "__init__"}
# params.py looks names up in the catalogue; only the stages that fetch depend on what it says
ALONGSIDE = {"catalog"}


def imports(file: Path) -> set[str]:
    """Modules of cnnviz that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "cnnviz":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cnnviz."):
            found.add(str(node.module).split(".")[1])
    return found


def files(module: str) -> list[Path]:
    """The files of a module of cnnviz, or of a package in it."""
    package = ROOT / "cnnviz" / module
    return sorted(package.glob("*.py")) if package.is_dir() else [package.with_suffix(".py")]


def reached(file: Path) -> set[str]:
    todo, seen = imports(file), set()
    while todo - seen:
        module = (todo - seen).pop()
        seen.add(module)
        if module not in GROUND:
            todo |= {name for one in files(module) for name in imports(one)}
    return seen - GROUND


def parts(name: str) -> dict[str, Any]:
    return STAGES[name].get("do", STAGES[name])


@pytest.mark.parametrize("name", STAGES)
def test_deps_are_the_modules_that_the_stage_imports(name: str) -> None:
    stage = parts(name)
    script = stage["cmd"].split()[2].replace(".", "/") + ".py"
    assert stage["cmd"].startswith("python -m stages.")
    deps = [str(dep) for dep in stage["deps"]]
    assert script in deps
    listed = {Path(dep).stem for dep in deps if dep.startswith("cnnviz/") and dep != "cnnviz/templates"}
    assert listed - ALONGSIDE == reached(ROOT / script) - ALONGSIDE


def test_library_never_imports_stages_and_only_network_stages_reach_tensorflow() -> None:
    for file in (ROOT / "cnnviz").rglob("*.py"):
        assert "stages" not in file.read_text(encoding="utf-8").split("import ")[1:], file
    with_network = {"model_sources", "models", "graph", "activations", "maximize", "maximized", "render_cache"}
    with_network |= {"observe", "receptive_field", "watch"}
    for name in ("images", "weights", "fixed_filters", "compare", "report", "track"):
        script = ROOT / (parts(name)["cmd"].split()[2].replace(".", "/") + ".py")
        assert not reached(script) & with_network, name


@pytest.mark.parametrize(
    "file", sorted((ROOT / "stages").glob("*.py")) + sorted((ROOT / "cnnviz").rglob("*.py")), ids=str
)
def test_files_stay_short(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= (60 if file.parent.name == "stages" else 280), lines
