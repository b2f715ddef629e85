"""A plain Ultralytics run, to stand beside ours: their defaults, the same images, as they are.

    python benchmarks/stock_detector.py SET WEIGHTS OUT --epochs 24 --negatives 400

``SET`` is a split data set, ``WEIGHTS`` a .pt file. Training takes the images of the set's training
part, positives and the first ``--negatives`` confirmed negatives in the order of their digests,
shown as the files ask for, and nothing of our recipe. ``OUT/weights/best.pt`` is what
`lucency evaluate` then measures like any other detector.
"""

import argparse
from pathlib import Path

import yaml

from lucency.annotations.findings import Status
from lucency.annotations.records import DATA_YAML, read_dataset
from lucency.configs.display import DisplaySpec
from lucency.datasets.render import render
from lucency.detection.offline_ultralytics import import_ultralytics


def main() -> None:
    """Train and leave Ultralytics' own folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--image-size", type=int, default=416)
    parser.add_argument("--negatives", type=int, default=400)
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    rendered = render(read_dataset(options.set), DisplaySpec())
    train = rendered.in_split("train")
    negatives = [r for r in train if r.status is Status.NEGATIVE]
    negatives = sorted(negatives, key=lambda record: record.sha256)[: options.negatives]
    positives = [r for r in train if r.status is Status.ANNOTATED]
    listed = options.out / "train.txt"
    listed.write_text(
        "".join(f"{rendered.image_path(r).resolve()}\n" for r in [*positives, *negatives])
    )
    data = yaml.safe_load((rendered.root / DATA_YAML).read_text())
    data.update(path=str(rendered.root.resolve()), train=str(listed.resolve()))
    described = options.out / "data.yaml"
    described.write_text(yaml.safe_dump(data))
    print(f"{len(positives)} positives, {len(negatives)} negatives, {options.epochs} epochs")
    model = import_ultralytics().YOLO(str(options.weights))
    model.train(
        data=str(described.resolve()),
        imgsz=options.image_size,
        epochs=options.epochs,
        project=str(options.out.resolve().parent),
        name=options.out.name,
        exist_ok=True,
        plots=False,
        device="cpu",
    )


if __name__ == "__main__":
    main()
