"""One clean set in each of two formats, and for every rule one named way to spoil it."""

import copy
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lucency.annotations.box_checks import check_boxes
from lucency.annotations.census import take_census
from lucency.annotations.checked_images import ImageNames, checked_images, stem_of
from lucency.annotations.checks import Checkup, check
from lucency.annotations.convert import Options
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.ledger_checks import check_ledger
from lucency.annotations.losses import LOSSES
from lucency.annotations.problems import RULES, Problem, Severity, rules_from
from lucency.annotations.set_checks import check_classes
from lucency.configs.errors import AnnotationError, ConfigError

WIDTH, HEIGHT = 400, 320
CLASSES = ("fracture", "lesion")
NEGATIVES = (10, 11, 17, 23)


def png(shade: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size, shade).save(buffer, "PNG")
    return buffer.getvalue()


def found(checkup: Checkup) -> dict[str, int]:
    return {rule: len(problems) for rule, problems in checkup.by_rule().items()}


def only(checkup: Checkup, rule: str) -> Problem:
    assert found(checkup) == {rule: 1}
    return checkup.problems[0]


class Coco:
    """A clean COCO document with its images: two boxes in each image but the negatives."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images = root / "images"
        self.images.mkdir()
        self.document: dict[str, Any] = {
            "images": [
                {"id": n, "file_name": f"{n:02}.png", "width": WIDTH, "height": HEIGHT}
                for n in range(28)
            ],
            "annotations": [],
            "categories": [{"id": 1, "name": CLASSES[0]}, {"id": 2, "name": CLASSES[1]}],
        }
        for n in range(28):
            (self.images / f"{n:02}.png").write_bytes(png(n))
            if n not in NEGATIVES:
                self.add(n, 1, [20 + n, 30, 40 + n, 50])
                self.add(n, 2, [200, 100 + n, 60, 70 + 2 * n])

    def add(self, image: int, category: int, bbox: list[float], **more: object) -> None:
        number = len(self.document["annotations"])
        self.document["annotations"].append(
            {"id": number, "image_id": image, "category_id": category, "bbox": bbox, **more}
        )

    def box(self, number: int) -> dict[str, Any]:
        return self.document["annotations"][number]

    def check(self, **options: Any) -> Checkup:
        path = self.root / "coco.json"
        path.write_text(json.dumps(self.document))
        return check(path, Options(**{"images": self.images} | options))


@pytest.fixture
def coco(tmp_path: Path) -> Coco:
    return Coco(tmp_path)


def test_a_clean_document_has_no_problems(coco: Coco) -> None:
    checkup = coco.check()
    assert checkup.problems == ()
    assert (checkup.format.name, len(checkup.images), checkup.left_out) == ("coco", 28, 0)
    assert checkup.census.boxes == 48


def change(number: int, **values: object) -> Callable[[Coco], None]:
    return lambda coco: coco.box(number).update(values)


def add(*arguments: Any, **more: object) -> Callable[[Coco], None]:
    return lambda coco: coco.add(*arguments, **more)


def image(number: int, **values: object) -> Callable[[Coco], None]:
    return lambda coco: coco.document["images"][number].update(values)


def doubled(coco: Coco) -> None:
    """Image 3 was annotated at twice its size."""
    image(3, width=2 * WIDTH, height=2 * HEIGHT)(coco)
    for number in (6, 7):
        coco.box(number)["bbox"] = [2 * value for value in coco.box(number)["bbox"]]


def truncated(coco: Coco) -> None:
    path = coco.images / "03.png"
    path.write_bytes(path.read_bytes()[:-20])


def copied(coco: Coco, number: int = 3) -> None:
    (coco.images / "04.png").write_bytes((coco.images / f"{number:02}.png").read_bytes())


def redrawn(coco: Coco) -> None:
    """Images 3 and 4 are one file, and a lesion of the second lies elsewhere."""
    copied(coco)
    coco.box(9)["bbox"] = [200, 200, 60, 78]


def alike(coco: Coco) -> None:
    """Images 3 and 4 are one file, and both annotators found the same."""
    copied(coco)
    for number in (6, 7):
        coco.box(number + 2)["bbox"] = [value + 1 for value in coco.box(number)["bbox"]]


def no_negatives(coco: Coco) -> None:
    for n in NEGATIVES:
        coco.add(n, 1, [20 + n, 30, 40 + n, 50])


def rare(coco: Coco) -> None:
    coco.document["categories"].append({"id": 3, "name": "cyst"})
    for n in range(3):
        coco.add(n, 3, [100, 200, 50, 60])


def two_names(coco: Coco) -> None:
    coco.document["categories"].append({"id": 3, "name": "Fractures "})
    for n in range(20):
        coco.box(2 * n)["category_id"] = 3 if n % 2 else 1


def spare_image(coco: Coco) -> None:
    (coco.images / "99.png").write_bytes(png(99))


DEFECTS: dict[str, tuple[str, Callable[[Coco], None], str]] = {
    "truncated image": ("unreadable-image", truncated, "truncated"),
    "image gone": ("missing-image", lambda c: (c.images / "03.png").unlink(), "2 boxes lost"),
    "sides exchanged": ("size-mismatch", image(3, width=HEIGHT, height=WIDTH), "turned"),
    "twice the size": ("scaled", doubled, "800 x 640 px"),
    "no list": ("malformed", change(6, bbox=[1, 2, 3]), "annotations[6]"),
    "nan": ("not-finite", change(6, bbox=[1, 2, float("nan"), 4]), "NaN"),
    "no width": ("zero-area", change(6, bbox=[1, 2, 0, 4]), "annotations[6]"),
    "far away": ("outside-image", change(6, bbox=[900, 2, 30, 40]), "400 x 320 px"),
    "crowd": ("crowd", change(6, iscrowd=1), "annotations[6]"),
    "no such class": ("unknown-class", change(6, category_id=9), "9"),
    "no such image": ("unknown-image", change(6, image_id=77), "77"),
    "over the edge": ("beyond-edge", change(6, bbox=[370, 30, 40, 50]), "10.00 px beyond"),
    "drawn twice": ("duplicate", add(3, 1, [23, 30, 43, 50]), "equal to annotations[6]"),
    "drawn again": ("near-duplicate", add(3, 1, [24, 31, 43, 50]), "IoU 0.9"),
    "two labels": ("two-labels", add(3, 2, [23, 30, 43, 50.5]), "'lesion' lies on 'fracture'"),
    "two pixels": ("tiny-box", add(3, 1, [100, 200, 2, 30]), "2.0 × 30.0 px"),
    "whole image": ("huge-box", add(3, 1, [3, 3, 390, 310]), "94.5% of the image"),
    "dragged": ("extreme-shape", add(3, 1, [10, 200, 300, 20]), "15 times as long"),
    "far too large": ("size-outlier", add(3, 1, [50, 50, 250, 200]), "times larger"),
    "far too small": ("size-outlier", add(3, 1, [300, 250, 9, 9]), "times smaller"),
    "the same file": ("identical-images", alike, "03.png, 04.png"),
    "said otherwise": ("identical-images-differ", redrawn, "04.png, which has no 'lesion' here"),
    "negative after all": ("contradiction", lambda c: (copied(c), drop(c, 4)), "is a negative"),
    "not annotated": ("unlabelled-image", spare_image, "nothing says"),
    "two names": ("similar-names", two_names, "'Fractures ' and 'fracture'"),
    "three boxes": ("rare-class", rare, "'cyst': 3 boxes"),
    "no negatives": ("no-negatives", no_negatives, "28 images with findings"),
}


def drop(coco: Coco, image_id: int) -> None:
    kept = [a for a in coco.document["annotations"] if a["image_id"] != image_id]
    coco.document["annotations"] = kept


@pytest.mark.parametrize(("rule", "spoil", "told"), DEFECTS.values(), ids=list(DEFECTS))
def test_each_defect_is_found(
    coco: Coco, rule: str, spoil: Callable[[Coco], None], told: str
) -> None:
    spoil(coco)
    assert told in only(coco.check(), rule).detail


def test_an_image_that_could_be_one_of_two(coco: Coco) -> None:
    for folder, shade in (("a", 100), ("b", 101)):
        (coco.images / folder).mkdir()
        (coco.images / folder / "03.png").write_bytes(png(shade))
    (coco.images / "03.png").unlink()
    checkup = coco.check()
    assert found(checkup) == {"ambiguous-image": 1, "unlabelled-image": 2}
    assert "2 images have this name" in checkup.problems[0].detail


def test_a_suspect_is_placed_in_its_file_and_its_image(coco: Coco) -> None:
    coco.add(3, 1, [100, 200, 2, 30])
    coco.add(5, 1, [380, 200, 40, 70])
    clipped, tiny = coco.check().problems
    assert (tiny.rule, tiny.image, tiny.index) == ("tiny-box", "03.png", "annotations[48]")
    assert (tiny.box, tiny.label) == (Box(100, 200, 102, 230), "fracture")
    assert tiny.place == "03.png, coco.json, annotations[48]"
    assert clipped.box == Box(380, 200, 420, 270)  # as drawn, not as clipped


def test_a_suspect_is_placed_in_an_image_of_another_size(coco: Coco) -> None:
    doubled(coco)
    coco.add(3, 1, [200, 400, 4, 60])
    checkup = coco.check()
    assert found(checkup) == {"tiny-box": 1, "scaled": 1}
    assert checkup.problems[0].index == "annotations[48]"
    assert checkup.problems[0].box == Box(100, 200, 102, 230)


def test_annotations_alone_are_checked_where_no_image_is_there(coco: Coco) -> None:
    coco.add(3, 1, [100, 200, 2, 30])
    shutil.rmtree(coco.images)
    checkup = coco.check(images=None)
    assert found(checkup) == {"missing-image": 1, "tiny-box": 1}
    assert "none of 28 images" in checkup.problems[0].detail
    assert check(coco.root / "coco.json", ignore=["missing-image"]).count(Severity.ERROR) == 0


def test_the_same_is_found_each_time(coco: Coco) -> None:
    for spoil in (rare, no_negatives, truncated):
        spoil(coco)
    first, second = coco.check().to_json(), coco.check().to_json()
    assert json.dumps(first) == json.dumps(second)
    assert first["counts"] == {"error": 1, "warning": 1, "note": 1}
    assert [p["rule"] for p in first["problems"]] == [
        "unreadable-image", "rare-class", "no-negatives",
    ]  # fmt: skip


READERS = {
    "data": {"image": "1.png"},
    "annotations": [
        {
            "completed_by": reader,
            "result": [
                {
                    "type": "rectanglelabels", "original_width": WIDTH, "original_height": HEIGHT,
                    "value": {"x": x, "y": 20, "width": 10, "height": 20 + reader * 0.01,
                              "rotation": 0, "rectanglelabels": [label]},
                }
                for x, label in boxes
            ],
        }
        for reader, boxes in ((1, [(10, "fracture"), (40, "cyst")]), (2, [(10, "fracture")]))
    ],
}  # fmt: skip


def test_annotators_who_agree_are_no_duplicates_and_who_do_not_are_told(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png(1))
    (tmp_path / "tasks.json").write_text(json.dumps([READERS]))
    checkup = check(tmp_path / "tasks.json", ignore=["rare-class", "no-negatives"])
    problem = only(checkup, "one-annotator-class")
    assert problem.detail == "'cyst': 1 box, all by 1; none by 1 other annotator, who drew 1 box"
    by_one = copy.deepcopy(READERS)
    by_one["annotations"][0]["result"] += by_one["annotations"].pop()["result"]  # type: ignore[attr-defined]
    (tmp_path / "tasks.json").write_text(json.dumps([by_one]))
    checkup = check(tmp_path / "tasks.json", ignore=["rare-class", "no-negatives"])
    assert only(checkup, "near-duplicate").label == "fracture"


def test_a_box_of_another_label_in_the_place_makes_no_duplicate(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png(1))
    both = copy.deepcopy(READERS)
    first, second = (each["result"] for each in both["annotations"])  # type: ignore[attr-defined]
    twin = copy.deepcopy(first[0])
    twin["value"]["rectanglelabels"] = ["cyst"]  # the second reader's, where the first has another
    second.append(twin)
    (tmp_path / "tasks.json").write_text(json.dumps([both]))
    rules = check(tmp_path / "tasks.json").by_rule()
    assert "near-duplicate" not in rules


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (["fracture", "Fracture"], 1),
        (["fracture", "fracture "], 1),
        (["mass", "masses", "Mass"], 2),
        (["opacity", "opacities"], 1),
        (["metastasis", "metastases"], 1),
        (["hand_fracture", "hand fracture"], 1),
        (["grade 1", "grade 2"], 0),
        (["cyst", "cysts"], 1),
        (["2.5", "25", "left", "right"], 0),
        (["?", "!"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_names_that_are_nearly_the_same(names: list[str], count: int) -> None:
    problems = list(check_classes(names, take_census((), names), {}))
    assert sum(problem.rule == "similar-names" for problem in problems) == count


def test_many_boxes_in_one_place_are_told_once_each(coco: Coco) -> None:
    for number in range(1, 40):
        coco.add(3, 1, [23 + number / 1000, 30, 43, 50])
    checkup = coco.check()
    assert found(checkup) == {"near-duplicate": 39}


def test_every_reason_of_the_ledger_has_a_rule() -> None:
    missing = {reason.value for reason in LOSSES} - set(RULES)
    assert not missing
    lost = set(LOSSES) - {Reason.BEYOND_EDGE}  # clipped, unless a conversion is asked to drop
    assert all(RULES[reason].severity is Severity.ERROR for reason in lost)
    changes = {Reason.BEYOND_EDGE, Reason.DUPLICATE, Reason.SCALED, Reason.TURNED}
    assert changes <= set(RULES)


def test_every_rule_is_tried() -> None:
    tried = {rule for rule, _, _ in DEFECTS.values()}
    elsewhere = {"hint", "one-annotator-class", "unreadable-annotation", "unsupported-shape"}
    elsewhere |= {"turned", "no-box", "ambiguous-image"}
    yolo = {"changed-image", "class-missing-from-split", "data-yaml", "empty-split", "in-no-split"}
    yolo |= {"image-in-two-splits", "patient-in-two-splits", "set-aside", "table", "table-size"}
    yolo |= {"table-split", "table-status", "unlabelled-in-split", "unused-class"}
    assert tried | elsewhere | yolo == set(RULES)


def test_what_the_ledger_tells_is_told_once() -> None:
    ledger = Ledger()
    for _reader in range(3):
        ledger.leave_out("a.csv", image="1.png", reason=Reason.MISSING_IMAGE, detail="no image")
    for reason, name in ((Reason.MISSING_IMAGE, "1.png"), (Reason.AMBIGUOUS_IMAGE, "2.png")):
        ledger.drop("a.csv", image=name, index="line 2", label="x", reason=reason, detail="gone")
    ledger.leave_out("b.csv", image="", reason=Reason.UNREADABLE_ANNOTATION, detail="b.csv: no")
    ledger.note("c.csv", image="3.png", reason=Reason.TURNED, detail="turned")
    ledger.hints.append("a hint")
    told = [(p.rule, p.detail) for p in check_ledger(ledger, ImageNames([]))]
    assert told == [
        ("missing-image", "no image; 1 box lost with it"),
        ("unreadable-annotation", "b.csv: no"),
        ("turned", "turned"),
        ("ambiguous-image", "gone"),
        ("hint", "a hint"),
    ]


def test_no_rule_of_that_name() -> None:
    assert rules_from(["tiny-box"]) == {"tiny-box"}
    with pytest.raises(ConfigError, match="no such rule; there are unreadable-annotation,"):
        rules_from(["tiny"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file or folder"),
        (b"", "looks like no"),
        (b"{", "looks like no"),
        (b'{"images": [{"id": 1, "file_name"', "looks like no|not valid JSON"),
        (b'{"images": [], "annotations": [], "categories": []}', "there are no images in it"),
        (b'{"images": [3], "annotations": [], "categories": []}', "images.0.: must be an object"),
    ],
    ids=["missing", "empty", "brace", "cut", "no images", "wrong type"],
)
def test_an_unreadable_source_is_one_line(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AnnotationError, match=message) as caught:
        check(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a/1.png", "1"), ("1.JPG", "1"), ("a_jpg.rf.12", "a_jpg.rf.12"), ("1.2.840.3", "1.2.840.3")],
)
def test_stems(name: str, stem: str) -> None:
    assert stem_of(name) == stem


def test_names_of_images_are_short_and_different(coco: Coco, tmp_path: Path) -> None:
    entries = [image.entry for image in coco.check().images[:2]]
    roots = [coco.images, tmp_path]
    assert [i.name for i in checked_images(entries, roots)] == ["00.png", "01.png"]
    assert checked_images(entries, [tmp_path])[0].name == "images/00.png"
    assert checked_images(entries, [])[0].name == str(coco.images / "00.png")
    same = checked_images([entries[0], entries[0]], roots)
    assert same[0].name == str(coco.images / "00.png")


def test_fractions_without_a_size_are_judged_by_their_share_alone(coco: Coco) -> None:
    from dataclasses import replace

    from lucency.annotations.packing import packed

    (first, *_) = coco.check().images
    (finding, *_) = first.entry.findings
    thin = replace(finding, box=Box(0.1, 0.1, 0.2, 0.9))
    speck = replace(finding, box=Box(0.1, 0.1, 0.102, 0.102))
    entry = first.entry._replace(size_wh=(1, 1), findings=packed([thin, speck]))
    images = [replace(first, entry=entry)]
    problems = list(check_boxes(images, take_census(images, ["fracture", "lesion"])))
    assert [(p.rule, p.box) for p in problems] == [("tiny-box", speck.box)]


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "differ"), [("voc", 8), ("coco.json", 7), ("via.json", 7)])
def test_fracatlas(lucency_data: Path, name: str, differ: int) -> None:
    """16 truncated negatives (Pillow), and 18 pictures under 37 names (decoded and compared).

    One of these stands among the negatives as well, which COCO and VIA do not list.
    """
    folder = lucency_data / "fracatlas"
    checkup = check(folder / "annotations" / name, Options(images=folder / "images"))
    counts = found(checkup)
    negatives = counts.pop("unlabelled-image", 0)
    assert negatives == (0 if name == "voc" else 896)
    assert counts.pop("no-negatives", 0) == (name != "voc")
    assert counts == {
        "unreadable-image": 16, "identical-images-differ": differ, "identical-images": 18 - differ,
    }  # fmt: skip
    assert len(checkup.images) + checkup.left_out == 1568
    differing = [p.image for p in checkup.by_rule()["identical-images-differ"]]
    assert ("Fractured/IMG0002886.jpg" in differing) == (name == "voc")


@pytest.mark.real_data
def test_tbx11k(lucency_data: Path) -> None:
    folder = lucency_data / "tbx11k"
    checkup = check(folder / "annotations/voc", Options(images=folder / "images"))
    assert found(checkup) == {"scaled": 600}
    assert checkup.census.boxes == 902
    checkup = check(folder, Options(from_format="yolo"))
    assert found(checkup) == {"unused-class": 1, "empty-split": 1, "data-yaml": 1}
    assert [p.label for p in checkup.problems if p.label] == ["PulmonaryTuberculosis"]


@pytest.mark.real_data
def test_label_studio_names_its_annotators(lucency_data: Path) -> None:
    path = lucency_data / "formats/label_studio/sdk/test_export_yolo"
    (problem, *_) = check(path).by_rule()["one-annotator-class"]
    assert problem.label == "Airplane"


def test_every_rule_is_in_the_docs(repository: Path) -> None:
    text = (repository / "docs/checking.md").read_text(encoding="utf-8")
    assert [rule for rule in RULES if f"`{rule}`" not in text] == []
