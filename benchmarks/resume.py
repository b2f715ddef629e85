"""Kill a training again and again, and compare its end with that of one left alone.

    python benchmarks/resume.py [--kills 10] [--epochs 6] [--size 96] [--weights yolo11n.yaml]
                                [--recipe KEY=VALUE ...]

Trains a detector on a few phantoms once without interruption, and once killed with SIGKILL: every
second time at a random moment, the other times in the middle of writing a file of the run folder.
After each kill it is resumed. Compares the weights and the table of epochs, prints Markdown, and
ends with status 1 where the figures differ by more than 1e-6.

Trainings are forks of this process, so that Python and torch are started once. Mosaics, gradients
gathered over several batches, warm-up and a closing of the mosaic are all part of the recipe.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import torch

from lucency.configs import atomic
from lucency.configs.errors import ConfigError
from lucency.configs.schema import parse_config
from lucency.detection.offline_ultralytics import import_ultralytics
from lucency.detection.recipe import DetectionConfig
from lucency.detection.run_folder import CONFIG, is_finished, read_rows, read_summary
from lucency.detection.train import train
from lucency.detection.weights import load_checkpoint

KILLED = -signal.SIGKILL
# The one column that is allowed to differ.
TIME = "time"


def phantom_set(folder: Path, *, patients: int, size: int) -> Path:
    """A split set of phantoms of limbs."""
    run = (sys.executable, "-c", "from lucency.api.cli import main; main()")
    made, root = folder / "phantoms", folder / "set"
    for arguments in (
        ["phantoms", str(made), "--patients", str(patients), "--size", str(size)],
        ["convert", str(made), str(root)],
        ["split", str(root), "--ratios", "70/30/0"],
    ):
        subprocess.run([*run, *arguments], check=True, stdout=subprocess.DEVNULL)
    return root


def recipe(weights: Path, *, epochs: int, size: int, overrides: list[str]) -> DetectionConfig:
    import yaml

    values = {
        "task": "detection",
        "name": "resume",
        "weights": str(weights),
        "image_size": size,
        "epochs": epochs,
        "batch": 4,
        "augment": {"mosaic": 0.5, "horizontal_flip": 0.5},
        "ultralytics": {
            "optimizer": "AdamW",
            "lr0": 0.002,
            "nbs": 12,
            "warmup_epochs": 1.5,
            "close_mosaic": 2,
        },
    }
    for override in overrides:
        key, _, text = override.partition("=")
        inner = values
        *sections, last = key.split(".")
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[last] = yaml.safe_load(text)
    return parse_config(DetectionConfig, values, where="recipe")


def train_in_fork(
    config: DetectionConfig,
    root: Path,
    run: Path,
    *,
    after_s: float | None = None,
    at_write: tuple[int, float] | None = None,
) -> int:
    """Train in a fork; kill it after some seconds, or while it writes its n-th file to a share.

    Returns the exit status, negative for a signal.
    """
    child = os.fork()
    if child == 0:
        if at_write is not None:
            _die_while_writing(*at_write)
        try:
            train(config, root, run, resume=(run / CONFIG).is_file())
        except ConfigError as error:
            print(error, file=sys.stderr)
            os._exit(2)
        except BaseException:
            traceback.print_exc()
            os._exit(3)
        os._exit(0)
    if after_s is not None:
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _die_while_writing(nth: int, share: float) -> None:
    """Let the n-th file that is written be cut at a share of its bytes, by SIGKILL."""
    left = nth

    def write_bytes(path: Path, data: bytes) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            partial = path.with_name(f".{path.name}.partial")
            partial.write_bytes(data[: int(len(data) * share)])
            os.kill(os.getpid(), signal.SIGKILL)
        plain(path, data)

    plain = atomic.write_bytes
    atomic.write_bytes = write_bytes


def killed_run(
    config: DetectionConfig,
    root: Path,
    run: Path,
    *,
    kills: int,
    seconds: float,
    seed: int,
) -> list[str]:
    """Train with so many kills; returns what was hit: the epoch that was complete by then."""
    hits: list[str] = []
    rng = random.Random(seed)
    while len(hits) < kills and not is_finished(run):
        before = len(read_rows(run))
        if len(hits) % 2:
            nth = rng.randint(1, 8)
            status = train_in_fork(config, root, run, at_write=(nth, rng.random()))
            how = f"while writing file {nth}"
        else:
            after_s = rng.uniform(0.0, seconds / 3)
            status = train_in_fork(config, root, run, after_s=after_s)
            how = f"after {after_s:.1f} s"
        if status == KILLED:
            hits.append(f"{how}, {before} rows of the table before and {len(read_rows(run))} after")
        elif status != 0:
            raise SystemExit(f"a training ended with status {status}")
    while not is_finished(run):
        status = train_in_fork(config, root, run)
        if status != 0:
            raise SystemExit(f"the last training ended with status {status}")
    return hits


def differences(first: Path, second: Path) -> dict[str, float]:
    """The largest difference of the weights and of each figure of any epoch."""
    found = {}
    for name in ("best.pt", "last.pt"):
        whole, killed = (
            load_checkpoint(run / "weights" / name).model.double().state_dict()
            for run in (first, second)
        )
        differences = [float((whole[key] - killed[key]).abs().max()) for key in whole]
        found[f"weights of {name}"] = max(differences)
    rows = [read_rows(run) for run in (first, second)]
    if [row["epoch"] for row in rows[0]] != [row["epoch"] for row in rows[1]]:
        raise SystemExit(f"the tables have other epochs: {len(rows[0])} and {len(rows[1])} rows")
    for name in rows[0][0]:
        if name != TIME:
            pairs = zip(*rows, strict=True)
            found[name] = max(abs(a[name] - b[name]) for a, b in pairs)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--patients", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--weights", default="yolo11n.yaml", help="an architecture or a .pt file")
    parser.add_argument("--recipe", nargs="*", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # a fork of a process with threads may hang
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = phantom_set(folder, patients=arguments.patients, size=arguments.size)
        weights = folder / "start.pt"
        import_ultralytics().YOLO(arguments.weights).save(str(weights))
        config = recipe(
            weights, epochs=arguments.epochs, size=arguments.size, overrides=arguments.recipe
        )
        began = time.perf_counter()
        if train_in_fork(config, root, folder / "whole") != 0:
            raise SystemExit("the uninterrupted training failed")
        seconds = time.perf_counter() - began
        hits = killed_run(
            config, root, folder / "killed", kills=arguments.kills, seconds=seconds,
            seed=arguments.seed,
        )  # fmt: skip
        summary = read_summary(folder / "whole")
        found = differences(folder / "whole", folder / "killed")
    print(f"{summary.epochs} epochs in {seconds:.0f} s, best {summary.best_epoch}, ", end="")
    print(f"mAP50 {summary.map50:.4f}; killed {len(hits)} times:\n")
    print("\n".join(f"- {hit}" for hit in hits))
    print("\n| figure | largest difference |\n|---|---|")
    print("\n".join(f"| {name} | {value:.3g} |" for name, value in found.items()))
    if max(found.values()) > 1e-6 or len(hits) < arguments.kills:
        sys.exit(1)


if __name__ == "__main__":
    main()
