"""The house of docs/architecture.md, held by machine: rooms, doors, the order of imports, and what dvc.yaml lists."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

# From the ground up: a room, or a module that lies beside the rooms, imports only what stands before it.
ORDER = [
    *("errors", "fields", "objectives", "device", "files", "pictures", "sources", "images", "networks", "activations"),
    *(
        "filters",
        "maximization",
        "analysis",
        "judging",
        "comparison",
        "epochs",
        "report",
        "tracking",
        "verify",
        "versus",
        "notebook",
        "config",
    ),
    *("look", "borrowing", "add", "ask", "strip", "plan", "repro", "enlarge", "publish"),
]
# What can't change an output is no dep of a stage: params.yaml (and the rooms' sections, which read it) is tracked by
# its values, errors are words.
HIDDEN = {"__import__", "import_module", "exec", "eval", "lazy_loader.load"}  # what imports unseen
MAY_HIDE = {
    "cnnviz.notebook.display": "import_module",
    "cnnviz.networks.files.own_code": "exec",
}  # IPython, users' code
GROUND = {"errors", "fields", "config"}
# Where a network runs, or Keras's own data come from (images/reading.py, one function)
WITH_NETWORK = {
    *("networks", "activations", "filters", "maximization", "analysis", "epochs", "notebook", "images"),
    "device",
}
WITHOUT_NETWORK = ("images", "weights", "fixed_filters", "compare", "report", "track")
DEFINED = (ast.FunctionDef, ast.ClassDef)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
Edge = tuple[str, str, tuple[str, str]]  # importing module, imported module, (package or module, name in it)


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in sorted((ROOT / "cnnviz").rglob("*.py"))}
SCRIPTS = {name_of(file): file for folder in ("stages", "examples") for file in sorted((ROOT / folder).glob("*.py"))}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@cache
def door(package: str) -> dict[str, str]:
    """Names that a package's door lends out, with the module that each comes from."""
    stub = MODULES[package].with_suffix(".pyi")
    names: dict[str, str] = {}
    for node in ast.parse(stub.read_text(encoding="utf-8")).body if stub.is_file() else ():
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                place = f"{package}.{node.module}" if node.module else f"{package}.{alias.name}"
                names[alias.name] = door(place).get(alias.name, place) if place in MODULES else place
    return names


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imports(module: str) -> Iterator[Edge]:
    """What a module imports of cnnviz, anywhere in it; a room's name counts for what is taken from it."""
    parsed = tree(MODULES.get(module) or SCRIPTS[module])
    rooms: dict[str, str] = {}
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            whole = [alias.name for alias in node.names if alias.name.split(".")[0] == "cnnviz"]
            assert not whole or (whole == ["cnnviz"] and module.startswith("examples.")), f"{module}: from … import …"
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import: name the room"
        for hidden in _hiding(node) if module.startswith("cnnviz.") else ():
            assert MAY_HIDE.get(module) == hidden, f"{module}: {hidden} hides what is imported"
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("cnnviz"):
            continue
        for alias in node.names:
            package, target = str(node.module), f"{node.module}.{alias.name}"
            if package == "cnnviz" and target in MODULES and MODULES[target].name == "__init__.py":
                rooms[alias.asname or alias.name] = target
                yield module, target, ("cnnviz", alias.name)
            else:
                yield module, lent(package, alias.name), (package, alias.name)
    taken = {id(node.value) for node in ast.walk(parsed) if isinstance(node, ast.Attribute)}
    for node in ast.walk(parsed):
        if isinstance(node, ast.Name) and node.id in rooms and isinstance(node.ctx, ast.Load):
            assert id(node) in taken, f"{module}: take names from {node.id}; another name for it hides them"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in rooms:
            package = rooms[node.value.id]
            yield module, lent(package, node.attr), (package, node.attr)


def _hiding(node: ast.AST) -> Iterator[str]:
    """Names of HIDDEN that a node uses, or imports under whatever name."""
    names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
    if isinstance(node, ast.Name):
        names = [node.id]
    elif isinstance(node, ast.Attribute):
        names = [node.attr, ast.unparse(node)]
    elif isinstance(node, ast.Constant) and node.value == "__import__":
        names = [node.value]  # as in vars(builtins)["__import__"]
    for name in names:
        if name in HIDDEN:
            yield name


def lent(package: str, name: str) -> str:
    """The module that `from <package> import <name>` comes from."""
    whole = f"{package}.{name}"
    return whole if whole in MODULES else door(package).get(name, package) if package in MODULES else package


DOORS = [name for name, file in MODULES.items() if file.name == "__init__.py"]
EDGES = [edge for module in MODULES for edge in imports(module)]


def libraries(module: str, everywhere: bool) -> set[str]:
    """Packages that a module imports, at its top or `everywhere` in it."""
    parsed = tree(MODULES.get(module) or SCRIPTS[module])
    later = {id(inner) for outer in ast.walk(parsed) if isinstance(outer, FUNCTIONS) for inner in ast.walk(outer)}
    found = set()
    for node in ast.walk(parsed):
        if not everywhere and id(node) in later:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def reached(script: str) -> set[str]:
    """Modules that a stage can run, without its ground."""
    todo, seen = {target for _, target, _ in imports(script)}, set()
    while todo:
        module = todo.pop()
        if module in seen or room(module) in GROUND or module.endswith(".section"):
            continue
        seen.add(module)
        todo |= {target for _, target, _ in imports(module)}
    return seen


def parts(name: str) -> dict[str, Any]:
    return STAGES[name].get("do", STAGES[name])


def script_of(name: str) -> str:
    return parts(name)["cmd"].split()[2]


def test_the_house_is_small_enough_to_know() -> None:
    top = {path.stem for path in (ROOT / "cnnviz").iterdir() if path.suffix != ".typed"} - {"__init__", "__pycache__"}
    assert top == set(ORDER)
    for folder in {file.parent for file in MODULES.values()} - {ROOT / "cnnviz"}:
        assert (folder / "__init__.py").is_file(), f"{folder} has no door"
        modules = [file.stem for file in folder.glob("*.py") if file.stem != "__init__"]
        assert len(modules) <= 15 or folder == ROOT / "cnnviz/report/site", folder
        for stem in modules:
            assert folder.name.rstrip("s") not in stem, f"{folder.name}/{stem}.py repeats its folder's name"


@pytest.mark.parametrize("file", [*MODULES.values(), *SCRIPTS.values()], ids=lambda file: name_of(file))
def test_files_stay_short(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= (30 if file.parent.name == "stages" else 280), lines


def test_imports_go_down_only() -> None:
    for module, target, _ in EDGES:
        if room(module) and room(module) != room(target):
            assert room(target), f"{module} imports {target}: name the room"
            assert ORDER.index(room(module)) > ORDER.index(room(target)), f"{module} imports {target}, which is above"


def test_no_circle() -> None:
    """Also inside a room, and by imports inside functions."""
    after = {module: {target for start, target, _ in EDGES if start == module} - {module} for module in MODULES}
    done: set[str] = set()
    while ready := {module for module in after if module not in done and after[module] <= done}:
        done |= ready
    assert done == set(after), sorted(set(after) - done)


def test_other_rooms_are_entered_by_their_door() -> None:
    entered = {("cnnviz", name) for name in door("cnnviz")}
    for module, _, (package, name) in [*EDGES, *(edge for script in SCRIPTS for edge in imports(script))]:
        if room(package) != room(module) and package != "cnnviz" and f"cnnviz.{room(package)}" in DOORS:
            assert package.count(".") == 1, f"{module} goes around the door: from {package} import {name}"
            assert package in DOORS, f"{module} goes around the door: from {package} import {name}"
            assert name in door(package), f"{module}: the door of {package} has no {name}"
            entered.add((package, name))
    public = {("cnnviz." + room(place), name) for name, place in door("cnnviz").items()}
    rooms = [package for package in DOORS if package.count(".") == 1]  # not those inside a room
    unused = {(package, name) for package in rooms for name in door(package)} - entered - public
    assert unused <= {("cnnviz.config", "Params")}  # a type for those who call `load`


def test_tests_have_the_same_rooms_and_rooms_their_sections() -> None:
    rooms = {name for name in ORDER if (ROOT / "cnnviz" / name).is_dir()}
    assert rooms <= {folder.name for folder in (ROOT / "tests").iterdir() if list(folder.glob("test_*.py"))}
    for name in rooms:
        if (ROOT / "cnnviz" / name / "stage.py").is_file():
            assert (ROOT / "cnnviz" / name / "section.py").is_file(), name


def test_every_name_of_a_door_is_there_and_described() -> None:
    for package, file in MODULES.items():
        if not (stub := file.with_suffix(".pyi")).is_file() or file.name != "__init__.py":
            continue
        for line in stub.read_text(encoding="utf-8").splitlines():
            if line.startswith("from "):
                assert "  # " in line, f"{stub}: {line}: say in a few words what it is"
        for name, place in door(package).items():
            assert place in MODULES, f"{package}.{name}: no module {place}"
            names = {target.name for target in tree(MODULES[place]).body if isinstance(target, DEFINED)}
            names |= {n.id for node in tree(MODULES[place]).body for n in ast.walk(node) if isinstance(n, ast.Name)}
            assert place.endswith(f".{name}") or name in names, f"{place} has no {name}"


def test_tensorflow_only_where_a_network_runs_and_mlflow_only_in_tracking() -> None:
    for module in MODULES:
        used = libraries(module, everywhere=True)
        assert not used & {"tensorflow", "keras"} or room(module) in WITH_NETWORK, module
        assert "mlflow" not in used or room(module) == "tracking", module
        assert "stages" not in used, module
    for script in SCRIPTS:
        if script.startswith("stages."):
            assert not libraries(script, everywhere=True) & {"tensorflow", "keras", "mlflow"}, script
    for name in WITHOUT_NETWORK:
        for module in reached(script_of(name)):
            assert not libraries(module, everywhere=False) & {"tensorflow", "keras"}, f"{name}: {module}"


@pytest.mark.parametrize("name", STAGES)
def test_deps_are_the_rooms_that_the_stage_uses(name: str) -> None:
    script = script_of(name)
    assert parts(name)["cmd"].startswith(f"python -m {script}")
    deps = {str(dep) for dep in parts(name)["deps"]}
    assert f"{script.replace('.', '/')}.py" in deps
    listed = {dep for dep in deps if dep.startswith("cnnviz/")}
    used = {room(module) for module in reached(script)} - {""}
    assert listed == {f"cnnviz/{one}" if (ROOT / "cnnviz" / one).is_dir() else f"cnnviz/{one}.py" for one in used}


def test_the_render_cache_knows_all_code_that_makes_pixels() -> None:
    """What the renderer can run is in the key: files carry what it made, errors are words, devices have names."""
    code = ast.literal_eval(next(
        node.value
        for node in tree(MODULES["cnnviz.maximization.cache"]).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "CODE"
    ))  # fmt: skip
    todo, seen = {"cnnviz.maximization.ascent.renderer"}, set()
    while todo:
        module = todo.pop()
        seen.add(module)
        found = {target for _, target, _ in imports(module)} - seen
        todo |= {target for target in found if room(target) not in {"errors", "files", "device"}}
    known = {module for module in MODULES if MODULES[module].relative_to(ROOT / "cnnviz").as_posix().startswith(code)}
    assert seen <= known, seen - known
