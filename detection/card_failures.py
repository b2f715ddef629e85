"""The part of a model card that tells where the model fails."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from lucency.detection.measurement import CHIEF_POINT
from lucency.detection.validation import Validation
from lucency.evaluation.detection_measures import ALL_CLASSES
from lucency.evaluation.error_types import FALSE_ALARMS, MISSES
from lucency.evaluation.markdown import markdown_picture, markdown_table
from lucency.evaluation.subgroups import FINDING_SIZE, SubgroupMeasures

# Subgroups whose recall is so much below that of all are named as failures, if they have so many
# findings.
_NOTABLY, _FEWEST = 0.1, 10
_COLOURS = (
    "Green boxes are findings found, blue the reader's boxes of them, dashed amber findings "
    "missed, red false alarms."
)


def known_failures(found: Validation, pictures: Sequence[str]) -> str:
    """The section: what is missed and what is invented, by kind, size and subgroup."""
    counts = found.errors.counts[ALL_CLASSES]
    alarms = {kind: counts[kind] for kind in FALSE_ALARMS}
    misses = {kind: counts[kind] for kind in MISSES}
    lines = [
        f"- {sum(misses.values())} of {found.measures.findings} findings are missed: "
        + ", ".join(f"{count} with {MISSES[kind]}" for kind, count in misses.items() if count),
        f"- {sum(alarms.values())} false alarms: "
        + ", ".join(f"{count} {FALSE_ALARMS[kind]}" for kind, count in alarms.items() if count),
        *_worst(found),
        *(_about(group, found) for group in _weak(found)),
    ]
    picture = markdown_picture("Hits, misses and false alarms", "examples", pictures)
    groups = [
        (one.column, one.value, one.images, one.findings, one.recall, one.false_positives_per_image)
        for one in found.groups
        if not one.too_small
    ]
    header = ("by", "group", "images", "findings", "sensitivity", "false alarms an image")
    return f"""## Known failures

At the point `{CHIEF_POINT}`, on validation images:

{chr(10).join(line.rstrip(": ").rstrip(".") + "." for line in lines)}

{markdown_table(header, groups)}

Small findings span less than 5% of the image's side, large ones 15% or more (the root of the
box's share of the image).

{picture}

{_COLOURS if picture else ""}"""


def _worst(found: Validation) -> Iterable[str]:
    """The largest finding that was missed, and the surest false alarm."""
    table = found.table
    least = np.array([found.points.balanced[name] for name in table.class_names])
    missed = np.flatnonzero(table.truth_score < least[table.truth_class])
    if missed.size:
        worst = missed[np.argmax(table.truth_size[missed])]
        name = table.class_names[table.truth_class[worst]]
        side = table.truth_size[worst]
        yield (
            f"- the largest finding missed is a '{name}' of {side:.0%} of the image's side, in "
            f"`{Path(table.images[table.truth_image[worst]]).name}`"
        )
    wrong = np.flatnonzero(table.prediction_truth < 0)
    if wrong.size:
        worst = wrong[np.argmax(table.prediction_score[wrong])]
        name = table.class_names[table.prediction_class[worst]]
        yield (
            f"- the surest false alarm is a '{name}' with score "
            f"{table.prediction_score[worst]:.2f}, in "
            f"`{Path(table.images[table.prediction_image[worst]]).name}`"
        )


def _weak(found: Validation) -> list[SubgroupMeasures]:
    """Groups whose sensitivity is notably below that of all findings."""
    overall = found.measures.points[CHIEF_POINT][ALL_CLASSES].recall.value
    return [
        one
        for one in found.groups
        if overall is not None
        and one.recall.value is not None
        and one.recall.value <= overall - _NOTABLY
        and one.findings >= _FEWEST
    ]


def _about(group: SubgroupMeasures, found: Validation) -> str:
    overall = found.measures.points[CHIEF_POINT][ALL_CLASSES].recall
    which = (
        f"{group.value} findings"
        if group.column == FINDING_SIZE
        else f"images with {group.column} '{group.value}'"
    )
    return (
        f"- sensitivity in {which} is {group.recall} on {group.findings} findings, "
        f"against {overall} on all"
    )
