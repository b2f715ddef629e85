import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lucency.annotations.geometry import Box
from lucency.annotations.prelabels import (
    OURS,
    Prelabel,
    Prelabels,
    Review,
    new_document,
    read_reviews,
    reviewed_document,
)
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

PRELABELS = Prelabels(
    model="model 0123456789ab",
    boxes=(
        Prelabel("fracture", Box(1.234, 2, 30, 40), 0.87654),
        Prelabel("lesion", Box(50, 50, 60, 70), 0.5),
    ),
)
Document = dict[str, Any]
Edit = Callable[[Document], object]


def document() -> Document:
    return new_document("img-0001.png", (100, 80), PRELABELS)


def reviewed(folder: Path, made: Document) -> Review:
    """The document as it is read back."""
    (folder / "img-0001.json").write_text(json.dumps(made), encoding="utf-8")
    reviews, unreadable = read_reviews(Source(folder))
    assert not unreadable
    return reviews[0]


def test_a_new_document_is_what_labelme_opens() -> None:
    made = document()
    assert made["flags"] == {"reviewed": False}
    assert (made["imagePath"], made["imageData"]) == ("img-0001.png", None)
    assert (made["imageWidth"], made["imageHeight"]) == (100, 80)
    shape = made["shapes"][0]
    assert shape["points"] == [[1.23, 2], [30, 40]]
    assert (shape["label"], shape["shape_type"]) == ("fracture", "rectangle")
    assert (shape["score"], shape["source"]) == (0.8765, "model 0123456789ab")


def test_a_shape_names_the_model_that_found_it_where_several_did() -> None:
    box = Prelabel("fracture", Box(1, 2, 3, 4), 0.9, "two 89ab")
    made = new_document("a.png", (9, 9), Prelabels("one 0123 + two 89ab", (box,)))
    assert made["shapes"][0]["source"] == "two 89ab"
    assert made[OURS]["prelabelled_by"] == "one 0123 + two 89ab"


def test_without_a_model_there_is_nothing_to_correct(tmp_path: Path) -> None:
    made = new_document("img-0001.png", (100, 80))
    assert made["shapes"] == []
    assert OURS not in made
    assert not reviewed(tmp_path, made).done


def test_what_nobody_touched_is_not_done(tmp_path: Path) -> None:
    review = reviewed(tmp_path, document())
    assert not review.changed
    assert not review.done
    assert review.model == "model 0123456789ab"
    assert [finding.label for finding in review.proposed or ()] == ["fracture", "lesion"]


def tick(made: Document) -> None:
    made["flags"]["reviewed"] = True


def move(made: Document) -> None:
    made["shapes"][0]["points"][0][0] += 0.5


def relabel(made: Document) -> None:
    made["shapes"][0]["label"] = "lesion"


def delete(made: Document) -> None:
    del made["shapes"][1]


def add(made: Document) -> None:
    made["shapes"].append(dict(made["shapes"][0], points=[[5, 5], [9, 9]]))


def duplicate(made: Document) -> None:
    made["shapes"][1] = dict(made["shapes"][0])


def add_a_point(made: Document) -> None:
    made["shapes"].append(dict(made["shapes"][0], points=[[5, 5]], shape_type="point"))


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (tick, False),
        (move, True),
        (relabel, True),
        (delete, True),
        (add, True),
        (duplicate, True),
        (add_a_point, True),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_a_reader_did_is_seen(tmp_path: Path, edit: Edit, changed: bool) -> None:
    made = document()
    edit(made)
    review = reviewed(tmp_path, made)
    assert review.changed is changed
    assert review.done


def test_the_order_of_shapes_and_corners_is_no_change(tmp_path: Path) -> None:
    made = document()
    made["shapes"].reverse()
    made["shapes"][0]["points"].reverse()
    made["shapes"][1]["points"][0][0] += 0.004
    assert not reviewed(tmp_path, made).done


def test_a_document_that_is_not_ours_was_made_by_a_reader(tmp_path: Path) -> None:
    made = document()
    del made[OURS], made["flags"]
    assert reviewed(tmp_path, made).done


def test_a_reviewed_document_is_an_ordinary_one(tmp_path: Path) -> None:
    made = document() | {"imageData": "aGVsbG8="}
    made["flags"] |= {"reviewed": True, "pneumonia": True}
    review = reviewed(tmp_path, made)
    told = reviewed_document(review, image="a/img-0001.png", patient_id="P1")
    assert told["flags"] == {"pneumonia": True}
    assert told["imagePath"] == "a/img-0001.png"
    assert told["imageData"] is None
    assert told["patient_id"] == "P1"
    assert OURS not in told
    assert told["shapes"] == made["shapes"]
    assert "patient_id" not in reviewed_document(review, image="a.png", patient_id="")


def test_unreadable_documents_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{", encoding="utf-8")
    (tmp_path / "b.json").write_text("[1]", encoding="utf-8")
    (tmp_path / "c.json").write_text('{"shapes": 3, "imagePath": "c.png"}', encoding="utf-8")
    reviews, unreadable = read_reviews(Source(tmp_path))
    assert reviews == []
    assert [file.name for file, _ in unreadable] == ["a.json", "b.json", "c.json"]
    assert "is not valid JSON" in unreadable[0][1]


@pytest.mark.parametrize(
    "ours",
    [
        3,
        {},
        {"proposed": {}},
        {"proposed": [3]},
        {"proposed": [{"label": "fracture"}]},
        {"proposed": [{"label": "", "box": [1, 2, 3, 4]}]},
        {"proposed": [{"label": "fracture", "box": [1, 2, 3]}]},
        {"proposed": [{"label": "fracture", "box": [1, 2, float("nan"), 4]}]},
        {"proposed": [{"label": "fracture", "box": [9, 2, 3, 4]}]},
    ],
    ids=["number", "empty", "object", "no-box", "label", "no-label", "three", "nan", "order"],
)
def test_a_spoilt_record_of_the_model_is_named(tmp_path: Path, ours: object) -> None:
    (tmp_path / "a.json").write_text(json.dumps(document() | {OURS: ours}), encoding="utf-8")
    with pytest.raises(AnnotationError, match=r"a\.json: lucency"):
        read_reviews(Source(tmp_path))
