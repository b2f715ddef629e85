"""How long a detector's measures with their intervals take, on a made-up set.

    python benchmarks/bootstrap.py [--images 5000] [--samples 1000] [--boxes 30]

Three images in ten have one to three findings of two classes, of which four in five are found;
false alarms fill up to some ``--boxes`` predictions an image; two images a patient. One thread is
used where ``OMP_NUM_THREADS=1`` is set. Prints Markdown.
"""

import argparse
import cProfile
import pstats
import resource
import time

import numpy as np

from lucency.evaluation.average_precision import average_precision
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.comparison import compare_detections
from lucency.evaluation.match_table import match_table
from lucency.evaluation.measuring import measure_detections

NAMES = ("fracture", "lesion")
SIZE = 1000.0
POINTS = {
    "screening": dict.fromkeys(NAMES, 0.3),
    "balanced": dict.fromkeys(NAMES, 0.5),
    "specific": dict.fromkeys(NAMES, 0.7),
}


def made_up(
    images: int, boxes: int, *, seed: int = 0
) -> tuple[list[ImageTruth], list[ImagePredictions]]:
    """Truth, the same for every seed, and the predictions of a middling detector."""
    truth_rng, rng = np.random.default_rng(99), np.random.default_rng(seed)
    truths, predictions = [], []
    for number in range(images):
        count = int(truth_rng.integers(1, 4)) if truth_rng.random() < 0.3 else 0
        corner = truth_rng.uniform(0, SIZE * 0.8, (count, 2))
        marked = np.hstack([corner, corner + truth_rng.uniform(40, 180, (count, 2))])
        ids = truth_rng.integers(0, len(NAMES), count)
        found = rng.random(count) < 0.8
        near = marked[found] + rng.normal(0, 8, (int(found.sum()), 4))
        false = max(0, int(rng.poisson(boxes)) - len(near))
        corner = rng.uniform(0, SIZE * 0.8, (false, 2))
        wrong = np.hstack([corner, corner + rng.uniform(20, 180, (false, 2))])
        scores = np.concatenate([rng.beta(3, 2, len(near)), rng.beta(0.6, 6, false)])
        every = np.concatenate([ids[found], rng.integers(0, len(NAMES), false)])
        name, whole = f"{number}.png", (int(SIZE), int(SIZE))
        truths.append(ImageTruth(name, whole, marked, ids, patient_id=str(number // 2)))
        predictions.append(ImagePredictions(name, np.vstack([near, wrong]), scores, every))
    return truths, predictions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--boxes", type=int, default=30, help="predictions an image, about")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    options = parser.parse_args()
    truths, predictions = made_up(options.images, options.boxes)
    _, others = made_up(options.images, options.boxes, seed=1)
    profile = cProfile.Profile()
    steps = {
        "matching at IoU 0.5": lambda: match_table(truths, predictions, class_names=NAMES),
        "AP by pycocotools, no interval": lambda: average_precision(
            truths, predictions, class_names=NAMES
        ),
        "every measure, no interval": lambda: measure_detections(
            truths, predictions, class_names=NAMES, thresholds=POINTS, samples=0
        ),
        "every measure with intervals": lambda: measure_detections(
            truths, predictions, class_names=NAMES, thresholds=POINTS, samples=options.samples
        ),
        "comparison of two models": lambda: compare_detections(
            truths,
            predictions,
            others,
            class_names=NAMES,
            thresholds_first=POINTS,
            thresholds_second=POINTS,
            samples=options.samples,
        ),
    }
    count = sum(len(one.scores) for one in predictions)
    print(f"{len(truths)} images, {count} predictions, {options.samples} samples\n")
    print("| step | seconds | processor seconds |\n|---|---|---|")
    for name, step in steps.items():
        wall, processor = time.perf_counter(), time.process_time()
        if options.profile and "intervals" in name:
            profile.runcall(step)
        else:
            step()
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        print(f"| {name} | {wall:.2f} | {processor:.2f} |", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nPeak memory of the process: {peak:.0f} MB")
    if options.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
