"""The tables of a classifier's evaluation, as the page and the terminal show them."""

from collections.abc import Sequence

from lucency.classification.evaluate import Evaluation
from lucency.classification.measurement import Measured
from lucency.evaluation.classification_measures import ClassificationMeasures
from lucency.evaluation.classification_subgroups import ClassificationSubgroup
from lucency.evaluation.report import Cell, Table, p_value_cell
from lucency.evaluation.subgroups import SMALLEST

# Of more labels the headline shows the mean AUC and the AUC of each alone.
FEW_LABELS = 2
_MOST_AUCS = 7


def basis_line(found: ClassificationMeasures) -> str:
    """What every figure of a page stands on: images, positives, patients, intervals."""
    some = [f"{name} {one.positives} yes, {one.negatives} no" for name, one in found.labels.items()]
    told = ", ".join(some) if len(some) <= FEW_LABELS else f"{len(some)} labels"
    if found.confusion is not None:
        counts = ", ".join(f"{one.positives} {name}" for name, one in found.labels.items())
        told = counts if len(some) <= _MOST_AUCS else told
    parts = [
        f"{found.images} images: {told}",
        _patients(found),
    ]
    if found.samples:
        drawn = "patients" if found.patients_known else "images"
        parts.append(f"95% intervals of {found.samples:,} samples of {drawn}")
    return "; ".join(parts) + "."


def _patients(found: ClassificationMeasures) -> str:
    if not found.patients_known:
        return "patients unknown"
    unknown = found.images_without_patient
    own = f", {unknown} of them images whose patient is unknown" if unknown else ""
    return f"{found.patients} patients{own}"


def headline(measured: Measured) -> dict[str, Cell]:
    """The figures to see first; rates at the chief operating point."""
    found, point = measured.measures, measured.chief_point
    several = len(found.labels) > 1
    chief: dict[str, Cell] = {}
    if found.accuracy is not None:
        chief["accuracy"] = found.accuracy
    if several:
        chief["AUC, mean of the labels"] = found.mean_auc
    for name, label in list(found.labels.items())[:_MOST_AUCS]:
        of = f", {name}" if several else ""
        chief[f"AUC{of}"] = label.auc
        if len(found.labels) > FEW_LABELS or found.accuracy is not None:
            continue
        rates = label.points[point]
        if not several:
            chief["average precision"] = label.average_precision
        chief[f"sensitivity{of} ({point})"] = rates.sensitivity
        chief[f"specificity{of} ({point})"] = rates.specificity
        if not several:
            chief[f"PPV ({point})"] = rates.ppv
            chief[f"NPV ({point})"] = rates.npv
            chief[f"accuracy ({point})"] = rates.accuracy
            chief[f"F1 ({point})"] = rates.f1
    return chief


def auc_table(found: ClassificationMeasures) -> Table:
    """AUC with both intervals, and average precision."""
    rows: list[tuple[Cell, ...]] = [
        (n, one.positives, one.negatives, one.auc, one.auc_delong, one.average_precision)
        for n, one in found.labels.items()
    ]
    if len(rows) > 1:
        rows.append(("mean of the labels", None, None, found.mean_auc, None, None))
    return Table(
        "Area under the ROC curve",
        ("label", "positive", "negative", "AUC", "AUC by DeLong", "average precision"),
        rows,
        "The first interval is of samples of patients, the second DeLong's (1988), which takes "
        "every image for a patient of its own. Average precision, the area under the steps of "
        "precision and recall, depends on the share of positives: that is what chance reaches.",
    )


def points_table(found: ClassificationMeasures, points: Sequence[str]) -> Table:
    """Rates of each label at these operating points."""
    names = ("sensitivity", "specificity", "PPV", "NPV", "accuracy", "F1")
    return Table(
        "Rates at the operating points",
        ("operating point", "label", "threshold", *names),
        [
            (
                point,
                name,
                rates.threshold,
                rates.sensitivity,
                rates.specificity,
                rates.ppv,
                rates.npv,
                rates.accuracy,
                rates.f1,
            )
            for name, label in found.labels.items()
            for point, rates in label.points.items()
            if point in points
        ],
        "Called positive is an image whose probability reaches the threshold. PPV, NPV, accuracy "
        "and F1 hold for this share of positives only.",
    )


def counts_table(found: ClassificationMeasures) -> Table:
    """Images of each label at the operating points."""
    counts = ("rightly positive", "missed", "false alarms", "rightly negative")
    return Table(
        "Images at the operating points",
        ("operating point", "label", *counts),
        [
            (point, name, rates.tp, rates.fn, rates.fp, rates.tn)
            for name, label in found.labels.items()
            for point, rates in label.points.items()
        ],
    )


def confusion_table(found: ClassificationMeasures) -> Table | None:
    """Of labels that exclude each other how each was called; None of others."""
    if found.confusion is None:
        return None
    names = list(found.labels)
    return Table(
        "Confusion matrix",
        ("is, called", *names),
        [(name, *row) for name, row in zip(names, found.confusion.tolist(), strict=True)],
        "Images; each is called what is most probable.",
    )


def calibration_table(found: Evaluation) -> Table:
    """Calibration error before and after."""
    rows: list[tuple[Cell, ...]] = []
    for name, effect in found.calibration.items():
        before = (effect.before.ece, effect.ece_equal_mass_before, effect.before.brier)
        after = (effect.after.ece, effect.ece_equal_mass_after, effect.after.brier)
        share = effect.after.base_rate
        if found.is_calibrated:
            rows.append((name, "before", share, *before))
        rows.append((name, "after" if found.is_calibrated else "as they are", share, *after))
    return Table(
        "Calibration error",
        ("label", "calibration", "share", "ECE", "ECE, equal bins", "Brier score"),
        rows,
        "Whether a probability of 0.8 is right in 8 of 10 images. ECE: mean distance between "
        "probability and share of positives over ten bins of equal width, or of equally many "
        "images; Brier: mean squared error. Calibration holds for the share of positives that it "
        "was fitted at.",
    )


def subgroups_table(groups: Sequence[ClassificationSubgroup], point: str) -> Table:
    """The chief figures in each subgroup; of many labels, or exclusive ones, of all at once."""
    told = (
        "An AUC that is high in all images together and low in each group tells that the model "
        f"knows the groups apart. Groups of fewer than {SMALLEST} images are counted and not "
        "measured; of many groups one looks bad by chance."
    )
    exclusive = any(group.measures and group.measures.accuracy for group in groups)
    if exclusive or any(len(group.positives) > FEW_LABELS for group in groups):
        columns: tuple[str, ...] = ("group", "images", "AUC, mean", "accuracy")
        rows: list[tuple[Cell, ...]] = []
        for group in groups:
            measures = group.measures
            figures = (measures.mean_auc, measures.accuracy) if measures else (None, None)
            rows.append((_group_name(group), group.images, *figures))
        if not exclusive:
            columns, rows = columns[:-1], [row[:-1] for row in rows]
        caption = f"Of each label in each group metrics.json tells. {told}"
        return Table("Figures by subgroup", columns, rows, caption)
    figures_of_one = ("positive", "negative", "AUC", "sensitivity", "specificity", "PPV")
    return Table(
        "Figures by subgroup",
        ("group", "label", *figures_of_one),
        [_group_row(group, label, point) for group in groups for label in group.positives],
        f"Rates at '{point}'. {told}",
    )


def _group_name(group: ClassificationSubgroup) -> str:
    """The break shows in the terminal, where intervals take a second line as well."""
    return f"{group.column.replace('_', ' ')}:\n{group.value}"


def _group_row(group: ClassificationSubgroup, label: str, point: str) -> tuple[Cell, ...]:
    counts = (_group_name(group), label, group.positives[label], group.negatives[label])
    if group.measures is None:
        return (*counts, None, None, None, None)
    found = group.measures.labels[label]
    rates = found.points[point]
    return (*counts, found.auc, rates.sensitivity, rates.specificity, rates.ppv)


def comparison_table(found: Evaluation) -> Table | None:
    """The second model against the first; None where there is none."""
    compared = found.compared
    if compared is None:
        return None
    first, second = found.measured.model.name, compared.model.name
    labels = compared.split.labels
    return Table(
        f"{second} against {first}",
        ("figure", first, second, "difference", "p"),
        [
            (
                _figure_name(one.name, labels),
                one.first,
                one.second,
                one.difference,
                p_value_cell(one.p_value),
            )
            for one in compared.differences
            # Of a single label it repeats that one's AUC.
            if one.name != "mean_auc" or len(labels) > 1
        ],
        "Second minus first, on the same samples of patients (paired bootstrap), and AUC by "
        "DeLong's test, which takes every image for a patient of its own; p is two-sided for no "
        "difference, not corrected for the number of figures. Thresholds of "
        f"{second}: {compared.thresholds.origin}.",
    )


def _figure_name(name: str, labels: Sequence[str]) -> str:
    """``sensitivity_balanced_tb`` as people read it; a single label is not named."""
    if name == "mean_auc":
        return "AUC, mean"
    # The longest, since one label may end as another does.
    label = max((one for one in labels if name.endswith(f"_{one}")), key=len)
    what, _, point = name.removesuffix(f"_{label}").partition("_")
    shown = {"auc": "AUC"}.get(what, what)
    if point:
        shown += " by DeLong" if point == "delong" else f" ({point})"
    return f"{shown}, {label}" if len(labels) > 1 else shown
