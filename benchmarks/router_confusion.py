"""What the router takes pictures for, by where they are from and by what was done to them.

    python benchmarks/router_confusion.py BUNDLE SET [--split test]

SET is made by ``benchmarks/router_set.py`` and split; its pictures are grey and have no DICOM
attributes, so the pixels alone decide. Prints two Markdown tables.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lucency.annotations.records import ImageRecord, read_dataset
from lucency.classification.classifier import open_classifier
from lucency.classification.router import KINDS, route
from lucency.datasets.radiographs import read_radiograph


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("set", type=Path)
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    router = open_classifier(options.bundle)
    dataset = read_dataset(options.set)
    records = dataset.in_split(options.split)
    taken = {
        record.image: route(read_radiograph(dataset.image_path(record)), router).kind
        for record in records
    }
    for title, name in (("from", _origin), ("what was done", _variant)):
        print(f"| {title} | pictures | right | chest | bone | other |\n|---|---|---|---|---|---|")
        _print_rows(records, taken, name)
        print()


def _print_rows(
    records: Sequence[ImageRecord], taken: Mapping[object, str], name: Callable[[ImageRecord], str]
) -> None:
    groups: dict[str, list[ImageRecord]] = defaultdict(list)
    for record in records:
        groups[name(record)].append(record)
    for group, members in sorted(groups.items()):
        right = sum(bool(record.label(taken[record.image])) for record in members)
        as_kind = (sum(taken[record.image] == kind for record in members) for kind in KINDS)
        cells = " | ".join(map(str, as_kind))
        share = f"{100 * right / len(members):.1f}%"
        print(f"| {group} | {len(members)} | {share} | {cells} |", flush=True)


def _origin(record: ImageRecord) -> str:
    origin = record.extra["origin"].split()[0]
    return f"{origin}, {'as it is' if record.extra['variant'] == 'as it is' else 'changed'}"


def _variant(record: ImageRecord) -> str:
    kind = next(kind for kind in KINDS if record.label(kind))
    return f"{kind}, {record.extra['variant']}"


if __name__ == "__main__":
    main()
