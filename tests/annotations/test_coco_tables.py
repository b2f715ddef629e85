import json
from typing import Any

import pytest

from lucency.annotations.coco_tables import category_names, images_by_id, key_of
from lucency.configs.errors import AnnotationError


def image(image_id: object, name: object = "a.png", **further: object) -> dict[str, Any]:
    return {"id": image_id, "file_name": name, **further}


@pytest.mark.parametrize(
    ("categories", "names"),
    [
        ([], {}),
        ([{"id": 1, "name": "a"}, {"id": 90, "name": "b"}], {1: "a", 90: "b"}),
        ([{"id": 0, "name": "a"}, {"id": 0, "name": "a"}], {0: "a"}),
        ([{"id": 1, "name": "a"}, {"id": 2, "name": "a"}], {1: "a", 2: "a"}),
        ([{"id": "x", "name": "Brüche"}], {"x": "Brüche"}),
        ([{"id": 1.0, "name": "a"}], {1: "a"}),
    ],
    ids=["none", "gaps", "listed twice", "one name, two ids", "text id", "float id"],
)
def test_categories(categories: list[Any], names: dict[object, str]) -> None:
    assert category_names({"categories": categories}, where="c.json") == names


def test_a_document_may_have_no_categories() -> None:
    assert category_names({}, where="c.json") == {}


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ({}, r"c\.json: categories: must be a list"),
        ([3], r"categories\[0\]: must be an object"),
        ([{"id": 1}], r"categories\[0\].name: must be a name"),
        ([{"id": 1, "name": "a\nb"}], r"categories\[0\].name"),
        ([{"name": "a"}], r"categories\[0\].id: must be a number or a text"),
        ([{"id": [1], "name": "a"}], r"categories\[0\].id"),
        ([{"id": True, "name": "a"}], r"categories\[0\].id"),
        ([{"id": float("nan"), "name": "a"}], r"categories\[0\].id"),
        ([{"id": 1, "name": "a"}, {"id": 1, "name": "b"}], r"categories\[1\].id: 1 stands for"),
    ],
    ids=["object", "number", "no name", "two lines", "no id", "id a list", "id true", "id nan",
         "two names"],
)  # fmt: skip
def test_broken_categories_are_one_clear_line(categories: object, message: str) -> None:
    with pytest.raises(AnnotationError, match=message) as caught:
        category_names({"categories": categories}, where="c.json")
    assert "\n" not in str(caught.value)


def test_images() -> None:
    entries = [
        image(0, "x\\1.png", width=640, height=480.0),
        image(7, "2.png"),
        image("a", "3.png"),
    ]
    images, clashing = images_by_id({"images": entries}, where="c.json")
    assert {key: found.name for key, found in images.items()} == {
        0: "x/1.png", 7: "2.png", "a": "3.png"
    }  # fmt: skip
    assert (images[0].size_wh, images[7].size_wh, clashing) == ((640, 480), None, {})


def test_the_optional_keys() -> None:
    entry = image(1, split="valid", patient_id=12, flags={"tb": True})
    (found,) = images_by_id({"images": [entry]}, where="c.json")[0].values()
    assert (found.split, found.patient_id, found.labels) == ("val", "12", {"tb": True})


def test_an_id_for_several_files_stands_apart() -> None:
    entries = [image(1, "a.png"), image(2, "b.png"), image(1, "c.png"), image(1, "d.png"),
               image(1, "c.png"), image(2, "b.png")]  # fmt: skip
    images, clashing = images_by_id({"images": entries}, where="c.json")
    assert [found.name for found in images.values()] == ["b.png"]
    assert clashing == {1: ["a.png", "c.png", "d.png"]}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (4, r"c\.json: images\[0\]: must be an object"),
        (image(None), r"images\[0\].id"),
        (image([1]), r"images\[0\].id"),
        (image(1, None), r"images\[0\].file_name: must be a file name"),
        (image(1, "a\0b"), r"images\[0\].file_name"),
        (image(1, width=640), r"images\[0\]: width and height"),
        (image(1, width=-1, height=3), r"images\[0\]: width and height"),
        (image(1, split="dev"), r"images\[0\].split: must be train, val or test"),
        (image(1, patient_id={}), r"images\[0\].patient_id"),
        (image(1, flags=[1]), r"images\[0\].flags: must be an object"),
        (image(1, flags={"": True}), r"images\[0\].flags."),
    ],
    ids=["a number", "no id", "id a list", "no name", "null byte", "no height", "negative",
         "split", "patient", "flags a list", "flag without name"],
)  # fmt: skip
def test_a_broken_image_is_one_clear_line(entry: object, message: str) -> None:
    with pytest.raises(AnnotationError, match=message) as caught:
        images_by_id({"images": [entry]}, where="c.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "key"),
    [("3", 3), ("3.0", 3), ('"3"', "3"), ("true", None), ("null", None), ("NaN", None),
     ("[3]", None), ("{}", None), ("1" * 400, int("1" * 400))],
    ids=["int", "float", "text", "true", "null", "nan", "list", "object", "huge"],
)  # fmt: skip
def test_keys(text: str, key: object) -> None:
    assert key_of(json.loads(text)) == key
