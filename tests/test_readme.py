"""What the README tells people to type or write works."""

import re
from pathlib import Path

import pytest
import yaml

from cnnviz.config import params

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_own_model_lines_are_valid_params(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    data, added = yaml.safe_load((ROOT / "params.yaml").read_text()), yaml.safe_load(snippet)
    data["models"] |= added["models"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(data))
    assert params.load(tmp_path / "params.yaml").models["my-net"].preprocessing == "unit"


@pytest.mark.parametrize("file", ["README.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))])
def test_links_and_pictures_exist(file: str) -> None:
    path = ROOT / file
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"make (\w+)", README)):
        assert f"\n{target}:" in makefile, target


@pytest.mark.pipeline
def test_the_three_lines_for_colab_give_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On whatever is here, a card or not."""
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8"), re.DOTALL)
    *lines, last = filter(None, code.splitlines())
    assert len(lines) == 2
    known: dict[str, object] = {}
    exec("\n".join(lines), known)  # noqa: S102
    result = eval(last, known)  # noqa: S307
    assert result.images.shape == (4, 128, 128, 3)
    assert (result.status == "ok").all()
