"""The commands of README.md and docs/ are commands that exist, and the README's path runs."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """Every `lucency …` line of the page's shell blocks, without comments, joined over `\\`."""
    lines: list[str] = []
    for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language in ("bash", "sh", "console"):
            lines += text.replace("\\\n", " ").splitlines()
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [part for part in parts if part.startswith("lucency ")]


ALL = [(page.name, command) for page in PAGES for command in commands(page)]


def test_pages_have_commands() -> None:
    assert len(ALL) > 10


@pytest.mark.parametrize(("page", "command"), ALL, ids=[f"{p}: {c}" for p, c in ALL])
def test_command_is_understood(page: str, command: str) -> None:
    """Arguments and options parse; nothing is run."""
    import typer.main

    from lucency.api.cli import build_app

    group = typer.main.get_command(build_app())
    name, *rest = shlex.split(command, comments=True)[1:]
    if name.startswith("-"):
        pytest.skip("an option of the program itself")
    subcommand = group.commands[name]  # type: ignore[attr-defined]
    with subcommand.make_context(name, list(rest), parent=None) as context:
        assert context.command.name == name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def lucency(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lucency"
    return subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )


@pytest.mark.slow
def test_the_readmes_path_runs(tmp_path: Path) -> None:
    """Your own radiographs, from annotation files to a bundle, on a few phantoms."""
    made = lucency(
        "phantoms", "annotations", "--region", "limb", "--patients", "12", "--size", "96",
        folder=tmp_path,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    path = [shlex.split(line, comments=True)[1:] for line in commands(PAGES[0])]
    steps = [
        step for step in path if step[0] in ("convert", "split", "train", "export", "evaluate")
    ]
    assert [step[0] for step in steps] == ["convert", "split", "train", "export", "evaluate"]
    quick = ["epochs=1", "image_size=64", "batch=4", "weights=start.pt", "ultralytics={nbs: 4}"]
    subprocess.run(
        [sys.executable, "-c", UNTRAINED, str(tmp_path / "start.pt")], check=True, timeout=120
    )
    for step in steps:
        arguments = [*step]
        if step[0] == "convert":
            (tmp_path / "images").mkdir()
        if step[0] == "train":
            arguments += [part for value in quick for part in ("--set", value)]
        done = lucency(*arguments, folder=tmp_path)
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "bundles/fracture/manifest.json").is_file()
    assert (tmp_path / "report/report.html").is_file()
    image = next((tmp_path / "annotations").glob("*.dcm"))
    found = lucency("predict", str(image), "--bundle", "bundles/fracture", folder=tmp_path)
    assert found.returncode == 0, found.stderr


UNTRAINED = """
import sys
from lucency.detection.offline_ultralytics import import_ultralytics
import_ultralytics().YOLO("yolo11n.yaml").save(sys.argv[1])
"""


def test_help_is_quick_and_complete() -> None:
    import time

    times = []
    for _ in range(5):
        start = time.perf_counter()
        done = lucency("--help", folder=ROOT)
        times.append(time.perf_counter() - start)
        assert done.returncode == 0, done.stderr
    for name in ("convert", "split", "train", "export", "evaluate", "predict", "serve", "demo"):
        assert name in done.stdout
    # 0.3 s is the aim (docs/results.md has the figure); a busy machine gets some room here.
    assert min(times) < 0.6


def test_a_users_mistake_is_one_line() -> None:
    done = lucency("split", "no-such-folder", folder=ROOT)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no-such-folder: ")
    assert done.stderr.count("\n") == 1
