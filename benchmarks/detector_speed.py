"""What `predict` costs beside the bare network, and beside Ultralytics with the same weights.

    python benchmarks/detector_speed.py MODEL IMAGES… [--each 4] [--rounds 15] [--image-size 640]

MODEL is a bundle with weights.safetensors, or a .pt file (it is then exported at --image-size, and
shown with the preset ``bone``, reduced to that size). IMAGES are files or folders, say FracAtlas'
images: they fall into classes by their pixels, and of each class --each are drawn with a fixed
seed and decoded before anything is timed. In every round each of these takes every image, in an
order drawn anew, on all cores that the process may use (`taskset -c 0,1` for two of them):

- the bare network: ONNX Runtime's `run`, in a session opened with its defaults, on the input that
  our letterbox makes;
- ours: `Detector.detect` on the stored pixels: display function with its crop, letterbox, network,
  suppression, calibration, boxes back in stored pixels;
- ours, displayed: `Detector.detect_image`, the same on the displayed image;
- Ultralytics: `YOLO.predict` of the .pt on torch and of the ONNX file on ONNX Runtime, on the
  displayed image as three channels. It pads for ONNX to a square, as it does by default.

Before a call is timed the threads of the one before have come to rest, and the same call has been
made once. Prints Markdown: the median over the rounds of each time, and of the ratios within each
round, with their quartiles. ``overall`` weighs each class by its share of IMAGES.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from PIL import Image

from lucency.configs.bundle import Bundle, BundleManifest, find_bundle, load_bundle
from lucency.configs.display import DisplaySpec
from lucency.datasets.display import display
from lucency.datasets.radiographs import Radiograph, read_radiograph
from lucency.detection.decode import letterbox
from lucency.detection.detector import DEFAULT_CONF, DEFAULT_IOU, Detector
from lucency.detection.offline_ultralytics import import_ultralytics
from lucency.detection.onnx_export import export_onnx
from lucency.detection.weights import load_checkpoint, starting_weights

BARE, OURS, DISPLAYED = "bare network", "ours", "ours, displayed"
TORCH, ONNX = "Ultralytics, torch", "Ultralytics, ONNX"
# What issue and documentation promise: of this, to that, at least or at most so much.
RATIOS = (
    (OURS, BARE, "≤ 1.10"),
    (DISPLAYED, BARE, ""),
    (TORCH, OURS, "≥ 2.5"),
    (ONNX, OURS, "> 1"),
)
MEGAPIXELS = (0.5, 2.0)  # where one class of images ends
OVERALL = "overall"
REST_S = 0.06  # ONNX Runtime's threads look for work that long after a call
SEED = 0

Calls = dict[str, Callable[[], Any]]
Times = dict[str, list[float]]


def opened(name: str, image_size: int, folder: Path) -> tuple[Bundle, Path]:
    """A bundle and the checkpoint of the same weights."""
    if name.endswith(".pt"):
        checkpoint = Path(name)
        return bundle_of(checkpoint, image_size), checkpoint
    bundle = load_bundle(find_bundle(name, package="lucency.detection"))
    return bundle, starting_weights(name, folder=folder)


def bundle_of(checkpoint: Path, image_size: int) -> Bundle:
    names = tuple(load_checkpoint(checkpoint).names.values())
    spec = DisplaySpec.model_validate({"preset": "bone", "longest_side": image_size})
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


def class_of(megapixels: float) -> str:
    below, above = MEGAPIXELS
    if megapixels < below:
        return f"below {below:g} MP"
    return f"{below:g} to {above:g} MP" if megapixels < above else f"from {above:g} MP on"


def drawn(names: Sequence[Path], each: int) -> tuple[dict[str, list[Radiograph]], dict[str, float]]:
    """Some decoded images of every class, and the share of each class in all."""
    paths: dict[str, list[Path]] = defaultdict(list)
    for name in names:
        files = (
            sorted(path for path in name.rglob("*") if path.is_file()) if name.is_dir() else [name]
        )
        for path in files:
            try:
                with Image.open(path) as image:
                    width, height = image.size
            except OSError:
                if name == path:
                    width, height = read_radiograph(path).size_wh
                else:
                    continue  # no image, or a broken one, in a folder
            paths[class_of(width * height / 1e6)].append(path)
    draw = random.Random(SEED)
    total = sum(map(len, paths.values()))
    radiographs = {
        size: [read_radiograph(path) for path in draw.sample(found, min(each, len(found)))]
        for size, found in sorted(paths.items(), key=lambda item: item[0][0])
    }
    return radiographs, {size: len(found) / total for size, found in paths.items()}


def calls(
    bundle: Bundle, checkpoint: Path, onnx_file: Path, radiographs: Sequence[Radiograph]
) -> list[Calls]:
    """What is timed, by name, for each image."""
    detector = Detector(bundle)
    bare = onnxruntime.InferenceSession(bundle.model, providers=["CPUExecutionProvider"])
    input_name = bare.get_inputs()[0].name
    size = bundle.manifest.input_size
    options: dict[str, Any] = {
        "imgsz": size, "conf": DEFAULT_CONF, "iou": DEFAULT_IOU, "verbose": False, "device": "cpu",
    }  # fmt: skip
    on_torch = load_checkpoint(checkpoint)
    on_onnx = import_ultralytics().YOLO(str(onnx_file), task="detect")

    def of(radiograph: Radiograph) -> Calls:
        image = display(radiograph, bundle.manifest.display).image
        batch = letterbox(image, input_size=size)[0]
        colour = np.repeat(image[:, :, None], 3, axis=2)
        return {
            BARE: lambda: bare.run(None, {input_name: batch}),
            OURS: lambda: detector.detect(radiograph),
            DISPLAYED: lambda: detector.detect_image(image),
            TORCH: lambda: on_torch.predict(colour, **options),
            ONNX: lambda: on_onnx.predict(colour, **options),
        }

    return [of(radiograph) for radiograph in radiographs]


def milliseconds(call: Callable[[], Any]) -> float:
    time.sleep(REST_S)
    call()
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def timed(named: Mapping[str, Sequence[Calls]], rounds: int) -> dict[str, Times]:
    """Milliseconds an image, by class and call, of every round."""
    draw = random.Random(SEED)
    taken: dict[str, Times] = {size: defaultdict(list) for size in named}
    turns = [
        (size, number, name)
        for size, images in named.items()
        for number, image in enumerate(images)
        for name in image
    ]
    for _ in range(rounds):
        draw.shuffle(turns)
        spent: dict[tuple[str, str], float] = defaultdict(float)
        for size, number, name in turns:
            spent[size, name] += milliseconds(named[size][number][name])
        for (size, name), total in spent.items():
            taken[size][name].append(total / len(named[size]))
    return taken


def weighed(taken: Mapping[str, Times], shares: Mapping[str, float]) -> Times:
    """The times of an average image of all."""
    names = next(iter(taken.values()))
    return {
        name: [
            sum(shares[size] * value for size, value in zip(taken, values, strict=True))
            for values in zip(*(times[name] for times in taken.values()), strict=True)
        ]
        for name in names
    }


def ratio(values: Sequence[float], base: Sequence[float]) -> str:
    ratios = [value / other for value, other in zip(values, base, strict=True)]
    if len(ratios) < 2:
        return f"{ratios[0]:.2f}"
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def table(taken: Mapping[str, Times], heads: Mapping[str, str]) -> str:
    columns = [BARE, OURS, DISPLAYED, TORCH, ONNX]
    titles = [f"{one} / {other} {aim}".strip() for one, other, aim in RATIOS]
    lines = [
        f"| images | {' | '.join(f'{name}, ms' for name in columns)} | {' | '.join(titles)} |",
        "|---" * (1 + len(columns) + len(titles)) + "|",
    ]
    for size, times in taken.items():
        cells = [f"{statistics.median(times[name]):.1f}" for name in columns]
        cells += [ratio(times[one], times[other]) for one, other, _ in RATIOS]
        lines.append(f"| {heads[size]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--each", type=int, default=4, help="images of every size class")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--image-size", type=int, default=640)
    options = parser.parse_args()
    radiographs, shares = drawn(options.images, options.each)
    cores = len(os.sched_getaffinity(0))
    cv2.setNumThreads(cores)
    with tempfile.TemporaryDirectory() as name:
        bundle, checkpoint = opened(options.model, options.image_size, Path(name))
        onnx_file = Path(name) / "model.onnx"
        onnx_file.write_bytes(bundle.model)
        flat = [one for several in radiographs.values() for one in several]
        ready = iter(calls(bundle, checkpoint, onnx_file, flat))
        named = {size: [next(ready) for _ in several] for size, several in radiographs.items()}
        taken = timed(named, options.rounds)
    heads = {OVERALL: OVERALL}
    for size, several in radiographs.items():
        width, height = several[0].size_wh
        heads[size] = f"{size} ({shares[size]:.0%}; {len(several)} timed, one {width}×{height})"
    spec = bundle.manifest.display
    print(f"{bundle.manifest.architecture} at {bundle.manifest.input_size} px on {cores} cores;")
    print(f"{options.rounds} rounds; display {spec.model_dump(exclude_defaults=True)}\n")
    print(table({**taken, OVERALL: weighed(taken, shares)}, heads))


if __name__ == "__main__":
    main()
