"""What a classifier costs beside its bare network, and beside torch with the same weights.

    python benchmarks/classifier_speed.py MODEL IMAGES… [--each 4] [--rounds 15] [--image-size 224]

MODEL is a classifier's bundle, or the name of a network, which then gets random weights, one
channel and --image-size. IMAGES are files or folders: they fall into classes by their pixels, and
of each class --each are drawn with a fixed seed and decoded before anything is timed. In every
round each of these takes every image, in an order drawn anew, on all cores that the process may
use (`taskset -c 0,1` for two of them):

- the bare network: ONNX Runtime's `run`, in a session opened with its defaults, on the finished
  input;
- ours: `Classifier.classify` on the stored pixels: display function, square, network, calibration;
- ours, displayed: `Classifier.classify_image`, the same on the displayed image;
- ours, looking: `Classifier.look`, with what an explanation is drawn from;
- torch: the network in eager mode on the finished input, as it is built and with its channels
  last, which is faster.

Before a call is timed the threads of the one before have come to rest, and the same call has been
made once. Prints Markdown: the median over the rounds of each time, and of the ratios within each
round, with their quartiles; and how long a bundle takes to open. ``overall`` weighs each class by
its share of IMAGES.
"""

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch
from detector_speed import OVERALL, Calls, Times, drawn, ratio, timed, weighed

from lucency.classification.classifier import INPUT, PROBABILITIES, Classifier
from lucency.classification.networks import NETWORKS, StagedNetwork, build_network
from lucency.classification.onnx_export import export_onnx
from lucency.classification.recipe import ClassificationConfig
from lucency.classification.stored_weights import stored_weights, with_stored_weights
from lucency.configs.bundle import Bundle, BundleManifest, find_bundle, load_bundle
from lucency.datasets.display import display
from lucency.datasets.model_input import model_input
from lucency.datasets.radiographs import Radiograph

BARE, OURS, DISPLAYED, LOOK = "bare network", "ours", "ours, displayed", "ours, looking"
TORCH, CHANNELS_LAST = "torch", "torch, channels last"
COLUMNS = (BARE, OURS, DISPLAYED, LOOK, TORCH, CHANNELS_LAST)
BEST_TORCH = "faster torch"
# What issue and documentation promise: of this, to that, at least or at most so much.
RATIOS = (
    (OURS, BARE, "≤ 1.10"),
    (DISPLAYED, BARE, "≤ 1.10"),
    (TORCH, BARE, "≥ 3"),
    (BEST_TORCH, BARE, ""),
    (BEST_TORCH, OURS, ""),
)


def opened(name: str, image_size: int) -> tuple[Bundle, StagedNetwork]:
    """A bundle and the torch network of the same weights."""
    if name in NETWORKS:
        network = build_network(name, classes=1, channels=1).eval()
        return bundle_of(network, name, image_size), network
    bundle = load_bundle(find_bundle(name, package="lucency.classification"))
    manifest, weights = bundle.manifest, stored_weights(bundle.model)
    network = build_network(
        manifest.architecture,
        classes=len(manifest.class_names),
        channels=manifest.input_channels,
        head="mlp" if "head.first.weight" in weights else "linear",
    )
    state = {key: torch.from_numpy(value) for key, value in weights.items()}
    network.load_state_dict(state, strict=False)
    return bundle, network.eval()


def bundle_of(network: StagedNetwork, name: str, image_size: int) -> Bundle:
    config = ClassificationConfig(
        task="classification", name=name, network=name, channels=1, input_size=image_size,
        labels=("finding",), weights="none", head_epochs=0, frozen_stages=0,
    )  # fmt: skip
    manifest = BundleManifest.model_validate(
        {
            "name": name,
            "task": "classification",
            "architecture": name,
            "class_names": config.labels,
            "input_size": image_size,
            "input_channels": 1,
            "display": config.display,
            "display_digest": config.display.digest(),
            "calibration": {"finding": {"method": "platt", "slope": 0.8}},
            "operating_points": {"balanced": {"finding": 0.5}},
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
    return Bundle(Path(name), manifest, export_onnx(network, config))


def calls(bundle: Bundle, network: StagedNetwork, radiographs: Sequence[Radiograph]) -> list[Calls]:
    """What is timed, by name, for each image."""
    manifest, classifier = bundle.manifest, Classifier(bundle)
    bare = onnxruntime.InferenceSession(bundle.model, providers=["CPUExecutionProvider"])
    plain = network.to(memory_format=torch.contiguous_format)
    last = build_copy(network, manifest).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def asked(of: StagedNetwork, batch: torch.Tensor) -> Any:
        return of(batch)

    def of(radiograph: Radiograph) -> Calls:
        image = display(radiograph, manifest.display).image
        size, channels = manifest.input_size, manifest.input_channels
        batch = model_input(image, size=size, channels=channels)[None]
        tensor = torch.from_numpy(batch)
        turned = tensor.to(memory_format=torch.channels_last)
        return {
            BARE: lambda: bare.run([PROBABILITIES], {INPUT: batch}),
            OURS: lambda: classifier.classify(radiograph),
            DISPLAYED: lambda: classifier.classify_image(image),
            LOOK: lambda: classifier.look(radiograph),
            TORCH: lambda: asked(plain, tensor),
            CHANNELS_LAST: lambda: asked(last, turned),
        }

    return [of(radiograph) for radiograph in radiographs]


def build_copy(network: StagedNetwork, manifest: BundleManifest) -> StagedNetwork:
    head = "mlp" if hasattr(network.head, "first") else "linear"
    classes, channels = len(manifest.class_names), manifest.input_channels
    copy = build_network(manifest.architecture, classes=classes, channels=channels, head=head)
    copy.load_state_dict(network.state_dict())
    return copy.eval()


def with_best_torch(times: Times) -> Times:
    best = [min(pair) for pair in zip(times[TORCH], times[CHANNELS_LAST], strict=True)]
    return {**times, BEST_TORCH: best}


def table(taken: dict[str, Times], heads: dict[str, str]) -> str:
    titles = [f"{one} / {other} {aim}".strip() for one, other, aim in RATIOS]
    lines = [
        f"| images | {' | '.join(f'{name}, ms' for name in COLUMNS)} | {' | '.join(titles)} |",
        "|---" * (1 + len(COLUMNS) + len(titles)) + "|",
    ]
    for size, times in taken.items():
        cells = [f"{statistics.median(times[name]):.1f}" for name in COLUMNS]
        cells += [ratio(times[one], times[other]) for one, other, _ in RATIOS]
        lines.append(f"| {heads[size]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def opening(bundle: Bundle, rounds: int) -> str:
    """How long a session takes to open, and its first answer to come, by precision."""
    manifest = bundle.manifest
    side = manifest.input_size
    batch = np.zeros((1, manifest.input_channels, side, side), dtype=np.float32)
    models = {f"as it is ({manifest.precision})": bundle.model}
    if manifest.precision == "fp32":
        models |= {
            one: with_stored_weights(bundle.model, precision=one) for one in ("fp16", "int8")
        }
    lines = ["| weights | MB | opened, ms | bare network, ms |", "|---|---|---|---|"]
    sessions: dict[str, Any] = {}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, data in models.items():
            start = time.perf_counter()
            sessions[name] = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
            middle = time.perf_counter()
            for _ in range(2):
                begin = time.perf_counter()
                sessions[name].run([PROBABILITIES], {INPUT: batch})
            taken[name].append((middle - start, time.perf_counter() - begin))
    for name, times in taken.items():
        medians = [statistics.median(part) * 1000 for part in zip(*times, strict=True)]
        size = len(models[name]) / 1e6
        lines.append(f"| {name} | {size:.1f} | {medians[0]:.0f} | {medians[1]:.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--each", type=int, default=4, help="images of every size class")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--image-size", type=int, default=224)
    options = parser.parse_args()
    radiographs, shares = drawn(options.images, options.each)
    cores = len(os.sched_getaffinity(0))
    cv2.setNumThreads(cores)
    torch.set_num_threads(cores)
    bundle, network = opened(options.model, options.image_size)
    flat = [one for several in radiographs.values() for one in several]
    ready = iter(calls(bundle, network, flat))
    named = {size: [next(ready) for _ in several] for size, several in radiographs.items()}
    taken = timed(named, options.rounds)
    taken = {**taken, OVERALL: weighed(taken, shares)}
    heads = {OVERALL: OVERALL}
    for size, several in radiographs.items():
        width, height = several[0].size_wh
        heads[size] = f"{size} ({shares[size]:.0%}; {len(several)} timed, one {width}×{height})"
    manifest = bundle.manifest
    print(f"{manifest.architecture} at {manifest.input_size} px on {cores} cores;")
    print(
        f"{options.rounds} rounds; display {manifest.display.model_dump(exclude_defaults=True)}\n"
    )
    print(table({size: with_best_torch(times) for size, times in taken.items()}, heads))
    print(f"\n{opening(bundle, options.rounds)}")


if __name__ == "__main__":
    main()
