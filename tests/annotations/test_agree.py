import json
from itertools import product

import pytest

from lucency.annotations.agree import Marked, PairAgreement, cohen_kappa, compare
from lucency.annotations.agreement_report import agreement_json, agreement_tables, dispute_lines
from lucency.annotations.findings import Finding, ImageAnnotation, Status
from lucency.annotations.formats import NORMALISED
from lucency.annotations.geometry import Box
from lucency.configs.errors import AnnotationError


def finding(label: str, *corners: float) -> Finding:
    return Finding(label, Box(*corners))


def marked(
    images: dict[str, list[Finding]], size_wh: tuple[int, int] | None = (100, 100)
) -> dict[str, ImageAnnotation]:
    return {
        name: ImageAnnotation(
            name,
            f"{name}.json",
            size_wh,
            tuple(findings),
            Status.ANNOTATED if findings else Status.NEGATIVE,
        )
        for name, findings in images.items()
    }


ANNA = marked(
    {
        "1": [finding("fracture", 0, 0, 10, 10), finding("lesion", 50, 50, 60, 60)],
        "2": [finding("fracture", 0, 0, 10, 10)],
        "3": [],
        "4": [finding("fracture", 0, 0, 10, 10)],
        "only-anna": [],
    }
)
BEN = marked(
    {
        "1": [finding("fracture", 0, 0, 10, 8), finding("fracture", 50, 50, 60, 60)],
        "2": [],
        "3": [],
        "4": [finding("fracture", 0, 0, 10, 10), finding("lesion", 80, 80, 90, 90)],
        "only-ben": [],
    }
)


@pytest.fixture(scope="module")
def pair() -> PairAgreement:
    return compare({"anna": ANNA, "ben": BEN}, iou=0.5)[0]


def test_images_that_both_looked_at_count(pair: PairAgreement) -> None:
    assert (pair.first, pair.second, pair.images) == ("anna", "ben", 4)


def test_boxes(pair: PairAgreement) -> None:
    assert pair.overall.boxes == (4, 4)
    assert pair.overall.matched == 2
    assert pair.overall.f1 == pytest.approx(2 * 2 / 8)
    assert pair.overall.mean_iou == pytest.approx((0.8 + 1.0) / 2)


def test_each_label_by_itself(pair: PairAgreement) -> None:
    fracture, lesion = pair.by_label
    assert (fracture.label, fracture.boxes, fracture.matched) == ("fracture", (3, 3), 2)
    assert (fracture.both, fracture.only_first, fracture.neither) == (2, 1, 1)
    assert (lesion.boxes, lesion.matched, lesion.f1, lesion.mean_iou) == ((1, 1), 0, 0.0, None)
    assert (lesion.both, lesion.only_first, lesion.only_second, lesion.neither) == (0, 1, 1, 2)


def test_whole_images(pair: PairAgreement) -> None:
    all_labels = pair.overall
    assert (all_labels.both, all_labels.only_first, all_labels.only_second) == (2, 1, 0)
    assert all_labels.neither == 1
    # observed 3/4; by chance 3/4 · 2/4 + 1/4 · 2/4 = 1/2
    assert all_labels.kappa == pytest.approx(0.5)


def test_disputes_begin_with_the_worst(pair: PairAgreement) -> None:
    assert [told.image for told in pair.disagreements] == ["2", "1", "4"]
    one_sided, relabelled, extra = pair.disagreements
    assert one_sided.one_sided
    assert [f.label for f in one_sided.only_first] == ["fracture"]
    assert [(a.label, b.label) for a, b in relabelled.relabelled] == [("lesion", "fracture")]
    assert [f.label for f in extra.only_second] == ["lesion"]


def test_a_stricter_overlap_matches_fewer_boxes() -> None:
    strict = compare({"anna": ANNA, "ben": BEN}, iou=0.9)[0]
    assert strict.overall.matched == 1


def test_with_oneself_agreement_is_full() -> None:
    alike = compare({"anna": ANNA, "again": ANNA}, iou=0.5)[0]
    assert (alike.overall.f1, alike.overall.mean_iou, alike.overall.kappa) == (1.0, 1.0, 1.0)
    assert alike.disagreements == ()
    assert list(dispute_lines(alike)) == ["anna and again agree on every image."]


def test_three_annotators_give_three_pairs_and_strangers_none() -> None:
    stranger = marked({"elsewhere": []})
    found = compare({"anna": ANNA, "ben": BEN, "cy": ANNA, "di": stranger}, iou=0.5)
    assert [(each.first, each.second) for each in found] == [
        ("anna", "ben"), ("anna", "cy"), ("ben", "cy"),
    ]  # fmt: skip


def test_labels_of_other_images_have_no_row() -> None:
    elsewhere = marked(
        {"1": [finding("fracture", 0, 0, 10, 10)], "9": [finding("cyst", 0, 0, 9, 9)]}
    )
    found = compare({"anna": ANNA, "cy": elsewhere}, iou=0.5)[0]
    assert [row.label for row in found.by_label] == ["fracture", "lesion"]
    assert next(agreement_tables(found)).title == "anna and cy, 1 image: boxes"


def test_who_looked_at_nothing_is_named() -> None:
    with pytest.raises(AnnotationError, match="ben: no image in it was looked at"):
        compare({"anna": ANNA, "ben": {}}, iou=0.5)


def test_no_common_image_is_an_error() -> None:
    with pytest.raises(AnnotationError, match="anna, di: no two have looked at one image") as told:
        compare({"anna": ANNA, "di": marked({"elsewhere": []})}, iou=0.5)
    assert "elsewhere" in str(told.value)


@pytest.mark.parametrize(
    ("size_wh", "factor"), [((50, 50), 0.5), (NORMALISED, 0.01)], ids=["half", "fractions"]
)
def test_sizes_of_the_annotations_do_not_matter(size_wh: tuple[int, int], factor: float) -> None:
    images = {
        name: [Finding(f.label, f.box.scaled(factor, factor)) for f in annotation.findings]
        for name, annotation in BEN.items()
    }
    found = compare({"anna": ANNA, "ben": marked(images, size_wh)}, iou=0.5)[0]
    assert found.overall.matched == 2
    assert found.overall.mean_iou == pytest.approx(0.9)


def test_pixels_without_a_size_are_taken_for_the_same_pixels() -> None:
    images = {name: list(annotation.findings) for name, annotation in BEN.items()}
    assert compare({"a": ANNA, "b": marked(images, None)}, iou=0.5)[0].overall.matched == 2


def test_fractions_and_pixels_without_a_size_cannot_be_compared() -> None:
    images = {name: list(annotation.findings) for name, annotation in BEN.items()}
    both: dict[str, Marked] = {"a": marked(images, NORMALISED), "b": marked(images, None)}
    with pytest.raises(AnnotationError, match="fractions of the image"):
        compare(both, iou=0.5)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_kappa_equals_that_of_scikit_learn() -> None:
    from sklearn.metrics import cohen_kappa_score

    for counts in product((0, 1, 2, 7), repeat=4):
        both, only_first, only_second, neither = counts
        first = [1] * both + [1] * only_first + [0] * only_second + [0] * neither
        second = [1] * both + [0] * only_first + [1] * only_second + [0] * neither
        found = cohen_kappa(*counts)
        if found is not None:
            assert found == pytest.approx(cohen_kappa_score(first, second)), counts
        else:
            assert len(set(first) | set(second)) < 2, counts


def test_the_example_of_a_textbook() -> None:
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: observed 0.7, by chance 0.5
    assert cohen_kappa(20, 5, 10, 15) == pytest.approx(0.4)


def test_text_and_json_tell_the_same(pair: PairAgreement) -> None:
    lines = list(dispute_lines(pair))
    assert lines[0] == "In dispute, the worst first: 3 of 4 images"
    assert lines[1] == "  2: only anna: fracture [0, 0, 10, 10]"
    assert lines[2] == "  1: lesion [50, 50, 60, 60] is fracture for ben"
    report = json.loads(agreement_json([pair], iou=0.5))
    told = report["pairs"][0]
    assert told["all"]["kappa"] == pytest.approx(0.5)
    assert told["labels"]["lesion"]["f1"] == 0.0
    assert [dispute["image"] for dispute in told["disputes"]] == ["2", "1", "4"]
    assert told["disputes"][1]["relabelled"][0][0] == {"label": "lesion", "box": [50, 50, 60, 60]}


def test_tables_have_a_row_a_label(pair: PairAgreement) -> None:
    boxes, images = agreement_tables(pair)
    assert list(boxes.columns[0].cells) == ["fracture", "lesion", "all"]
    assert list(boxes.columns[5].cells) == ["0.900", "–", "0.900"]
    assert list(images.columns[5].cells) == ["0.500", "-0.333", "0.500"]
