import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lucency.api.prediction_files import (
    Labels,
    Outputs,
    json_lines,
    labels_of,
    open_outputs,
    partial,
)
from lucency.api.prediction_names import ImageFile
from lucency.api.prediction_outcomes import Outcome, Picture
from lucency.api.schemas import Report
from lucency.configs.bundle import Bundle
from lucency.configs.errors import ConfigError, ImageFault

MakeReport = Callable[..., Report]
LABELS = Labels(("fracture", "lesion"), (("net", "tb"),))
IMAGE = ImageFile(Path("/images/sub/a.png"), "sub/a.png", "sub/a")


def everything(folder: Path) -> Outputs:
    return Outputs(
        json=folder / "out.jsonl",
        coco=folder / "coco.json",
        labelme=folder / "labelme",
        yolo=folder / "yolo",
        csv=folder / "out.csv",
        pictures=folder / "pictures",
    )


def write(outputs: Outputs, *outcomes: Outcome, error: BaseException | None = None) -> None:
    with open_outputs(outputs, images=[IMAGE], labels=LABELS, notes=[]) as add:
        for outcome in outcomes:
            add(outcome)
        if error is not None:
            raise error


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def outcome(make_report: MakeReport) -> Outcome:
    report = make_report((10, 20, 30, 60, "lesion", 0.9), tb=0.75)
    return Outcome(IMAGE, report, pictures=(Picture("", b"jpeg"), Picture("-heat-net-tb", b"heat")))


def test_all_outputs_together(tmp_path: Path, outcome: Outcome) -> None:
    broken = ImageFile(Path("/images/b.png"), "b.png", "b")
    write(everything(tmp_path), outcome, Outcome(broken, error="x", fault=ImageFault.DAMAGED))
    assert files(tmp_path) == [
        "coco-images.json",
        "coco.json",
        "labelme/sub/a.json",
        "out-images.csv",
        "out.csv",
        "out.jsonl",
        "pictures/sub/a-heat-net-tb.jpg",
        "pictures/sub/a.jpg",
        "yolo/classes.txt",
        "yolo/labels/sub/a.txt",
    ]


def test_none_asked_for_writes_none(tmp_path: Path, outcome: Outcome) -> None:
    write(Outputs(), outcome)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(143), ConfigError("no")], ids=repr
)
def test_an_interruption_leaves_the_answers_so_far_under_another_name(
    tmp_path: Path, outcome: Outcome, error: BaseException
) -> None:
    with pytest.raises(type(error)):
        write(everything(tmp_path), outcome, error=error)
    assert files(tmp_path) == ["out.jsonl.partial"]
    lines = (tmp_path / "out.jsonl.partial").read_text().splitlines()
    assert [json.loads(line)["file"] for line in lines] == ["sub/a.png"]


def test_an_interruption_before_the_first_answer_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(everything(tmp_path), error=KeyboardInterrupt())
    assert files(tmp_path) == []


def test_lines_are_there_as_soon_as_they_are_written(tmp_path: Path, outcome: Outcome) -> None:
    """A killed process cannot clean up; what stands there is whole all the same."""
    path = tmp_path / "out.jsonl"
    with json_lines(path) as add:
        add(outcome)
        assert json.loads(partial(path).read_text())["file"] == "sub/a.png"
        assert not path.exists()
    assert path.exists()
    assert not partial(path).exists()


def test_an_earlier_run_is_replaced(tmp_path: Path, outcome: Outcome) -> None:
    outputs = Outputs(
        json=tmp_path / "out.jsonl", coco=tmp_path / "coco.json", csv=tmp_path / "out.csv"
    )
    write(outputs, outcome)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    (tmp_path / "out.jsonl.partial").write_bytes((tmp_path / "out.jsonl").read_bytes())
    write(outputs, outcome)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


@pytest.mark.parametrize("option", ["json", "coco", "csv"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"images": [], "annotations": []}', "was not written by an earlier run"),
        (b"\x89PNG\r\n", "was not written by an earlier run"),
        (b"file,label\n", "was not written by an earlier run"),
        (None, "is a folder; name a file"),
    ],
    ids=["annotations", "image", "table", "folder"],
)
def test_nothing_else_is_overwritten(
    tmp_path: Path, option: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / "mine"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"--{option} .*{message}"):
        write(Outputs(**{option: path}))
    assert content is None or path.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]


def test_files_beside_an_output_are_not_overwritten_either(tmp_path: Path) -> None:
    (tmp_path / "found-images.json").write_text('{"images": []}')
    with pytest.raises(ConfigError, match=r"--coco .*found-images\.json: exists"):
        write(Outputs(coco=tmp_path / "found.json"))


@pytest.mark.parametrize(
    "outputs",
    [
        {"json": "same", "csv": "same"},
        {"json": "a-images.json", "coco": "a.json"},
        {"labelme": "out", "pictures": "out/pictures"},
        {"yolo": "out", "coco": "out/coco.json"},
        {"labelme": "out", "yolo": "x/../out"},
    ],
    ids=["file", "companion", "folder in folder", "file in folder", "folder"],
)
def test_two_outputs_cannot_have_one_place(tmp_path: Path, outputs: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="writes there; name another"):
        write(Outputs(**{name: tmp_path / place for name, place in outputs.items()}))
    assert files(tmp_path) == []


@pytest.mark.parametrize("option", ["labelme", "yolo", "pictures"])
def test_existing_folders_are_refused_before_anything_is_analysed(
    tmp_path: Path, option: str
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        write(Outputs(json=tmp_path.parent / "out.jsonl", **{option: tmp_path}))
    assert files(tmp_path) == ["mine.txt"]
    assert not (tmp_path.parent / "out.jsonl.partial").exists()


def test_ids_need_results_that_use_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--coco-images: .* add --coco FILE"):
        write(Outputs(coco_images=tmp_path / "truth.json"))


def test_classes_are_those_of_all_detectors(
    tmp_path: Path,
    make_detector: Callable[..., Bundle],
    make_classifier: Callable[..., Bundle],
    make_router: Callable[..., Bundle],
) -> None:
    bundles = [
        make_detector(tmp_path / "one", classes=("b", "a")),
        make_classifier(tmp_path / "net"),
        make_router(tmp_path / "router"),
        make_detector(tmp_path / "two", classes=("a", "c")),
    ]
    assert labels_of(bundles) == Labels(("b", "a", "c"), (("net", "tb"),))
