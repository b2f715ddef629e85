"""What finding boxes costs beside the bare network, and beside Ultralytics with the same weights.

    python benchmarks/detector_speed.py MODEL IMAGE… [--rounds 15] [--image-size 640]

MODEL is a bundle with weights.safetensors, or a .pt file (it is then exported at --image-size, and
shown as the files ask for). Every image is decoded once, before anything is timed. In every round
each of these runs on every image, in turns, with one thread and with all:

- the bare network: `InferenceSession.run` on the input that our letterbox makes;
- ours, displayed: `Detector.detect_image` on the displayed image;
- ours: `Detector.detect` on the decoded radiograph, the display function included;
- Ultralytics: `YOLO.predict` of the .pt on torch and of the ONNX file on ONNX Runtime, on the
  displayed image as three channels. It pads for ONNX to a square, as it does by default, and its
  session takes all cores in either table.

Prints Markdown: the median over the rounds of each time, and of its ratio to the bare network in
the same round, with the range of the ratios; then the same of Ultralytics' time to ours.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lucency.configs.bundle import Bundle, BundleManifest, find_bundle, load_bundle
from lucency.configs.display import DisplaySpec
from lucency.datasets.display import display
from lucency.datasets.radiographs import Radiograph, read_radiograph
from lucency.detection.decode import letterbox
from lucency.detection.detector import DEFAULT_CONF, DEFAULT_IOU, Detector
from lucency.detection.offline_ultralytics import import_ultralytics
from lucency.detection.onnx_export import export_onnx
from lucency.detection.weights import load_checkpoint, starting_weights

BARE, OURS, OURS_DISPLAYED = "bare network", "ours", "ours, displayed"
TORCH, ONNX = "Ultralytics, torch", "Ultralytics, ONNX"
WARM_UP = 2

Calls = dict[str, Callable[[int], Any]]


def opened(name: str, image_size: int, folder: Path) -> tuple[Bundle, Path]:
    """A bundle and the checkpoint of the same weights."""
    if name.endswith(".pt"):
        checkpoint = Path(name)
        return bundle_of(checkpoint, image_size), checkpoint
    bundle = load_bundle(find_bundle(name, package="lucency.detection"))
    return bundle, starting_weights(name, folder=folder)


def bundle_of(checkpoint: Path, image_size: int) -> Bundle:
    names = tuple(load_checkpoint(checkpoint).names.values())
    spec = DisplaySpec()
    manifest = BundleManifest.model_validate(
        {
            "name": checkpoint.stem,
            "task": "detection",
            "architecture": checkpoint.stem,
            "class_names": names,
            "input_size": image_size,
            "input_channels": 3,
            "display": spec,
            "display_digest": spec.digest(),
            "operating_points": {"balanced": dict.fromkeys(names, DEFAULT_CONF)},
            "default_operating_point": "balanced",
            "metrics": {},
            "metrics_split": "",
            "parity": {},
            "training_data": {},
            "libraries": {},
            "licence": "",
            "created": "",
            "files": {},
        }
    )
    return Bundle(checkpoint, manifest, export_onnx(checkpoint, image_size=image_size))


def calls(
    bundle: Bundle,
    checkpoint: Path,
    onnx_file: Path,
    radiographs: Sequence[Radiograph],
    *,
    threads: int,
) -> Calls:
    """What is timed, by name; each takes the number of an image."""
    detector = Detector(bundle, threads=threads)
    size = bundle.manifest.input_size
    shown = [display(one, bundle.manifest.display).image for one in radiographs]
    inputs = [letterbox(image, input_size=size)[0] for image in shown]
    colour = [np.repeat(image[:, :, None], 3, axis=2) for image in shown]
    options: dict[str, Any] = {
        "imgsz": size, "conf": DEFAULT_CONF, "iou": DEFAULT_IOU, "verbose": False, "device": "cpu",
    }  # fmt: skip
    on_torch = load_checkpoint(checkpoint)
    on_onnx = import_ultralytics().YOLO(str(onnx_file), task="detect")
    return {
        BARE: lambda number: detector.raw(inputs[number]),
        OURS_DISPLAYED: lambda number: detector.detect_image(shown[number]),
        OURS: lambda number: detector.detect(radiographs[number]),
        TORCH: lambda number: on_torch.predict(colour[number], **options),
        ONNX: lambda number: on_onnx.predict(colour[number], **options),
    }


def milliseconds(call: Callable[[int], Any], images: int) -> float:
    start = time.perf_counter()
    for number in range(images):
        call(number)
    return (time.perf_counter() - start) / images * 1000


def timed(named: Calls, images: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds an image of every round; each in an order of its own, drawn with a fixed seed.

    Idle threads of one runtime still spin when the next call begins, so what stands before what
    must change.
    """
    taken: dict[str, list[float]] = {name: [] for name in named}
    order, draw = list(named), random.Random(0)
    for number in range(WARM_UP + rounds):
        for name in order:
            spent = milliseconds(named[name], images)
            if number >= WARM_UP:
                taken[name].append(spent)
        draw.shuffle(order)
    return taken


def ratio(values: Sequence[float], base: Sequence[float]) -> str:
    ratios = [value / other for value, other in zip(values, base, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def use_threads(count: int) -> None:
    """How many threads OpenCV and torch may use from here on; 0 means one for each core."""
    import torch

    torch.set_num_threads(count or torch.get_num_threads())
    cv2.setNumThreads(count or -1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--image-size", type=int, default=640)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        bundle, checkpoint = opened(options.model, options.image_size, Path(name))
        onnx_file = Path(name) / "model.onnx"
        onnx_file.write_bytes(bundle.model)
        radiographs = [read_radiograph(path) for path in options.images]
        # All threads first: torch takes what it started with for all.
        for threads in (0, 1):
            use_threads(threads)
            named = calls(bundle, checkpoint, onnx_file, radiographs, threads=threads)
            taken = timed(named, len(radiographs), options.rounds)
            print(f"\n{'one thread' if threads else 'all threads'}, {len(radiographs)} images\n")
            print("| | each | times the bare network | times ours | times ours, displayed |")
            print("|---|---|---|---|---|")
            for row, values in taken.items():
                cells = " | ".join(
                    ratio(values, taken[base]) for base in (BARE, OURS, OURS_DISPLAYED)
                )
                print(f"| {row} | {statistics.median(values):.1f} ms | {cells} |")


if __name__ == "__main__":
    main()
