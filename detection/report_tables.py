"""The tables of an evaluation, as the page and the terminal show them."""

from collections.abc import Mapping, Sequence

from lucency.detection.evaluate import Evaluation
from lucency.evaluation.detection_measures import (
    ALL_CLASSES,
    FROC_FALSE_POSITIVES,
    CaseRates,
    DetectionMeasures,
)
from lucency.evaluation.error_types import FALSE_ALARMS, MISSES, ErrorTypes
from lucency.evaluation.match_rules import MATCH_RULES
from lucency.evaluation.report import ABSENT, Cell, Table, p_value_cell
from lucency.evaluation.subgroups import SMALLEST, SubgroupMeasures

FIGURE_NAMES = {
    "map50": "mAP50",
    "map50_95": "mAP50-95",
    "agnostic_ap50": "AP50, classes as one",
    "froc_mean": "FROC, mean sensitivity",
    "image_auc": "image AUC",
}
RULE_NAMES = {"iou50": "IoU ≥ 0.5", "iou30": "IoU ≥ 0.3", "iou10": "IoU ≥ 0.1", "centre": "centre"}


def basis_line(found: DetectionMeasures) -> str:
    """What every figure of a page stands on: images, positives, patients, rule, intervals."""
    share = ABSENT if found.prevalence is None else f"{found.prevalence:.0%}"
    parts = [
        f"{found.images} images, {found.images - found.negatives} of them ({share}) with "
        f"{found.findings} findings",
        f"{found.patients} patients, {found.positive_patients} positive"
        if found.patients_known
        else "patients unknown",
        f"a hit: {found.rule.sentence}",
    ]
    if found.samples:
        drawn = "patients" if found.patients_known else "images"
        parts.append(f"95% intervals of {found.samples:,} samples of {drawn}")
    return "; ".join(parts) + "."


def headline(found: DetectionMeasures, point: str) -> dict[str, Cell]:
    """The figures to see first; rates at the chief operating point, where there is one."""
    chief: dict[str, Cell] = {
        "mAP50": found.map50,
        "mAP50-95": found.map50_95,
        "mAP50, positives only": found.map50_positives,
        "FROC, mean sensitivity": found.froc[ALL_CLASSES].mean,
        "image AUC": found.image_auc,
    }
    if found.patient_level:
        chief["patient AUC"] = found.patient_auc
    if point in found.points:
        rates = found.points[point][ALL_CLASSES]
        chief[f"precision ({point})"] = rates.precision
        chief[f"recall ({point})"] = rates.recall
        chief[f"false alarms an image ({point})"] = rates.false_positives_per_image
    return chief


def precision_table(found: DetectionMeasures) -> Table:
    """Average precision by class, and the means."""
    rows: list[tuple[Cell, ...]] = [
        (name, one.truths, one.predictions, one.ap50, one.ap50_95)
        for name, one in found.classes.items()
    ]
    findings, boxes = (sum(int(str(row[index])) for row in rows) for index in (1, 2))
    if len(rows) > 1:
        rows.append(("mean of the classes", findings, boxes, found.map50, found.map50_95))
        rows.append(("all classes as one", findings, boxes, found.agnostic_ap50, None))
    rows.append(("mean, images with findings alone", findings, None, found.map50_positives, None))
    return Table(
        "Average precision",
        ("class", "findings", "boxes", "AP50", "AP50-95"),
        rows,
        "As COCO defines it, by pycocotools, whatever the match rule: the 100 best boxes of an "
        "image and class.",
    )


def froc_table(found: DetectionMeasures) -> Table:
    """Sensitivity at so many false alarms an image."""
    shares = {0.125: "1/8", 0.25: "1/4", 0.5: "1/2"}
    columns = [shares.get(rate, f"{rate:g}") for rate in FROC_FALSE_POSITIVES]
    return Table(
        "Sensitivity by false alarms an image",
        ("class", *columns, "mean"),
        [
            (name, *(curve.at.get(rate) for rate in FROC_FALSE_POSITIVES), curve.mean)
            for name, curve in found.froc.items()
            if len(found.froc) != 2 or name != ALL_CLASSES
        ],
        "Free-response ROC (van Ginneken et al. 2010): of the findings, the share that is found "
        "when the threshold lets so many false alarms through.",
    )


def points_table(found: DetectionMeasures) -> Table:
    """Findings at each operating point."""
    columns = ("operating point", "class", "threshold", "precision", "recall", "F1")
    return Table(
        "Findings at the operating points",
        (*columns, "false alarms an image", "found", "missed", "false alarms"),
        [
            (
                point,
                name,
                rates.threshold,
                rates.precision,
                rates.recall,
                rates.f1,
                rates.false_positives_per_image,
                rates.tp,
                rates.fn,
                rates.fp,
            )
            for point, by_class in found.points.items()
            for name, rates in by_class.items()
            if len(by_class) != 2 or name != ALL_CLASSES
        ],
    )


def cases_table(rates: Mapping[str, CaseRates], cases: str) -> Table:
    """Images, or patients, at each operating point."""
    counts = ("rightly positive", "missed", "false alarms", "rightly negative")
    return Table(
        f"{cases.capitalize()} at the operating points",
        ("operating point", "sensitivity", "specificity", "PPV", "NPV", *counts),
        [
            (p, r.sensitivity, r.specificity, r.ppv, r.npv, r.tp, r.fn, r.fp, r.tn)
            for p, r in rates.items()
        ],
        f"{cases.capitalize()} with any box at its threshold, wherever it lies, against those "
        "with any finding. PPV and NPV hold for this prevalence only.",
    )


def rules_table(found: DetectionMeasures) -> Table:
    """Recall under each match rule."""
    return Table(
        "Recall by match rule",
        ("operating point", *(RULE_NAMES[name] for name in MATCH_RULES)),
        [
            (point, *(by_rule.get(name) for name in MATCH_RULES))
            for point, by_rule in found.recall_by_rule.items()
        ],
        "All classes, the same thresholds: how many findings are found if less overlap is enough, "
        "or a box's centre in the finding.",
    )


def calibration_table(found: Evaluation) -> Table:
    """Calibration error before and after."""
    rows: list[tuple[Cell, ...]] = []
    for one in found.calibration:
        states = (("before", one.before), ("after", one.after))
        for state, measures in states if one.before is not None else (("as they are", one.after),):
            if measures is not None:
                share = measures.base_rate
                rows.append((one.boxes, state, measures.count, share, measures.ece, measures.brier))
    return Table(
        "Calibration error",
        ("boxes", "calibration", "number", "share of hits", "ECE", "Brier score"),
        rows,
        "Whether a score is the probability of a hit (IoU ≥ 0.5). ECE: mean distance between score "
        "and share of hits over ten bins; Brier: mean squared error. Both are small where "
        "nearly all scores are: compare with the share of hits.",
    )


def errors_table(errors: ErrorTypes) -> Table:
    """What kind of error each false alarm and each miss is."""
    classes = [name for name in errors.counts if len(errors.counts) != 2 or name != ALL_CLASSES]
    kinds = {**FALSE_ALARMS, **MISSES}
    rows: list[tuple[Cell, ...]] = [
        (kind, meaning, *(errors.counts[name][kind] for name in classes))
        for kind, meaning in kinds.items()
    ]
    return Table(
        "Kinds of error",
        ("error", "the box is, or the finding has", *classes),
        rows,
        "By IoU 0.5, whatever the match rule; on a finding means IoU of at least 0.1 "
        "(TIDE, Bolya et al. 2020). The first five are false alarms, the others misses.",
    )


def subgroups_table(groups: Sequence[SubgroupMeasures], point: str) -> Table:
    """The chief figures in each subgroup."""
    columns = ("group", "images", "negatives", "findings", "AP50", "recall")
    return Table(
        "Figures by subgroup",
        (*columns, "false alarms an image", "image AUC"),
        [
            (
                # The break shows in the terminal, where intervals take a second line as well.
                f"{one.column.replace('_', ' ')}:\n{one.value}",
                one.images,
                one.negatives,
                one.findings,
                one.ap50,
                one.recall,
                one.false_positives_per_image,
                one.image_auc,
            )
            for one in groups
        ],
        f"Recall and false alarms at '{point}'. The size of a finding is the square root of its "
        "share of the image: small below 0.05, large from 0.15 on; its false alarms are boxes of "
        f"that size. Groups of fewer than {SMALLEST} images are not measured; of many groups one "
        "looks bad by chance.",
    )


def comparison_table(found: Evaluation) -> Table | None:
    """The second model against the first; None where there is none."""
    compared = found.compared
    if compared is None:
        return None
    rows = [
        (_figure_name(one.name), one.first, one.second, one.difference, p_value_cell(one.p_value))
        for one in compared.differences
        # Of a single class it repeats mAP50.
        if one.name != "agnostic_ap50" or len(found.measured.measures.classes) > 1
    ]
    return Table(
        f"{compared.model.name} against {found.measured.model.name}",
        ("figure", found.measured.model.name, compared.model.name, "difference", "p"),
        rows,
        "Second minus first, on the same samples of patients (paired bootstrap); p is two-sided "
        "for no difference, not corrected for the number of figures. Thresholds of "
        f"{compared.model.name}: {compared.thresholds.origin}.",
    )


def _figure_name(name: str) -> str:
    rate, _, point = name.partition("_")
    return FIGURE_NAMES.get(name) or f"{rate.replace('f1', 'F1')} ({point})"
