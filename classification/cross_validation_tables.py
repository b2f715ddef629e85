"""A cross-validation as people read it: tables for terminal and Markdown, and JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lucency.classification.cross_validation import Study
from lucency.classification.cross_validation_measures import (
    POINT,
    SAMPLES,
    LabelStudy,
    PartMeasures,
)
from lucency.classification.site_table import SiteComparison, SiteRow
from lucency.configs import atomic
from lucency.evaluation.estimates import Estimate
from lucency.evaluation.markdown import markdown_table
from lucency.evaluation.report import Cell, Table, format_cell, write_json

SUMMARY = "summary.json"
TABLE = "table.md"
FIGURES = ("images", "positives", "AUC", "AUC, DeLong", "sensitivity", "specificity")
SITE_FIGURES = ("images", "positives", "AUC in-site", "AUC cross-site", "difference", "p")
# More do not fit into a terminal.
SHOWN_COLUMNS = 7
SHORT_NAMES = {
    "images": "img.",
    "positives": "pos.",
    "sensitivity": "sens.",
    "specificity": "spec.",
    "AUC in-site": "in-site",
    "AUC cross-site": "cross-site",
}


@dataclass(frozen=True)
class Measured:
    """A study with its figures by label; ``sites`` where one in folds stands beside it."""

    study: Study
    labels: Mapping[str, LabelStudy]
    sites: Mapping[str, SiteComparison]
    beside: Study | None = None


def study_tables(found: Measured) -> list[Table]:
    """For each label a table by fold, one by site where folds are numbers, and the comparison."""
    tables = []
    for label, measured in found.labels.items():
        tables.append(_folds_table(found.study, label, measured))
        if measured.values:
            tables.append(_values_table(found.study, label, measured))
        if label in found.sites:
            tables.append(_sites_table(found.study, label, found.sites[label]))
    return tables


def basis(study: Study) -> str:
    """One paragraph: what was held out, and what the figures are."""
    images = len(study.held)
    how = (
        f"each {study.left_out} held out in turn"
        if study.left_out
        else f"{len(study.folds)} folds by patient, each held out in turn"
    )
    return (
        f"{images} images of {study.dataset}, {how}; a network never saw the images it is measured "
        f"on, nor others of their patients. The set's own split is not used. Intervals are 95%, by "
        f"a bootstrap over patients with {SAMPLES} samples; DeLong's take each image for a patient."
    )


def write_study(found: Measured) -> None:
    """Write ``summary.json`` and ``table.md`` into the study's folder."""
    study = found.study
    folder = study.folder
    write_json(_summary(found), folder / SUMMARY)
    parts = [f"# {study.config['name']}: cross-validation on {study.dataset}", basis(study)]
    parts += [f"Note: {note}." for note in notes(found)]
    for table in study_tables(found):
        rows = [[_plain(cell) for cell in row] for row in table.rows]
        parts += [f"## {table.title}", markdown_table(table.columns, rows), table.caption]
    atomic.write_text(folder / TABLE, "\n\n".join(part for part in parts if part) + "\n")


def notes(found: Measured) -> list[str]:
    """What a reader must know of the division and, where two studies are compared, of both."""
    said = list(found.study.notes)
    nameless = found.study.held.patients.count("")
    if nameless:
        said.append(
            f"the set does not say whose {nameless} of the {len(found.study.held)} images are: "
            "each counts as a patient, and others of that patient may have been learnt from"
        )
    if found.beside is not None:
        mine, other = found.study.config, found.beside.config
        keys = [key for key in mine if mine[key] != other.get(key)]
        if keys:
            said.append(f"the recipe of the in-site study differs in {', '.join(keys)}")
    return said


def _folds_table(study: Study, label: str, measured: LabelStudy) -> Table:
    head = study.left_out or "fold"
    trained = {fold.value: fold for fold in study.folds}
    rows = [
        [name, *_figures(part), trained[name].training.best_epoch]
        for name, part in measured.folds.items()
    ]
    return Table(
        f"{label}, by {head} held out",
        (head, *FIGURES, "best epoch"),
        [*rows, *_last_rows(measured, head)],
        f"Sensitivity and specificity are at the {POINT} threshold that each fold's own validation "
        "part chose. The mean is that of the AUCs above. The last row is of all images, its AUC of "
        f"pairs of one {head} only: each fold has a network of its own, and their probabilities "
        "are not on one scale.",
    )


def _values_table(study: Study, label: str, measured: LabelStudy) -> Table:
    rows = [[name, *_figures(part)] for name, part in measured.values.items()]
    return Table(
        f"{label}, by {study.column}, all of which the networks learnt from",
        (study.column, *FIGURES),
        rows,
        "Probabilities of all folds are pooled; their networks are alike, but not on one scale.",
    )


def _sites_table(study: Study, label: str, found: SiteComparison) -> Table:
    head = study.left_out
    rows = [[name, *_site_figures(row)] for name, row in found.sites.items()]
    rows += [
        ["mean", *_site_figures(found.mean)],
        [f"pairs of one {head}", *_site_figures(found.within)],
    ]
    return Table(
        f"{label}, in-site beside cross-site",
        (head, *SITE_FIGURES),
        rows,
        f"The same images twice: in-site by networks that learnt from other images of this {head} "
        f"too, cross-site by one that never saw it. The difference is cross-site minus in-site, p "
        "is DeLong's. The last rows are the mean of the AUCs above, and the AUC of all pairs of "
        f"one {head}. In-site figures are pooled over the folds.",
    )


def _last_rows(measured: LabelStudy, head: str) -> list[list[Cell]]:
    everything = measured.all_pairs
    counts: list[Cell] = [everything.images, everything.positives]
    rates: list[Cell] = [everything.sensitivity, everything.specificity]
    return [
        ["mean", *counts, measured.mean, None, None, None, None],
        [f"pairs of one {head}", *counts, measured.within, None, *rates, None],
    ]


def _figures(part: PartMeasures) -> list[Cell]:
    return [
        part.images,
        part.positives,
        part.auc,
        part.auc_delong,
        part.sensitivity,
        part.specificity,
    ]


def _site_figures(row: SiteRow) -> list[Cell]:
    return [
        row.images,
        row.positives,
        row.in_site,
        row.cross_site,
        row.difference,
        row.p_value,
    ]


def _plain(cell: Cell) -> str:
    return str(cell) if isinstance(cell, Estimate) else format_cell(cell)


def _summary(found: Measured) -> dict[str, Any]:
    study = found.study
    folds = [
        {
            "value": fold.value,
            "images": fold.images,
            **asdict(fold.training),
            "points": fold.points,
        }
        for fold in study.folds
    ]
    return {
        "dataset": study.dataset,
        "left_out": study.left_out or None,
        "config": study.config,
        "images": len(study.held),
        "notes": notes(found),
        "samples": SAMPLES,
        "folds": folds,
        "labels": {label: asdict(one) for label, one in found.labels.items()},
        "in_site_beside_cross_site": {label: asdict(one) for label, one in found.sites.items()},
        "beside": found.beside.folder.name if found.beside else None,
    }
