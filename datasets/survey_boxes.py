"""The boxes of a set as arrays: how large, where, of what shape, and how many in an image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset
from lucency.configs.errors import DatasetError
from lucency.datasets.histograms import Histogram, histogram, log_edges, whole_numbers

# Places are counted on a grid of this many cells along each side.
GRID = 48
# The bins of sizes, as the square root of the share of the image's area: 0.5 % to all of it.
_SIZE_EDGES = log_edges(0.005, 1.0, 30)
_SIDE_EDGES = log_edges(4.0, 4096.0, 30)
_ASPECT_EDGES = log_edges(1 / 8, 8.0, 30)
_MOST_PER_IMAGE = 10
# A pixel, and what a fraction in a text file may add to it.
_EDGE_PX = 1.001


@dataclass(frozen=True)
class BoxTable:
    """All boxes of a set, as arrays.

    ``boxes_xyxy`` (N, 4) px, ``class_ids`` (N,), ``records`` (N,) the place of the image in the
    table, ``sizes_wh`` (N, 2) px of the image. ``unreadable`` are label files that cannot be
    read, each with the reason; their boxes are not here.
    """

    boxes_xyxy: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    records: NDArray[np.int64]
    sizes_wh: NDArray[np.float64]
    unreadable: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.class_ids)

    @property
    def sides_wh(self) -> NDArray[np.float64]:
        """(N, 2) width and height in pixels."""
        return self.boxes_xyxy[:, 2:] - self.boxes_xyxy[:, :2]

    @property
    def relative(self) -> NDArray[np.float64]:
        """(N,) square root of the share of the image's area."""
        areas = self.sides_wh.prod(axis=1) / self.sizes_wh.prod(axis=1)
        return np.asarray(np.sqrt(areas))

    @property
    def touching(self) -> NDArray[np.bool_]:
        """(N,) whether a box ends within a pixel of its image's edge, or beyond it."""
        low = self.boxes_xyxy[:, :2].min(axis=1, initial=np.inf) <= _EDGE_PX
        high = (self.sizes_wh - self.boxes_xyxy[:, 2:] <= _EDGE_PX).any(axis=1)
        return np.asarray(low | high)

    def of_class(self, class_id: int) -> "BoxTable":
        """The boxes of one class."""
        kept = self.class_ids == class_id
        return BoxTable(
            self.boxes_xyxy[kept],
            self.class_ids[kept],
            self.records[kept],
            self.sizes_wh[kept],
            self.unreadable,
        )


@dataclass(frozen=True)
class BoxSizes:
    """The boxes of one class, or of all: medians in pixels and shares, and histograms.

    ``relative`` is the square root of the share of the image's area, ``shorter_side_px`` that
    of the stored image, ``aspect`` width over height.
    """

    name: str
    boxes: int
    median_wh_px: tuple[float, float] | None
    median_relative: float | None
    median_aspect: float | None
    touching_edge: int
    relative: Histogram
    shorter_side_px: Histogram
    aspect: Histogram


def read_boxes(dataset: Dataset) -> BoxTable:
    """Read all label files; one that cannot be read is listed, with its line."""
    rows: list[tuple[float, ...]] = []
    unreadable: list[str] = []
    ids = {name: number for number, name in enumerate(dataset.label_map)}
    for number, record in enumerate(dataset.records):
        if record.status is not Status.ANNOTATED:
            continue
        try:
            findings = dataset.findings(record)
        except DatasetError as error:
            unreadable.append(str(error).removeprefix(f"{dataset.root}/"))
            continue
        size_wh = (max(record.width, 1), max(record.height, 1))
        rows += [(*f.box, ids[f.label], number, *size_wh) for f in findings]
    table = np.array(rows, dtype=np.float64).reshape(-1, 8)
    return BoxTable(
        table[:, :4],
        table[:, 4].astype(np.int64),
        table[:, 5].astype(np.int64),
        table[:, 6:],
        tuple(unreadable),
    )


def box_sizes(table: BoxTable, *, name: str) -> BoxSizes:
    """Measure the boxes of ``table``, which may be none."""
    sides, relative = table.sides_wh, table.relative
    aspect = sides[:, 0] / np.maximum(sides[:, 1], 1e-9)
    there = len(table) > 0
    width, height = np.median(sides, axis=0).tolist() if there else (0.0, 0.0)
    return BoxSizes(
        name=name,
        boxes=len(table),
        median_wh_px=(round(width, 1), round(height, 1)) if there else None,
        median_relative=round(float(np.median(relative)), 4) if there else None,
        median_aspect=round(float(np.median(aspect)), 3) if there else None,
        touching_edge=int(table.touching.sum()),
        relative=histogram(relative.tolist(), _SIZE_EDGES, logarithmic=True),
        shorter_side_px=histogram(sides.min(axis=1).tolist(), _SIDE_EDGES, logarithmic=True)
        if there
        else histogram([], _SIDE_EDGES, logarithmic=True),
        aspect=histogram(aspect.tolist(), _ASPECT_EDGES, logarithmic=True),
    )


def boxes_per_image(dataset: Dataset, table: BoxTable) -> dict[str, int]:
    """How many images of known status have 0, 1, 2, … boxes."""
    counts = np.bincount(table.records, minlength=len(dataset.records)).tolist()
    known = [
        count
        for count, record in zip(counts, dataset.records, strict=True)
        if record.status is not Status.UNKNOWN
    ]
    return whole_numbers(known, most=_MOST_PER_IMAGE)


def places(table: BoxTable) -> NDArray[np.int64]:
    """(GRID, GRID) how many boxes cover the middle of each cell, images squeezed into a square."""
    relative = table.boxes_xyxy / np.tile(table.sizes_wh, 2)
    middles = (np.arange(GRID) + 0.5) / GRID
    across = (relative[:, 0, None] <= middles) & (middles < relative[:, 2, None])
    down = (relative[:, 1, None] <= middles) & (middles < relative[:, 3, None])
    return np.asarray(down.astype(np.int64).T @ across.astype(np.int64))
