"""What the best epochs of runs say of images that they did not learn from."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import Dataset
from lucency.configs import atomic
from lucency.configs.errors import DatasetError
from lucency.datasets.labelled import LabelledSplit, labelled_split

_NAMES = ("image", "fold", "patient", "value")
_TRUTH, _PROBABILITY = "truth_", "probability_"


@dataclass(frozen=True)
class HeldOut:
    """N held-out images: what is known of them, and what a model said that never saw them.

    ``images`` are paths below the given set's root, ``values`` those of the study's column (empty
    where it has none), ``patients`` empty where unknown. ``truth`` (N, L) is NaN where a label is
    not known; ``probabilities`` (N, L) are the network's own, not calibrated.
    """

    labels: tuple[str, ...]
    images: tuple[str, ...]
    folds: tuple[str, ...]
    patients: tuple[str, ...]
    values: tuple[str, ...]
    truth: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.images)

    def chosen(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "HeldOut":
        """The images of ``rows``, a mask (N,) or indices."""
        index = np.arange(len(self))[rows].tolist()
        images, folds, patients, values = (
            tuple(column[i] for i in index) for column in self.columns()
        )
        truth, probabilities = self.truth[index], self.probabilities[index]
        return HeldOut(self.labels, images, folds, patients, values, truth, probabilities)

    def columns(self) -> tuple[tuple[str, ...], ...]:
        """Images, folds, patients and values."""
        return self.images, self.folds, self.patients, self.values


def together(parts: Sequence[HeldOut]) -> HeldOut:
    """The images of several folds; there is at least one."""
    images, folds, patients, values = (
        tuple(chain.from_iterable(columns))
        for columns in zip(*(part.columns() for part in parts), strict=True)
    )
    truth = np.concatenate([part.truth for part in parts])
    probabilities = np.concatenate([part.probabilities for part in parts])
    return HeldOut(parts[0].labels, images, folds, patients, values, truth, probabilities)


def predict_best(
    run_dir: Path, dataset: Dataset, *, split: str
) -> tuple[LabelledSplit, NDArray[np.float64]]:
    """The labelled images of a split, and the probabilities (N, L) of a run's best epoch.

    By PyTorch, from the same cached squares as in training; not calibrated.

    Raises
    ------
    ConfigError
        The run has no weights.
    DatasetError
        The split has no image with a known label.
    ImageError
        An image cannot be read.

    """
    import torch

    from lucency.classification.batches import split_batches
    from lucency.classification.export import read_network
    from lucency.classification.networks import probabilities_of
    from lucency.classification.run_folder import read_run_config
    from lucency.classification.train import predict_logits

    config = read_run_config(run_dir)
    images = labelled_split(dataset, split=split, labels=config.labels, both_values=False)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = read_network(run_dir, config).to(device)
    logits = predict_logits(network, split_batches(dataset, images, config), device=device)
    found = probabilities_of(torch.from_numpy(logits).double(), exclusive=config.exclusive)
    return images, np.asarray(found.numpy(), dtype=np.float64)


def write_held_out(held: HeldOut, path: Path, *, column: str = "") -> None:
    """Write one row an image; ``column`` heads that of the values, which is left out without."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [*_NAMES[:3], *([column] if column else [])]
        + [f"{kind}{label}" for label in held.labels for kind in (_TRUTH, _PROBABILITY)]
    )
    for row, (image, fold, patient, value) in enumerate(zip(*held.columns(), strict=True)):
        figures: list[str] = []
        for truth, probability in zip(held.truth[row], held.probabilities[row], strict=True):
            figures += ["" if np.isnan(truth) else str(int(truth)), repr(float(probability))]
        writer.writerow([image, fold, patient, *([value] if column else []), *figures])
    atomic.write_text(path, out.getvalue())


def read_held_out(path: Path, *, column: str = "") -> HeldOut:
    """Read what `write_held_out` wrote; ``column`` as there.

    Raises
    ------
    DatasetError
        The file is missing or damaged.

    """
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
        names = list(rows[0]) if rows else []
        labels = tuple(n.removeprefix(_TRUTH) for n in names if n.startswith(_TRUTH))
        truth = [[float(row[_TRUTH + label] or "nan") for label in labels] for row in rows]
        found = [[float(row[_PROBABILITY + label]) for label in labels] for row in rows]
        return HeldOut(
            labels,
            images=tuple(row["image"] for row in rows),
            folds=tuple(row["fold"] for row in rows),
            patients=tuple(row["patient"] for row in rows),
            values=tuple(row[column] if column else "" for row in rows),
            truth=np.array(truth, dtype=np.float64).reshape(-1, len(labels)),
            probabilities=np.array(found, dtype=np.float64).reshape(-1, len(labels)),
        )
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, csv.Error):
        raise DatasetError(f"{path}: is damaged; predict again with --resume") from None
