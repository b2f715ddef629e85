"""Which images an epoch shows: negatives by ratio, rare classes more than once."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from lucency.annotations.records import Dataset, read_dataset
from lucency.detection.training_images import training_images

HEADER = "image,split,patient_id,status,width,height,sha256,source\n"


def write_set(root: Path, classes: list[tuple[int, ...]], negatives: int) -> Dataset:
    """One training image for each tuple of classes, then negatives, and one of validation."""
    rows = []

    def image(name: str, split: str, found: tuple[int, ...] | None) -> None:
        status = "negative" if found is None else "annotated"
        digest = hashlib.sha256(name.encode()).hexdigest()
        rows.append(f"images/{split}/{name}.png,{split},{name},{status},100,100,{digest},x\n")
        label = root / "labels" / split / f"{name}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{number} 0.5 0.5 0.2 0.2\n" for number in found or ()]
        label.write_text("".join(lines), encoding="utf-8")

    for number, found in enumerate(classes):
        image(f"p{number}", "train", found)
    for number in range(negatives):
        image(f"n{number}", "train", None)
    image("v", "val", (0,))
    (root / "dataset.csv").write_text(HEADER + "".join(rows), encoding="utf-8")
    (root / "data.yaml").write_text(
        "train: images/train\nval: images/val\nnames: [common, rare]\n", encoding="utf-8"
    )
    return read_dataset(root)


def shown(dataset: Dataset, **options: float) -> Counter[str]:
    images = training_images(dataset, **options)  # type: ignore[arg-type]
    return Counter(record.image.stem for record in images)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(None, 6), (0.0, 0), (0.5, 2), (1.0, 4), (100.0, 6)],
    ids=["all", "none", "half as many", "as many", "more than there are"],
)
def test_negatives_by_ratio(tmp_path: Path, ratio: float | None, expected: int) -> None:
    found = shown(write_set(tmp_path, [(0,)] * 4, 6), negatives=ratio)  # type: ignore[arg-type]
    assert sum(count for name, count in found.items() if name.startswith("n")) == expected
    assert sum(count for name, count in found.items() if name.startswith("p")) == 4
    assert "v" not in found


def test_more_negatives_include_the_fewer(tmp_path: Path) -> None:
    dataset = write_set(tmp_path, [(0,)] * 4, 8)
    fewer, more = shown(dataset, negatives=0.5), shown(dataset, negatives=1.5)
    assert set(fewer) < set(more)


def test_a_seed_chooses_other_negatives(tmp_path: Path) -> None:
    dataset = write_set(tmp_path, [(0,)] * 4, 20)
    chosen = [set(shown(dataset, negatives=1.0, seed=seed)) for seed in range(4)]
    assert chosen[0] == set(shown(dataset, negatives=1.0, seed=0))
    assert len({frozenset(names) for names in chosen}) > 1


@pytest.mark.parametrize(
    ("below", "times"),
    [(0.0, 1), (0.1, 1), (0.2, 2), (0.5, 3), (1.0, 4)],
    ids=["off", "at its share", "twice its share", "five times", "ten times"],
)
def test_rare_classes_are_repeated(tmp_path: Path, below: float, times: int) -> None:
    """ceil(sqrt(t / f)) times, with a share f of one image in ten."""
    dataset = write_set(tmp_path, [(0,)] * 9 + [(0, 1)], 3)
    found = shown(dataset, rare_below=below)
    assert found["p9"] == times
    assert all(found[f"p{number}"] == 1 for number in range(9))
    assert all(found[f"n{number}"] == 1 for number in range(3))


def test_a_class_at_exactly_the_share_is_not_repeated(tmp_path: Path) -> None:
    for count in range(1, 30):  # t * n / c is 1 but for rounding
        dataset = write_set(tmp_path / str(count), [(0,)] * (30 - count) + [(0, 1)] * count, 0)
        assert set(shown(dataset, rare_below=count / 30).values()) == {1}


def test_without_findings_only_negatives_are_shown(tmp_path: Path) -> None:
    dataset = write_set(tmp_path, [], 3)
    assert sum(shown(dataset, rare_below=0.5).values()) == 3
    assert shown(dataset, negatives=2.0) == Counter()
