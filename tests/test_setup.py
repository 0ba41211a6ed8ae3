"""From a clone to an environment and a first result: where the folder's name is odd, where uv is there or fails, where
another project has set Keras up."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import install
from tests.clone import NOT_INHERITED, ONE_MODEL, ROOT, VENV, Clone

pipeline = pytest.mark.pipeline
FOLDER = 'with a space/it\'s "5" & more; #1/$HOME ü 漢字 (é)'
STAGES = "from stages import {0} as one, {1} as two; one.main('cifar10-cnn'); two.main('cifar10-cnn')"


@pipeline
@pytest.mark.long
def test_make_repro_in_a_folder_of_any_name(tmp_path: Path) -> None:
    made = Clone(tmp_path / FOLDER)
    made.change(ONE_MODEL)
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    (made.folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"images": stages["images"]}}))
    (made.folder / "artifacts" / "report").mkdir(parents=True)
    (made.folder / "artifacts" / "report" / "index.html").touch()  # no first look
    done = made.make()
    assert done.returncode == 0, done.stderr
    assert f"report: {made.folder}/artifacts/report/index.html\n" in done.stdout
    assert "track: 1 runs made, 1 show what dvc.lock holds\n" in done.stdout
    assert (made.folder / "artifacts/images/images.json").is_file()
    for folder in (made.folder, *made.folder.parents[:2]):  # nothing went to a folder of half the name
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("name", ["co:lon", "50%", "what?"])
def test_a_folder_that_no_environment_can_be_in_gets_one_line(tmp_path: Path, name: str) -> None:
    for file in ("Makefile", "requirements.txt"):
        (tmp_path / name).mkdir(exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / name)
    env = {key: value for key, value in os.environ.items() if not key.startswith(NOT_INHERITED)}
    command = ["make", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=tmp_path / name, env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout.startswith("error: PATH takes no ':' and MLflow no '%' or '?'")
    assert done.stdout.count("\n") == 1
    assert not (tmp_path / name / ".venv").exists()


def made_of(folder: Path, *words: str, card: str = "") -> str:
    """What make would run; card: what nvidia-smi says, where there is one."""
    for file in ("Makefile", "requirements.txt", "requirements-gpu.txt"):
        shutil.copy(ROOT / file, folder)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (folder / ".venv" / "ready").touch()
    tools = folder / "tools"
    tools.mkdir()
    if card:
        (tools / "nvidia-smi").write_text(f"#!/bin/sh\ncat <<'E'\n{card}\nE\n")
        (tools / "nvidia-smi").chmod(0o755)
    env = {key: value for key, value in os.environ.items() if not key.startswith((*NOT_INHERITED, "GPU"))}
    env["PATH"] = f"{tools}:{env['PATH']}"
    return subprocess.run(
        ["make", "-n", *words], cwd=folder, env=env, capture_output=True, text=True, check=True
    ).stdout


ONE_CARD = "GPU 0: NVIDIA H200 (UUID: GPU-5d6a2f1c-0000-1111-2222-333344445555)\nGPU 1: NVIDIA H200 (UUID: GPU-1)"
BROKEN = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."


@pytest.mark.parametrize(("words", "card", "installs", "says"), [
    ([], "", False, False),
    ([], BROKEN, False, False),
    ([], ONE_CARD, True, True),
    (["look"], ONE_CARD, True, True),
    (["GPU=0"], ONE_CARD, False, False),
    (["GPU=1"], "", True, False),
    (["ui"], ONE_CARD, False, False),
    ([".venv/ready-gpu"], "", True, False),
])  # fmt: skip
def test_cuda_is_installed_where_a_card_is_found_or_asked_for(
    tmp_path: Path, words: list[str], card: str, installs: bool, says: bool
) -> None:
    said = made_of(tmp_path, *words, card=card)
    assert ("-r requirements-gpu.txt" in said) is installs
    assert ('echo "computing on NVIDIA H200; GPU=0 computes on the processor"' in said) is says
    assert (".venv, for the NVIDIA H200 here (once; 2.4 GB; GPU=0: not)" in said) is says


def test_a_card_that_is_asked_for_on_a_machine_without_one_installs_nothing(tmp_path: Path) -> None:
    if any(Path(one).exists() for one in ("/dev/nvidiactl", "/dev/dxg")):
        pytest.skip("a driver of a graphics card is here")
    made_of(tmp_path)
    env = {key: value for key, value in os.environ.items() if not key.startswith((*NOT_INHERITED, "GPU"))}
    done = subprocess.run(["make", "GPU=1"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == (
        "error: GPU=1, but no driver of a graphics card is here (/dev/nvidiactl); GPU=0 computes on the processor\n"
    )


def pins(name: str) -> set[str]:
    return set((ROOT / name).read_text(encoding="utf-8").splitlines())


def test_cuda_is_pinned_beside_the_packages_of_the_pipeline() -> None:
    """Those that requirements.txt has, in the same versions, and the libraries of NVIDIA that TensorFlow asks for."""
    from packaging.requirements import Requirement

    added = {Requirement(line) for line in pins("requirements-gpu.txt") - pins("requirements.txt")}
    versions = {one.name: next(iter(one.specifier)).version for one in added}
    assert all(name.startswith("nvidia-") for name in versions)
    asked = [Requirement(line) for line in importlib.metadata.requires("tensorflow") or ()]
    wanted = [
        one for one in asked if one.marker and one.marker.evaluate({"extra": "and-cuda"}) and "nvidia" in one.name
    ]
    assert {one.name for one in wanted} == versions.keys()
    assert all(one.specifier.contains(versions[one.name]) for one in wanted)
    [line] = [line for line in pins("requirements-gpu.in") if not line.startswith("#")]
    assert line.replace("[and-cuda]", "") in pins("requirements.in")


def test_uv_is_told_what_pip_is_configured_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://one.example/simple\nextra-index-url = https://two.example/a\n  https://b.example\n"
        "[install]\nindex-url = https://user:it's@three.example/simple\nno-deps = true\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_FIND_LINKS", "/one /two")
    found = install.settings()
    assert found["UV_INDEX_URL"] == "https://user:it's@three.example/simple"
    assert found["UV_EXTRA_INDEX_URL"] == "https://two.example/a https://b.example"
    assert found["UV_FIND_LINKS"] == "/one,/two"
    assert found["UV_INDEX_STRATEGY"] == "unsafe-best-match"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an empty environment."""
    folder = tmp_path_factory.mktemp("an environment") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder / "bin" / "python"


@pytest.mark.pipeline
@pytest.mark.parametrize("uv", ["works", "fails"])
def test_what_is_pinned_is_installed_with_uv_or_without(tmp_path: Path, environment: Path, uv: str) -> None:
    """From a place that only pip is configured with; the wheel in it needs something that is not to be had."""
    real = shutil.which("uv", path=f"{VENV}/bin:{os.environ['PATH']}")
    if uv == "works" and not real:
        pytest.skip("no uv here")
    version = {"works": "1.0", "fails": "2.0"}[uv]
    wheel(tmp_path / "wheels", version)
    (tmp_path / "pins.txt").write_text(f"small=={version}\n")
    tool = tmp_path / "bin" / "uv"
    tool.parent.mkdir()
    then = real if uv == "works" else "false"
    tool.write_text(f'#!/bin/sh\necho "noise $@" >&2\necho "$@" >>"{tmp_path}/called"\nexec "{then}" "$@"\n')
    tool.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    env |= {"PATH": f"{tool.parent}:{env['PATH']}", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
    command = [environment, "install.py", "--no-deps", "-r", tmp_path / "pins.txt"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "--reinstall" not in (tmp_path / "called").read_text()  # it downloads all again, into uv's cache
    [about] = environment.parents[1].glob(f"lib/*/site-packages/small-{version}.dist-info")
    assert (about / "INSTALLER").read_text().strip() == {"works": "uv", "fails": "pip"}[uv]
    if uv == "works":  # as an install that was killed leaves it: said to be there, without its file
        (about.parent / "small.py").unlink()
        (environment.parents[1] / "unfinished").touch()
        subprocess.run(command, cwd=ROOT, env=env, check=True)
        assert (about.parent / "small.py").exists()
        assert not (environment.parents[1] / "unfinished").exists()


def wheel(folder: Path, version: str) -> None:
    """A package of one module."""
    folder.mkdir()
    about = f"small-{version}.dist-info"
    files = {
        "small.py": "",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: small\nVersion: {version}\nRequires-Dist: not-to-be-had\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: by-hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(folder / f"small-{version}-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


@pipeline
@pytest.mark.long
def test_another_projects_keras_changes_no_byte(tmp_path: Path) -> None:
    home = tmp_path / "keras"
    home.mkdir()
    settings = {"backend": "jax", "image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.01}
    (home / "keras.json").write_text(json.dumps(settings | {"nnx_enabled": True}))
    theirs = {"KERAS_HOME": str(home), "KERAS_BACKEND": "torch", "KERAS_MAX_STEPS_PER_EPOCH": "1"}
    plain = {name: value for name, value in os.environ.items() if not name.startswith("KERAS_")}
    made, runs = Clone(tmp_path / "clone"), []
    made.change(ONE_MODEL)
    subprocess.run([sys.executable, "-m", "stages.download_images"], cwd=made.folder, check=True)
    for env in ({"KERAS_HOME": str(tmp_path / "fresh")}, theirs):
        for kind in ("models", "feature_maps"):
            shutil.rmtree(made.folder / "artifacts" / kind, ignore_errors=True)
        code = STAGES.format("download_model", "compute_feature_maps")
        subprocess.run([sys.executable, "-c", code], cwd=made.folder, env=plain | env, check=True)
        files = [path for path in (made.folder / "artifacts").rglob("*") if path.is_file()]
        runs.append({path: path.read_bytes() for path in files})
    assert runs[0] == runs[1]
    assert json.loads((home / "keras.json").read_text())["backend"] == "jax"  # the user's file is as it was


def test_two_set_ups_at_once_and_one_that_is_interrupted(tmp_path: Path) -> None:
    """Of the environment: the second stops; the first says one line where it is stopped, nothing of venv or pip."""
    shutil.copy(ROOT / "install.py", tmp_path)
    command = [sys.executable, "install.py", "--into", "venv", "--no-deps", "-r", "pins.txt"]
    first = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "venv").exists():
        assert first.poll() is None
    second = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert second.returncode == 1
    assert second.stderr == "error: another make is installing into venv; it goes on, this one stops\n"
    first.terminate()
    assert first.communicate(timeout=5)[1] == "interrupted; make goes on from here\n"
    assert first.returncode == 143
