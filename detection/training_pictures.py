"""The two pictures of a run folder: what the network was shown first, and what it finds at the end.

What is wrong with a set or a recipe is seen in the first: boxes that lie beside their findings,
grey levels burnt out, rotations that no patient survives.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lucency.annotations.findings import Status
from lucency.annotations.geometry import Box
from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs import atomic
from lucency.evaluation.boxes import ImagePredictions, truth_from_findings
from lucency.evaluation.picture_grid import side_by_side
from lucency.evaluation.pictures import BoxKind, DrawnBox, compared_boxes, draw_boxes, encode_jpeg

MOST_IMAGES = 16
TILE_PX = 320
# Ultralytics' own threshold for showing a box; operating points are chosen later.
SHOWN_CONF = 0.25


def draw_first_batch(
    batch: Mapping[str, Any], *, class_names: Mapping[int, str], path: Path
) -> None:
    """Write up to 16 images of a batch, side by side, to ``path``.

    ``batch`` is Ultralytics': ``img`` (N, 3, H, W) in [0, 1], ``bboxes`` (M, 4) centre and size as
    fractions of the sides, ``cls`` (M, 1), ``batch_idx`` (M,) the image of each box.
    """
    images = batch["img"][:MOST_IMAGES].float().cpu().numpy()
    boxes = batch["bboxes"].float().cpu().numpy()
    class_ids = batch["cls"].cpu().numpy().reshape(-1).astype(int)
    owners = batch["batch_idx"].cpu().numpy().astype(int)
    tiles = []
    for number, image in enumerate(images):
        pixels = np.ascontiguousarray((image.transpose(1, 2, 0) * 255).round().astype(np.uint8))
        height, width = pixels.shape[:2]
        drawn = []
        for row in np.flatnonzero(owners == number):
            x, y, w, h = (boxes[row] * (width, height, width, height)).tolist()
            box = Box(x - w / 2, y - h / 2, x + w / 2, y + h / 2)
            drawn.append(DrawnBox(box, BoxKind.TRUTH, str(class_names[int(class_ids[row])])))
        tiles.append(draw_boxes(pixels, drawn, longest_side=TILE_PX))
    atomic.write_bytes(path, encode_jpeg(side_by_side(tiles)))


def draw_validation(model: Any, rendered: Dataset, *, image_size: int, path: Path) -> None:
    """Write up to 16 validation images, most with findings, with what ``model`` finds in them.

    ``model`` is an open Ultralytics checkpoint. The images' digests decide which are shown, so
    that the pictures of two runs can be laid side by side.
    """
    names = rendered.label_map.names
    tiles = []
    for record in _chosen(rendered):
        found = model.predict(
            str(rendered.image_path(record)), imgsz=image_size, conf=SHOWN_CONF, verbose=False
        )[0]
        predictions = ImagePredictions(
            str(record.image),
            found.boxes.xyxy.cpu().numpy().astype(np.float64).reshape(-1, 4),
            found.boxes.conf.cpu().numpy().astype(np.float64),
            found.boxes.cls.cpu().numpy().astype(np.int64),
        )
        truth = truth_from_findings(
            rendered.findings(record),
            image=str(record.image),
            size_wh=(record.width, record.height),
            label_map=rendered.label_map,
        )
        boxes = compared_boxes(
            truth, predictions, dict.fromkeys(names, SHOWN_CONF), class_names=names
        )
        pixels = np.ascontiguousarray(found.orig_img[:, :, ::-1])
        tiles.append(draw_boxes(pixels, boxes, longest_side=TILE_PX))
    atomic.write_bytes(path, encode_jpeg(side_by_side(tiles)))


def _chosen(rendered: Dataset) -> list[ImageRecord]:
    """Three quarters with findings, the rest negatives, as far as there are such."""
    by_digest = sorted(
        rendered.in_split("val"),
        key=lambda record: hashlib.sha256(record.sha256.encode()).hexdigest(),
    )
    positive = [record for record in by_digest if record.status is Status.ANNOTATED]
    negative = [record for record in by_digest if record.status is Status.NEGATIVE]
    shown = positive[: max(MOST_IMAGES * 3 // 4, MOST_IMAGES - len(negative))]
    return shown + negative[: MOST_IMAGES - len(shown)]
