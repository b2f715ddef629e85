import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from lucency.api.prediction_csv import csv_files
from lucency.api.prediction_names import ImageFile
from lucency.api.prediction_outcomes import Outcome
from lucency.api.schemas import Flag, Report
from lucency.configs.errors import ImageFault

MakeReport = Callable[..., Report]


def image(name: str) -> ImageFile:
    return ImageFile(Path("/images") / name, name, name)


def tables(
    folder: Path, *outcomes: Outcome, verdicts: tuple[tuple[str, str], ...] = (("net", "tb"),)
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    path = folder / "found.csv"
    with csv_files(path, class_names=("fracture", "lesion"), verdicts=verdicts) as add:
        for outcome in outcomes:
            add(outcome)
    read = []
    for name in ("found.csv", "found-images.csv"):
        with (folder / name).open(encoding="utf-8-sig", newline="") as stream:
            read.append(list(csv.DictReader(stream)))
    return read[0], read[1]


def test_a_row_for_each_finding(tmp_path: Path, make_report: MakeReport) -> None:
    report = make_report(
        (10, 20.126, 30, 60, "lesion", 0.875), (0, 0, 5, 5, "fracture", 0.123456789), tb=0.75
    )
    findings, _ = tables(tmp_path, Outcome(image("sub/a.png"), report))
    assert findings == [
        {
            **{"file": "sub/a.png", "finding": "1", "label": "lesion", "score": "0.875"},
            **{"tier": "sure", "threshold": "0.25", "x1": "10.0", "y1": "20.13", "x2": "30.0"},
            **{"y2": "60.0", "image_width": "200", "image_height": "100", "model": "finder"},
            **{"p(fracture)": "0.01", "p(lesion)": "0.875"},
        },
        findings[1],
    ]
    assert (findings[1]["finding"], findings[1]["score"], findings[1]["tier"]) == (
        "2",
        "0.123457",
        "doubtful",
    )


def test_a_row_for_each_image(tmp_path: Path, make_report: MakeReport) -> None:
    flag = Flag(kind="no-box", message="x", models=("finder",))
    chest = make_report(tb=0.75, detector=False, flags=(flag, flag))
    _, images = tables(
        tmp_path,
        Outcome(image("a.png"), make_report((0, 0, 5, 5, "lesion", 0.9), tb=0.25)),
        Outcome(image("broken.png"), error="broken.png: x", fault=ImageFault.TRUNCATED),
        Outcome(image("chest.png"), chest),
        Outcome(image("none.png"), make_report()),
    )
    told = [
        (row["file"], row["findings"], row["best_label"], row["p(tb)"], row["tb"]) for row in images
    ]
    assert told == [
        ("a.png", "1", "lesion", "0.25", "no"),
        ("broken.png", "", "", "", ""),
        ("chest.png", "", "", "0.75", "yes"),
        ("none.png", "0", "", "", ""),
    ]
    assert images[1]["error"] == "unreadable_image: truncated"
    assert images[2]["flags"] == "no-box; no-box"


def test_labels_that_several_classifiers_know_name_them(tmp_path: Path) -> None:
    _, images = tables(
        tmp_path,
        Outcome(image("a.png"), error="x"),
        verdicts=(("one", "tb"), ("two", "tb"), ("two", "mass")),
    )
    assert list(images[0])[-6:] == [
        *("p(one: tb)", "one: tb", "p(two: tb)", "two: tb", "p(mass)", "mass"),
    ]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("=cmd|'/c calc'!A1.png", "./=cmd|'/c calc'!A1.png"),
        ("-1.png", "./-1.png"),
        ("@a.png", "./@a.png"),
        ("a, b\n.png", "a, b\n.png"),
        ('"ü".png', '"ü".png'),
    ],
)
def test_no_name_is_taken_for_a_formula(
    tmp_path: Path, make_report: MakeReport, name: str, written: str
) -> None:
    report = make_report((0, 0, 5, 5, "lesion", 0.9))
    findings, images = tables(tmp_path, Outcome(image(name), report))
    assert findings[0]["file"] == images[0]["file"] == written


def test_no_images_give_tables_with_headings_alone(tmp_path: Path) -> None:
    assert tables(tmp_path) == ([], [])
    assert (tmp_path / "found.csv").read_bytes().startswith(b"\xef\xbb\xbffile,finding,label")
