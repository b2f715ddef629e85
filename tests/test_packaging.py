"""What is installed is what stands in the folders."""

import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, object]:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the tracked files without build isolation."""
    source = tmp_path_factory.mktemp("source")
    tracked = (
        subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=repository,
            check=True,
            capture_output=True,
        )
        .stdout.decode()
        .split("\0")
    )
    for name in filter(None, tracked):
        if (repository / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((repository / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "out"],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (built,) = (source / "out").glob("*.whl")
    return built


def packages(project: dict[str, object]) -> set[str]:
    return set(project["tool"]["setuptools"]["packages"])  # type: ignore[index]


def test_package_list_matches_the_folders(project: dict[str, object], repository: Path) -> None:
    folders = {
        path.parent.name
        for path in repository.glob("*/*.py")
        if path.parent.name not in ("tests", "benchmarks", "docs")
    }
    assert packages(project) == {f"lucency.{folder}" for folder in folders}


def test_datasets_has_no_init(repository: Path) -> None:
    # With one, `import datasets` from the root would be this folder, not Hugging Face's package.
    assert not (repository / "datasets" / "__init__.py").exists()


def test_constraints_name_only_versions(repository: Path) -> None:
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    assert len(pinned) > 50
    assert all("==" in line and "/" not in line and "@" not in line for line in pinned)


@pytest.mark.slow
def test_wheel_holds_every_module_and_data_file(wheel: Path, repository: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("configs", "annotations", "datasets", "evaluation", "detection", "api"):
        for path in (repository / folder).glob("*.py"):
            assert f"lucency/{folder}/{path.name}" in names
    for path in [*repository.glob("configs/*.yaml"), *repository.glob("*/bundles/*/*")]:
        assert f"lucency/{path.relative_to(repository)}" in names
    assert "lucency/evaluation/report.html" in names
    assert not any(name.startswith(("datasets/", "api/", "tests/")) for name in names)


@pytest.mark.slow
def test_wheel_runs_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """The command starts from the wheel alone, with the libraries of this environment."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", wheel], check=True
    )
    here = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    libraries = str(Path(os.__file__).parent / "site-packages")
    libraries = next(p for p in sys.path if p.endswith("site-packages")) or libraries
    code = (
        f"import sys; sys.path.append({libraries!r});"
        "import lucency.api.cli as cli, lucency.datasets.display as d, pathlib;"
        f"assert str(pathlib.Path(cli.__file__)).startswith({here!r}), cli.__file__;"
        f"assert str(pathlib.Path(d.__file__)).startswith({here!r}), d.__file__;"
        "sys.argv = ['lucency', '--help']; cli.main()"
    )
    done = subprocess.run(
        [python, "-I", "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "serve" in done.stdout
