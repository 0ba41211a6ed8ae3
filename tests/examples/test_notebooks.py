"""The notebooks of examples/: kept without outputs; each runs whole in another folder, and shows pictures."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from cnnviz.sources import catalog

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
EXPECTED = {
    "borrow_filters",
    "layer_by_layer",
    "two_diagonal_kernels",
    "vgg16_filters",
    "watch_training",
    "your_own_model",
}
DEAR = {"watch_training"}  # a minute; tests/examples/test_watch_training.py does the same in small
# What TensorFlow says of the machine, from C++, before anybody can stop it
CHATTER = re.compile(r"WARNING: All log messages before absl|[IWE]\d{4} |downloading [\w.=-]+, once$|\s*$")


def name_of(path: Path) -> str:
    return path.stem


def cells(path: Path) -> list[Any]:
    return nbformat.read(path, as_version=4).cells


def test_the_notebooks_are_there_and_readme_names_them() -> None:
    assert {path.stem for path in NOTEBOOKS} == EXPECTED
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in NOTEBOOKS:
        assert f"(examples/{path.name})" in readme


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_kept_without_outputs_and_with_what_the_format_asks_for(path: Path) -> None:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
        assert not cell.metadata


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_reads_on_its_own(path: Path) -> None:
    """A title, the line that installs cnnviz without a host's name, words before code, files that are there."""
    first, second, *_ = listed = cells(path)
    assert first.source.startswith("# ")
    assert second.source.startswith('# In Colab, first: %pip install "cnnviz @ git+<address of this repository>"\n')
    assert "://" not in re.sub(r'xmlns="[^"]*"', "", "".join(cell.source for cell in listed))
    for cell in listed:
        for named in re.findall(r"`(\w+\.(?:ipynb|py))`", cell.source):
            assert (path.parent / named).is_file(), named


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing in it but, where this project has them already, the downloads."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for package in (catalog.IMAGES_PACKAGE, *(model.package for model in catalog.MODELS.values())):
        have = ROOT / ".cache" / "downloads" / package.sha256
        if have.is_dir():
            (folder / ".cache" / "downloads").mkdir(parents=True, exist_ok=True)
            (folder / ".cache" / "downloads" / package.sha256).symlink_to(have, target_is_directory=True)
    return folder


@pytest.fixture(scope="module")
def client(place: Path) -> Iterator[NotebookClient]:
    """A real kernel that runs one notebook after the other, so that TensorFlow is imported once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        patch.setenv("IPYTHONDIR", str(place / ".ipython"))
        patch.delenv("DVC_ROOT", raising=False)
        one = NotebookClient(
            nbformat.v4.new_notebook(), timeout=300, kernel_name="python3", resources={"metadata": {"path": str(place)}}
        )
        with one.setup_kernel():
            yield one


def run(client: NotebookClient, notebook: Any) -> Any:
    """Run all cells in order with none of the names of what ran before. An exception in a cell is raised here."""
    client.nb = notebook
    client.reset_execution_trackers()
    for index, cell in enumerate(notebook.cells):
        client.execute_cell(cell, index)
    return notebook


@pytest.mark.pipeline
@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.long] if path.stem in DEAR else []) for path in NOTEBOOKS],
    ids=[path.stem for path in NOTEBOOKS],
)
def test_runs_whole_and_shows_pictures(path: Path, client: NotebookClient) -> None:
    run(client, nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%reset -f")]))
    notebook = run(client, nbformat.read(path, as_version=4))
    if kept := os.environ.get("CNNVIZ_NOTEBOOKS_TO"):  # to look at them
        nbformat.write(notebook, Path(kept) / path.name)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    written = {"stdout": "", "stderr": ""}
    for output in outputs:
        if output.output_type == "stream":
            written[output.name] += output.text
    assert not [line for line in written["stderr"].splitlines() if not CHATTER.match(line)]
    assert "WARNING" not in written["stdout"]  # where TensorFlow's Python puts them in a notebook
    assert not [output for output in outputs if output.output_type == "error"]
    shown = [output.get("data", {}) for output in outputs]
    pictures = [data for data in shown if "image/png" in data or "data:image/png" in data.get("text/html", "")]
    assert len(pictures) >= 3
