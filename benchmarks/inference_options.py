"""What tiles, flip and several bundles gain on a set, and what they cost.

    python benchmarks/inference_options.py BUNDLE SET [--split val] [--tiles 640 1024]
        [--with BUNDLE…] [--images 100] [--samples 1000]

Every image of the split whose truth is known is looked at once by each way in turn, in an order
of its own, so that load on the machine hits all alike. Prints Markdown: mAP50 of each way with its
95% interval, the sensitivity averaged over 1/8 to 8 false positives an image, the difference of
both from one look by a paired bootstrap over patients, and the median and quartiles of the ratio
of the time to that of one look at the same image, decoding left out. ``--images`` takes so many,
evenly spread.
"""

import argparse
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lucency.annotations.findings import Status
from lucency.annotations.records import Dataset, ImageRecord, read_dataset
from lucency.configs.inference import InferenceOptions, TileSpec
from lucency.datasets.radiographs import read_radiograph
from lucency.detection.detector import LEAST_SCORE, Detector, open_detector
from lucency.detection.inference import detect
from lucency.evaluation.boxes import ImagePredictions, ImageTruth, truth_from_findings
from lucency.evaluation.comparison import compare_detections
from lucency.evaluation.estimates import Estimate

PLAIN = "one look"
MAX_DETECTIONS = 100


@dataclass(frozen=True)
class Way:
    """One way of looking at an image."""

    detectors: Sequence[Detector]
    options: InferenceOptions


def ways(
    first: Detector, others: Sequence[Detector], tile_sizes: Sequence[int]
) -> Mapping[str, Way]:
    plain, flip = InferenceOptions(), InferenceOptions(flip=True)
    found = {
        PLAIN: Way([first], plain),
        "flip": Way([first], flip),
    }
    for size in tile_sizes:
        tiles = TileSpec(size=size)
        found[f"tiles of {size}"] = Way([first], InferenceOptions(tiles=tiles))
        found[f"tiles of {size}, flip"] = Way([first], InferenceOptions(tiles=tiles, flip=True))
    if others:
        count = 1 + len(others)
        found[f"{count} bundles"] = Way([first, *others], plain)
        found[f"{count} bundles, flip"] = Way([first, *others], flip)
    return found


def chosen_records(dataset: Dataset, split: str, most: int | None) -> list[ImageRecord]:
    records = [r for r in dataset.in_split(split) if r.status is not Status.UNKNOWN]
    step = 1.0 if most is None else max(1.0, len(records) / most)
    return [records[int(place * step)] for place in range(int(len(records) / step))]


def truth(dataset: Dataset, record: ImageRecord) -> ImageTruth:
    return truth_from_findings(
        dataset.findings(record),
        image=str(record.image),
        size_wh=(record.width, record.height),
        label_map=dataset.label_map,
        patient_id=record.patient_id,
    )


def looked_at(
    dataset: Dataset, records: Sequence[ImageRecord], named: Mapping[str, Way]
) -> tuple[dict[str, list[ImagePredictions]], dict[str, list[float]]]:
    """The predictions of each way, and the seconds each took, image by image."""
    predictions: dict[str, list[ImagePredictions]] = {name: [] for name in named}
    seconds: dict[str, list[float]] = {name: [] for name in named}
    order, draw = list(named), random.Random(0)
    for record in records:
        radiograph = read_radiograph(dataset.image_path(record))
        draw.shuffle(order)
        for name in order:
            start = time.perf_counter()
            found = detect(
                named[name].detectors,
                radiograph,
                options=named[name].options,
                conf=LEAST_SCORE,
                max_detections=MAX_DETECTIONS,
            )
            seconds[name].append(time.perf_counter() - start)
            predictions[name].append(found.to_predictions(str(record.image)))
    return predictions, seconds


def shown(value: Estimate, *, sign: str = "") -> str:
    if value.value is None:
        return "–"
    text = f"{value.value:{sign}.3f}"
    if value.low is None or value.high is None:
        return text
    return f"{text} ({value.low:{sign}.3f} to {value.high:{sign}.3f})"


def cost(taken: Sequence[float], plain: Sequence[float]) -> str:
    ratios = [one / other for one, other in zip(taken, plain, strict=True)]
    if len(ratios) < 2:
        return f"{ratios[0]:.1f}"
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle")
    parser.add_argument("set", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--tiles", type=int, nargs="*", default=[640, 1024])
    parser.add_argument("--with", dest="others", nargs="*", default=[])
    parser.add_argument("--images", type=int)
    parser.add_argument("--samples", type=int, default=1000)
    options = parser.parse_args()
    dataset = read_dataset(options.set)
    records = chosen_records(dataset, options.split, options.images)
    named = ways(
        open_detector(options.bundle), list(map(open_detector, options.others)), options.tiles
    )
    predictions, seconds = looked_at(dataset, records, named)
    truths = [truth(dataset, record) for record in records]
    positives = sum(len(one.class_ids) > 0 for one in truths)
    print(f"{len(truths)} images, {positives} with findings, split '{options.split}'\n")
    print("| | mAP50 | difference | mean FROC sensitivity | difference | times the time |")
    print("|---|---|---|---|---|---|")
    for name in named:
        compared = compare_detections(
            truths,
            predictions[PLAIN],
            predictions[name],
            class_names=dataset.label_map.names,
            thresholds_first={},
            thresholds_second={},
            samples=options.samples,
        )
        figures = {figure.name: figure for figure in compared}
        cells = [
            text
            for figure in (figures["map50"], figures["froc_mean"])
            for text in (shown(figure.second), shown(figure.difference, sign="+"))
        ]
        print(f"| {name} | {' | '.join(cells)} | {cost(seconds[name], seconds[PLAIN])} |")


if __name__ == "__main__":
    main()
