"""What a fusion did, told to people: a section of the model card, JSON, and a page."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lucency.annotations.records import Dataset
from lucency.api.fusion_effect import Effect
from lucency.configs.bundle import Bundle, BundleManifest
from lucency.configs.errors import BundleError
from lucency.configs.fusion import FusionSpec
from lucency.evaluation.coco_results import write_results
from lucency.evaluation.comparison import Difference
from lucency.evaluation.estimates import Estimate
from lucency.evaluation.fusion_fit import FOLDS
from lucency.evaluation.plots import score_histogram
from lucency.evaluation.report import (
    EvaluationReport,
    Picture,
    Section,
    Table,
    write_json,
    write_report,
)

COLUMNS = ("figure", "detector alone", "fused", "difference", "p")
FIGURES = {
    "map50": "mAP50",
    "map50_95": "mAP50-95",
    "agnostic_ap50": "AP50, classes taken as one",
    "froc_mean": "FROC, mean sensitivity",
    "image_auc": "image AUC",
}


def fusion_of(manifest: BundleManifest) -> FusionSpec:
    """The fusion of a fused bundle; raises `BundleError` where there is none."""
    if manifest.fusion is None:
        raise BundleError(f"{manifest.name}: is not fused with a classifier")
    return manifest.fusion


def figure_name(difference: Difference) -> str:
    """The figure in words: ``recall_balanced`` as ``recall, balanced``."""
    return FIGURES.get(difference.name, difference.name.replace("_", ", ", 1))


def signed(found: Estimate) -> str:
    """A difference with its sign: ``+0.033 (-0.004 to +0.071)``."""
    if found.value is None:
        return "–"
    if found.low is None or found.high is None:
        return f"{found.value:+.3f}"
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def basis(effect: Effect) -> str:
    """One line on what the figures stand on: images, positives, how the fit was kept apart."""
    truths = effect.evidence.truths
    share = effect.positives / len(truths)
    how = (
        f"each of {FOLDS} folds of patients rescaled with weights fitted to the others"
        if effect.cross_fitted
        else "not used for the fit or the thresholds"
    )
    return (
        f"Split '{effect.split}': {len(truths)} images, {effect.positives} with findings "
        f"({share:.0%}), {how}. A box is right at an IoU of 0.5 or more. 95% intervals and p by a "
        "paired bootstrap over patients."
    )


def verdict(effect: Effect) -> str:
    """What the effect on mAP50 amounts to, in one sentence."""
    (found,) = (one.difference for one in effect.differences if one.name == "map50")
    if found.value is None or found.low is None or found.high is None:
        return f"Whether fusion helps cannot be told from '{effect.split}'."
    change = f"by {signed(found)} on '{effect.split}'"
    if found.low > 0:
        return f"Fusion raises mAP50 {change}."
    if found.high < 0:
        return f"Fusion LOWERS mAP50 {change}: do not use this bundle."
    return f"Fusion changes mAP50 {change}: the interval includes no change at all."


def rows(effect: Effect) -> list[tuple[str, ...]]:
    """The cells of `COLUMNS` as text, one row a figure."""
    return [
        (
            figure_name(one),
            str(one.first),
            str(one.second),
            signed(one.difference),
            "–" if one.p_value is None else f"{one.p_value:.3f}",
        )
        for one in effect.differences
    ]


def fusion_card(card: str, manifest: BundleManifest, effects: Sequence[Effect]) -> str:
    """The detector's card under the new name, with a section on the fusion at its end."""
    spec = fusion_of(manifest)
    heading, _, rest = card.partition("\n")
    if heading.startswith("# "):
        card = f"# {manifest.name}\n{rest}"
    points = "\n".join(
        f"| {point} | {name} | {threshold:.3f} |"
        for point, thresholds in manifest.operating_points.items()
        for name, threshold in thresholds.items()
    )
    tables = "\n\n".join(
        f"{verdict(effect)}\n\n{_markdown(rows(effect))}\n\n{basis(effect)}" for effect in effects
    )
    return f"""{card.rstrip()}

## Fused with a classifier

All above this section is of the detector alone; the thresholds above do not hold any more. A box
of score s in an image that the classifier `{spec.classifier}` gives the probability q of
`{spec.label}` scores

sigmoid({spec.box_weight:.3f} · logit(s) + {spec.image_weight:.3f} · logit(q) {spec.intercept:+.3f})

The bundle answers only together with that classifier, whose model has the SHA-256
`{spec.classifier_sha256}`.
An answer says so where the two disagree: q of {spec.image_high:.3f} or more and no box, or q below
{spec.image_low:.3f} and a box.

{tables}

| operating point | class | threshold |
|---|---|---|
{points}
"""


def write_fusion_report(
    bundle: Bundle, effects: Sequence[Effect], folder: Path, *, dataset: Dataset
) -> None:
    """Write ``report.html``, ``metrics.json`` and the fused predictions as COCO results."""
    manifest = bundle.manifest
    files: dict[str, Mapping[str, Any]] = {}
    for effect in effects:
        path = folder / f"predictions_{effect.split}.json"
        write_results(effect.fused, path, dataset=dataset)
        files[path.name] = {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "model": manifest.name,
            "trained_on": manifest.training_data.get("name", ""),
            "data_sha256": manifest.training_data.get("sha256", ""),
            # `lucency evaluate` takes them for what they are: chosen elsewhere, or not at all.
            "thresholds": None if effect.cross_fitted else manifest.operating_points,
        }
    values = {
        "bundle": manifest.name,
        "model_sha256": bundle.digest,
        "dataset": dataset.root.resolve().name,
        "fusion": fusion_of(manifest).model_dump(),
        "operating_points": manifest.operating_points,
        "effects": {effect.split: _effect_json(effect) for effect in effects},
        "predictions": files,
    }
    write_json(values, folder / "metrics.json")
    write_report(_page(bundle, effects, dataset), folder / "report.html")


def _effect_json(effect: Effect) -> dict[str, Any]:
    return {
        "images": len(effect.evidence.truths),
        "positive_images": effect.positives,
        "cross_fitted": effect.cross_fitted,
        "match_rule": "same class, IoU >= 0.5",
        "figures": {
            one.name: {
                "alone": one.first,
                "fused": one.second,
                "difference": one.difference,
                "p_value": one.p_value,
            }
            for one in effect.differences
        },
    }


def _page(bundle: Bundle, effects: Sequence[Effect], dataset: Dataset) -> EvaluationReport:
    manifest = bundle.manifest
    spec = fusion_of(manifest)
    sections = []
    for effect in effects:
        truths = effect.evidence.truths
        probability = np.array([effect.evidence.images[truth.image] for truth in truths])
        positive = np.array([len(truth.class_ids) > 0 for truth in truths])
        picture = score_histogram(
            probability[positive],
            probability[~positive],
            names=("images with findings", "images without"),
            thresholds={"image_low": spec.image_low, "image_high": spec.image_high},
        )
        sections.append(
            Section(
                title=f"Effect on '{effect.split}'",
                text=f"{verdict(effect)} {basis(effect)}",
                figures=[
                    Picture(
                        title=f"What {spec.classifier} says of the images",
                        image=picture,
                        caption=f"Probability of {spec.label}. Right of image_high without a box, "
                        "and left of image_low with one, the two disagree.",
                    )
                ],
                tables=[Table("Without and with fusion", COLUMNS, rows(effect))],
            )
        )
    return EvaluationReport(
        title=f"Fusion: {manifest.name}",
        subtitle=f"Box scores rescaled by {spec.classifier}'s probability of {spec.label}",
        facts={
            "data set": dataset.root.resolve().name,
            "model": f"{manifest.name} {bundle.digest[:12]}",
            "classifier": f"{spec.classifier} {spec.classifier_sha256[:12]}",
            "score": f"sigmoid({spec.box_weight:.3f} logit(s) + {spec.image_weight:.3f} logit(q) "
            f"{spec.intercept:+.3f})",
        },
        headline={
            f"change of {figure_name(one)}, {effect.split}": one.difference
            for effect in effects
            for one in effect.differences
            if one.name in ("map50", "froc_mean")
        },
        sections=sections,
    )


def _markdown(cells: Sequence[Sequence[str]]) -> str:
    lines = [COLUMNS, ["---"] * len(COLUMNS), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
