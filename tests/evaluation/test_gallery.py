"""The gallery: every case once, sorted, and only the shown images read."""

import numpy as np
import pytest

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.gallery import detection_gallery, find_cases
from lucency.evaluation.match_rules import IOU_30, IOU_50
from lucency.evaluation.pictures import BoxKind

NAMES = ("fracture",)
POINT = {"fracture": 0.5}
BOX, SMALL, AWAY = [0.0, 0, 30, 30], [60.0, 60, 65, 65], [70.0, 0, 90, 20]


def found(image, boxes, scores):
    corners = np.array(boxes).reshape(-1, 4)
    ids = np.zeros(len(scores), np.int64)
    return ImagePredictions(image, corners, np.array(scores, np.float64), ids)


@pytest.fixture
def measured():
    def truth(image, boxes):
        corners = np.array(boxes).reshape(-1, 4)
        return ImageTruth(image, (100, 100), corners, np.zeros(len(boxes), np.int64))

    truths = [truth("a", [BOX, SMALL]), truth("b", [BOX]), truth("c", []), truth("quiet", [])]
    predictions = [
        found("a", [BOX, AWAY], [0.9, 0.6]),
        found("b", [BOX], [0.4]),
        found("c", [AWAY], [0.8]),
    ]
    return truths, predictions


def test_cases_are_sorted_with_the_first_to_look_at_first(measured):
    cases = find_cases(*measured, POINT, class_names=NAMES)
    by_kind = {kind: [c.image for c in cases if c.kind is kind] for kind in BoxKind}
    assert by_kind[BoxKind.HIT] == ["a"]
    assert by_kind[BoxKind.MISS] == ["b", "a"]
    assert by_kind[BoxKind.FALSE_ALARM] == ["c", "a"]
    captions = [(c.image, c.caption) for c in cases if c.kind is not BoxKind.FALSE_ALARM]
    assert ("a", "fracture, score 0.90, IoU 1.00 with a finding") in captions
    assert ("b", "fracture, 9.0% of the image, best box that fits scores 0.40") in captions
    assert ("a", "fracture, 0.2% of the image, no box fits") in captions


def test_of_misses_of_one_size_the_one_without_a_box_is_worse(measured):
    truths, predictions = measured
    _, nearly, *others = truths
    blank = ImageTruth("blank", (100, 100), nearly.boxes_xyxy, nearly.class_ids)
    cases = find_cases([nearly, blank, *others], predictions[1:], POINT, class_names=NAMES)
    assert [c.image for c in cases if c.kind is BoxKind.MISS] == ["blank", "b"]


def test_a_wider_rule_makes_a_hit_of_a_near_miss():
    truth = ImageTruth("a", (100, 100), np.array([BOX]), np.zeros(1, np.int64))
    near = [found("a", [[0.0, 0, 30, 75]], [0.9])]
    kinds = {
        rule.name: {c.kind for c in find_cases([truth], near, POINT, class_names=NAMES, rule=rule)}
        for rule in (IOU_50, IOU_30)
    }
    assert kinds == {"iou50": {BoxKind.MISS, BoxKind.FALSE_ALARM}, "iou30": {BoxKind.HIT}}


def test_sections_show_the_first_and_read_each_image_once(measured):
    read = []

    def read_image(name):
        read.append(name)
        return np.full((100, 100), 80, np.uint8)

    misses, false_alarms, hits = detection_gallery(
        *measured,
        POINT,
        class_names=NAMES,
        read_image=read_image,
        link=lambda image: f"../{image}.png",
        most=1,
    )
    assert [len(section.items) for section in (misses, false_alarms, hits)] == [1, 1, 1]
    assert "1 of 2 shown" in misses.caption
    assert hits.items[0].image.startswith(b"\xff\xd8\xff")
    assert hits.items[0].overview.startswith(b"\xff\xd8\xff")
    assert (hits.items[0].name, hits.items[0].link) == ("a", "../a.png")
    assert {entry.text for entry in misses.legend} >= {"missed finding", "false alarm"}
    assert sorted(read) == ["a", "b", "c"]


def test_nothing_to_show():
    def read_image(name):
        raise AssertionError(f"{name} was read")

    sections = detection_gallery([], [], POINT, class_names=NAMES, read_image=read_image)
    titles = [section.title for section in sections]
    assert titles == ["Worst misses", "Worst false alarms", "Hits"]
    assert all(not section.items and not section.legend for section in sections)
