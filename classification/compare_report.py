"""A comparison of variants as people read it: tables, learning curves, a page, and JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lucency.classification.compare import VariantRun
from lucency.classification.compare_measures import SAMPLES, Row, SeedSpread
from lucency.classification.experiment import Experiment
from lucency.classification.recipe import ClassificationConfig
from lucency.configs import atomic
from lucency.evaluation.estimates import Estimate
from lucency.evaluation.markdown import markdown_table
from lucency.evaluation.plot_style import SIDE_INCHES, add_legend, dress, style_of, svg_of
from lucency.evaluation.report import (
    Cell,
    EvaluationReport,
    Picture,
    Section,
    Table,
    format_cell,
    write_json,
    write_report,
)

SUMMARY, TABLE, PAGE = "summary.json", "table.md", "report.html"
_COLUMNS = (
    "AUC",
    "difference",
    "p",
    "epochs",
    "seconds an epoch",
    "parameters, millions",
    "ms an image",
    "best epoch",
)
SHORT_NAMES = {
    "parameters, millions": "M par.",
    "seconds an epoch": "s/ep.",
    "difference": "diff.",
    "ms an image": "ms",
}


@dataclass(frozen=True)
class Compared:
    """A finished comparison: what was asked, every run, and its figures."""

    experiment: Experiment
    configs: Mapping[str, ClassificationConfig]
    dataset: str
    runs: Sequence[VariantRun]
    rows: Sequence[Row]
    spreads: Sequence[SeedSpread]


def comparison_tables(found: Compared) -> list[Table]:
    """A table for each label and, of several seeds, how much is chance."""
    seeds = len(found.experiment.seeds) > 1
    first = next(iter(found.configs))
    tables = []
    for label in dict.fromkeys(row.label for row in found.rows):
        rows = [_cells(row, seeds=seeds) for row in found.rows if row.label == label]
        columns = ("variant", *(("seed",) if seeds else ()), *_COLUMNS)
        tables.append(
            Table(
                f"{label}, on the validation images",
                columns,
                rows,
                f"The difference is to {first}"
                + (" with the same seed" if seeds else "")
                + ", on the same draws of patients; p is DeLong's, which takes each image for a "
                "patient. The same images chose each variant's best epoch, so each AUC is a "
                "little too good. ms: one image in ONNX Runtime on one core of this machine, "
                "without reading it.",
            )
        )
    if found.spreads:
        spread = [(s.variant, s.label, s.mean, s.sd, s.low, s.high) for s in found.spreads]
        tables.append(
            Table(
                "Over the seeds",
                ("variant", "label", "mean AUC", "SD", "lowest", "highest"),
                spread,
                "A difference smaller than this spread shows nothing.",
            )
        )
    return tables


def basis(found: Compared) -> str:
    """One paragraph: what every variant got, and what the figures are."""
    held = found.runs[0].held
    return (
        f"{len(found.configs)} variants of {found.experiment.recipe}, each with a budget of "
        f"{_budget(found)}, "
        f"trained on {found.dataset} and measured on its {len(held)} validation images. Intervals "
        f"are 95%, by a bootstrap over patients with {SAMPLES} samples."
    )


def write_comparison(found: Compared, out: Path) -> None:
    """Write ``summary.json``, ``table.md`` and ``report.html`` into ``out``."""
    write_json(_summary(found), out / SUMMARY)
    parts = [f"# Comparison: {found.experiment.name}", basis(found)]
    for table in [*comparison_tables(found), _differences(found)]:
        rows = [[_plain(cell) for cell in row] for row in table.rows]
        parts += [f"## {table.title}", markdown_table(table.columns, rows), table.caption]
    atomic.write_text(out / TABLE, "\n\n".join(part for part in parts if part) + "\n")
    write_report(_page(found), out / PAGE)


def learning_curves(runs: Sequence[VariantRun]) -> bytes:
    """Validation AUC of every run, by epoch and by minutes of training. Returns SVG."""
    figure = Figure(figsize=(SIDE_INCHES * 2, SIDE_INCHES * 0.9), layout="constrained")
    by_epoch, by_time = figure.subplots(1, 2, sharey=True)
    dress(by_epoch, "Epoch", "AUC on validation data")
    dress(by_time, "Minutes", "")
    names = list(dict.fromkeys(run.variant for run in runs))
    named: set[str] = set()
    for run in runs:
        colour, style = style_of(names.index(run.variant))
        aucs = [row.val_auc for row in run.history]
        epochs = [float(row.epoch) for row in run.history]
        minutes = [sum(r.seconds for r in run.history[: n + 1]) / 60 for n in range(len(aucs))]
        label = "" if run.variant in named else run.variant
        named.add(run.variant)
        for axes, places in ((by_epoch, epochs), (by_time, minutes)):
            # A run of one epoch would have no line.
            axes.plot(
                places,
                aucs,
                color=colour,
                linestyle=style,
                linewidth=1.6,
                marker="o" if len(aucs) == 1 else "",
                label=label if axes is by_epoch else "",
            )
    by_epoch.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(by_epoch, loc="lower right")
    return svg_of(figure)


def _cells(row: Row, *, seeds: bool) -> list[Cell]:
    run = row.run
    return [
        run.variant,
        *([run.seed] if seeds else []),
        row.auc,
        row.difference,
        row.p_value,
        len(run.history),
        round(run.seconds_an_epoch, 1),
        run.parameters / 1e6,
        run.onnx_ms,
        run.best.epoch,
    ]


def _differences(found: Compared) -> Table:
    """The keys in which the variants differ, a row for each variant."""
    values = {name: _flat(one.model_dump(mode="json")) for name, one in found.configs.items()}
    first = next(iter(values.values()))
    keys = [
        key
        for key in dict.fromkeys(key for one in values.values() for key in one)
        if key != "name" and any(one.get(key) != first.get(key) for one in values.values())
    ]
    rows = [[name, *(str(one.get(key, "")) for key in keys)] for name, one in values.items()]
    return Table("In what they differ", ("variant", *keys), rows)


def _flat(values: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = isinstance(value, Mapping)
        flat |= _flat(value, f"{at}{key}.") if inner else {f"{at}{key}": value}
    return flat


def _page(found: Compared) -> EvaluationReport:
    best = max(found.rows, key=lambda row: row.auc.value or 0.0)
    return EvaluationReport(
        title=f"Comparison: {found.experiment.name}",
        subtitle=f"{', '.join(found.configs)} on {found.dataset}",
        facts={
            "recipe": found.experiment.recipe,
            "data": found.dataset,
            "budget": _budget(found),
            "seeds": ", ".join(map(str, found.experiment.seeds)),
        },
        headline={"highest AUC": best.auc, "of": best.run.variant},
        basis=basis(found),
        notes=(
            "The validation images chose each variant's best epoch: `lucency evaluate` on the test "
            "split gives figures to report. The highest of several AUCs is too good by chance "
            "alone; the differences and their intervals tell what is known.",
        ),
        sections=[
            Section(
                "Figures",
                figures=[Picture("Learning curves", learning_curves(found.runs), wide=True)],
                tables=comparison_tables(found),
                on_basis=False,
            ),
            Section("Variants", tables=[_differences(found)], on_basis=False),
        ],
    )


def _budget(found: Compared) -> str:
    budget = found.experiment.budget
    return f"{budget.epochs} epochs" if budget.epochs else f"{budget.minutes:g} minutes"


def _plain(cell: Cell) -> str:
    return str(cell) if isinstance(cell, Estimate) else format_cell(cell)


def _summary(found: Compared) -> dict[str, Any]:
    return {
        "experiment": found.experiment.model_dump(mode="json"),
        "dataset": found.dataset,
        "images": len(found.runs[0].held),
        "samples": SAMPLES,
        "rows": [
            {
                "variant": row.run.variant,
                "seed": row.run.seed,
                "label": row.label,
                "parameters": row.run.parameters,
                "epochs": len(row.run.history),
                "best_epoch": row.run.best.epoch,
                "seconds_an_epoch": row.run.seconds_an_epoch,
                "onnx_ms": row.run.onnx_ms,
                "auc": row.auc,
                "auc_delong": row.auc_delong,
                "difference": row.difference,
                "p_value": row.p_value,
            }
            for row in found.rows
        ],
        "over_seeds": [asdict(spread) for spread in found.spreads],
    }
