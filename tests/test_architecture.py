"""The folders are the architecture: imports go one way, and light folders stay light."""

import ast
from pathlib import Path

import pytest

ORDER = ["configs", "annotations", "datasets", "evaluation", "detection", "classification", "api"]
SIBLINGS = {frozenset({"detection", "classification"})}
HEAVY = {"torch", "torchvision", "ultralytics", "albumentations"}
ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for folder in ORDER for path in (ROOT / folder).glob("*.py"))

# What the base install runs: the service, `predict`, and the evaluation of both tasks.
RUNTIME = ["api/server.py", "api/predict.py", "detection/report.py", "classification/report.py"]


def imported(path: Path, *, top_level: bool = False) -> set[str]:
    """All modules that a file imports, functions' own imports included unless ``top_level``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes: list[ast.AST] = list(tree.body) if top_level else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    folder = path.parent.name
    for name in imported(path):
        if not name.startswith("lucency."):
            continue
        target = name.split(".")[1]
        assert ORDER.index(target) <= ORDER.index(folder), f"{name_of(path)} imports {name}"
        assert frozenset({folder, target}) not in SIBLINGS, f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", sorted((ROOT / "annotations").glob("*.py")), ids=name_of)
def test_annotations_stay_light(path: Path) -> None:
    found = {name.split(".")[0] for name in imported(path, top_level=True)}
    assert not found & {"numpy", "torch", "cv2", "pydicom", "pydantic", "PIL"}


def reached(path: Path) -> set[Path]:
    """The file and all files of the project that it imports, directly or through others."""
    found, waiting = set(), [path]
    while waiting:
        current = waiting.pop()
        found.add(current)
        for name in imported(current):
            module = ROOT.joinpath(*name.split(".")[1:]).with_suffix(".py")
            if name.startswith("lucency.") and module.is_file() and module not in found:
                waiting.append(module)
    return found


@pytest.mark.parametrize("name", RUNTIME)
def test_running_a_model_needs_no_torch(name: str) -> None:
    for path in reached(ROOT / name):
        heavy = {module.split(".")[0] for module in imported(path)} & HEAVY
        assert not heavy, f"{name} reaches {name_of(path)}, which imports {heavy}"


def test_the_search_for_imports_finds_them() -> None:
    assert ROOT / "configs/session.py" in reached(ROOT / "api/server.py")
    assert "torch" in imported(ROOT / "detection/parity.py")


# All that `lucency --help` has to import.
SHARED = ["api/model_options.py", "api/training_libraries.py"]
COMMANDS = sorted(
    {
        *ROOT.glob("*/commands.py"),
        *ROOT.glob("api/*_command*.py"),
        *(ROOT / name for name in SHARED),
    }
)


@pytest.mark.parametrize("path", COMMANDS, ids=name_of)
def test_commands_import_nothing_heavy_at_the_top(path: Path) -> None:
    allowed = {
        "__future__",
        "collections",
        "contextlib",
        "pathlib",
        "typing",
        "typer",
        "enum",
        "importlib",
        "signal",
        "lucency",
    }
    found = imported(path, top_level=True)
    assert {name.split(".")[0] for name in found} <= allowed
    inside = {name for name in found if name.startswith("lucency.")}
    light = (
        *("lucency.configs.errors", "lucency.annotations.choices", "lucency.datasets.commands"),
        *("lucency." + name.removesuffix(".py").replace("/", ".") for name in SHARED),
    )
    assert all(name.startswith(light) for name in inside)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_are_of_a_size_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 330
