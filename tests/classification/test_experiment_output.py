"""What `lucency cross-validate` and `lucency compare` say and leave behind."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lucency.annotations.records import Dataset, write_tables
from lucency.classification.compare_command import compare_classifiers
from lucency.classification.cross_validate_command import cross_validate_classifier
from lucency.classification.recipe import ClassificationConfig
from lucency.configs.errors import ConfigError
from lucency.configs.schema import dump_yaml

EXPERIMENT = """
task: comparison
name: tiny
recipe: tiny.yaml
budget: {epochs: 1}
variants:
  plain:
  other: {seed: 0, weight_decay: 0.01}
"""


@pytest.fixture(scope="module")
def folder(
    make_set: Callable[..., Dataset],
    make_config: Callable[..., ClassificationConfig],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A set of two sites, a recipe and an experiment."""
    folder = tmp_path_factory.mktemp("output")
    dataset = make_set(folder / "set", counts=(12, 6, 6))
    config = make_config(network="small_cnn", head="linear", epochs=1)
    (folder / "tiny.yaml").write_text(dump_yaml(config), encoding="utf-8")
    (folder / "experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    make_set(folder / "sites", counts=(12, 6, 6))
    records = tuple(
        replace(record, extra={**record.extra, "site": "ab"[number // 2 % 2]})
        for number, record in enumerate(dataset.records)
    )
    write_tables(replace(dataset, root=folder / "sites", records=records))
    return folder


def cross_validate(folder: Path, out: str, *, left_out: str = "", beside: str = "") -> None:
    cross_validate_classifier(
        folder / "tiny.yaml",
        folder / "sites",
        folder / out,
        left_out=left_out,
        folds=0 if left_out else 2,
        overrides=(),
        resume=False,
        beside=folder / beside if beside else None,
    )


def test_two_studies_stand_side_by_side(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cross_validate(folder, "in")
    said = capsys.readouterr().out
    assert "whatever split they are in" in said
    assert "Fold 2 of 2" in said
    assert "bright, by fold held out" in said
    cross_validate(folder, "across", left_out="site", beside="in")
    said = capsys.readouterr().out
    assert "Fold 1 of 2: without a" in said
    assert "bright, in-site beside cross-site" in said
    for name in ("predictions.csv", "summary.json", "table.md", "fold-b/run/best.safetensors"):
        assert (folder / "across" / name).is_file()
    text = (folder / "across" / "table.md").read_text(encoding="utf-8")
    assert "| pairs of one site | 24 | 12 |" in text


def test_what_stands_beside_is_looked_at_before_training(folder: Path) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(ConfigError, match="empty: holds no cross-validation"):
        cross_validate(folder, "never", left_out="site", beside="empty")
    assert not (folder / "never").exists()


def test_variants_in_one_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare_classifiers(
        folder / "experiment.yaml", folder / "set", folder / "cmp", overrides=(), resume=False
    )
    said = capsys.readouterr().out
    assert "2 variants of tiny.yaml, each with a budget of 1 epochs" in " ".join(said.split())
    assert "bright, on the validation images" in said
    for name in ("summary.json", "table.md", "report.html", "other/seed0/run/best.safetensors"):
        assert (folder / "cmp" / name).is_file()
