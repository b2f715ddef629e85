"""The page of a run folder: curves, pictures, and what the training rests on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lucency.configs.errors import DatasetError
from lucency.configs.yaml_files import read_yaml
from lucency.detection.run_folder import (
    CONFIG,
    FIRST_BATCH,
    MAP50,
    MAP50_95,
    PAGE,
    PRECISION,
    RECALL,
    RESULTS,
    VALIDATION,
    is_finished,
    read_environment,
    read_rows,
)
from lucency.detection.training_pictures import SHOWN_CONF
from lucency.evaluation.configuration_section import configuration_section
from lucency.evaluation.detection_plots import learning_curves
from lucency.evaluation.report import EvaluationReport, Picture, Section, Table, write_report

# The table shows at most so many epochs: the last, and the best.
_LAST_EPOCHS = 15
_COLUMNS = {"precision": PRECISION, "recall": RECALL, "mAP50": MAP50, "mAP50-95": MAP50_95}


def write_training_page(run: Path) -> None:
    """Write the page of a run, finished or not; done after every epoch, from the files alone."""
    rows = read_rows(run)
    config = read_yaml(run / CONFIG)
    facts = read_environment(run)
    best = max(reversed(rows), key=lambda row: row[MAP50_95], default=None)
    finished = is_finished(run)
    state = "finished" if finished else f"epoch {len(rows)} of {config['epochs']}"
    report = EvaluationReport(
        title=f"Training of {config['name']}",
        subtitle=f"{run.resolve().name}: {state}",
        facts=_facts(config, facts),
        headline={
            "best epoch": int(best["epoch"]) if best else None,
            "its mAP50": best[MAP50] if best else None,
            "its mAP50-95": best[MAP50_95] if best else None,
        },
        notes=(
            "Figures are Ultralytics' own on the validation split, by which the best epoch was "
            "chosen: `lucency evaluate` on the test split gives those to report.",
        ),
        sections=[*_progress(run, rows), *_pictures(run), configuration_section(config, facts)],
    )
    write_report(report, run / PAGE)


def _facts(config: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, str]:
    images = facts.get("images", {})
    listed = ", ".join(f"{count} {split}" for split, count in images.items())
    return {
        "data": f"{facts.get('dataset', '')}: {listed}",
        "images an epoch": str(facts.get("images_an_epoch", "")),
        "digest of the data": str(facts.get("dataset_sha256", ""))[:16],
        "starting weights": str(facts.get("weights", "")),
        "architecture": str(facts.get("architecture", "")),
        "input size": f"{config['image_size']} pixels",
        "accelerators": str(facts.get("machine", {}).get("accelerators", "")),
        "seed": str(config["seed"]),
    }


def _progress(run: Path, rows: list[dict[str, float]]) -> list[Section]:
    if not rows:
        return []
    best = max(reversed(rows), key=lambda row: row[MAP50_95])
    shown = [row for row in rows if row is best or row in rows[-_LAST_EPOCHS:]]
    losses = sorted(name for name in rows[0] if name.endswith("_loss"))
    columns = ("epoch", "training loss", "validation loss", *_COLUMNS)
    table = Table(
        "Epochs",
        columns,
        [
            (
                f"{int(row['epoch'])}{' (best)' if row is best else ''}",
                *(
                    sum(row[name] for name in losses if name.startswith(part))
                    for part in ("train", "val")
                ),
                *(row[key] for key in _COLUMNS.values()),
            )
            for row in shown
        ],
        caption=f"The best and the last {min(len(rows), _LAST_EPOCHS)} of {len(rows)}; "
        f"{RESULTS} has all.",
    )
    try:
        curves = [Picture("Learning curves", learning_curves(run / RESULTS), wide=True)]
    except DatasetError:
        curves = []
    return [Section("Progress", figures=curves, tables=[table])]


def _pictures(run: Path) -> list[Section]:
    figures = [
        Picture(title, (run / name).read_bytes(), caption, wide=True)
        for name, title, caption in (
            (
                FIRST_BATCH,
                "The first batch",
                "As the network saw it: displayed, augmented, brought to the input size.",
            ),
            (
                VALIDATION,
                "Validation images",
                f"What the best epoch finds with a score of at least {SHOWN_CONF}: green hits, "
                f"red false alarms, dashed misses, blue findings.",
            ),
        )
        if (run / name).is_file()
    ]
    return [Section("Pictures", figures=figures)] if figures else []
