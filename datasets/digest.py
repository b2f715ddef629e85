"""The digests by which a model remembers what it was trained on."""

import hashlib

from lucency.annotations.records import DATASET_CSV, Dataset


def dataset_digest(dataset: Dataset) -> str:
    """SHA-256 over the table and every label file: what a model was trained on."""
    digest = hashlib.sha256((dataset.root / DATASET_CSV).read_bytes())
    for record in sorted(dataset.records, key=lambda record: record.image):
        label = dataset.label_path(record)
        if label.is_file():
            digest.update(str(record.image).encode() + b"\0" + label.read_bytes())
    return digest.hexdigest()


def table_digest(dataset: Dataset) -> str:
    """SHA-256 of the table alone, which itself holds each image's digest: a classifier's data."""
    return hashlib.sha256((dataset.root / DATASET_CSV).read_bytes()).hexdigest()
