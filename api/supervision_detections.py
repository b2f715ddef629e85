"""Reports as `supervision.Detections` (https://supervision.roboflow.com), which draws and tracks.

supervision is no dependency: it is imported only here, and only when it is asked for.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lucency.api.schemas import Report
from lucency.configs.errors import ConfigError

if TYPE_CHECKING:
    import supervision


def to_supervision(
    report: Report, class_names: Sequence[str] | None = None
) -> "supervision.Detections":
    """The findings of a report, best first.

    ``xyxy`` (N, 4) float32 in pixels of the stored image, ``confidence`` (N,) float32 the scores,
    ``class_id`` (N,) places in ``class_names``; ``data`` has ``class_name``, ``model``, ``tier``
    and ``probabilities``, (N, C) float32 in the order of ``class_names``, NaN where the model does
    not know the class.

    ``class_names`` are by default those of the detectors that saw the image, in order: the same
    for all images that the same models saw. Name them where ids of several kinds of radiograph are
    to be compared.

    Raises
    ------
    ConfigError
        supervision is not installed, or a finding has a label that is not in ``class_names``.

    """
    try:
        import supervision as sv
    except ImportError:
        raise ConfigError("supervision is not installed: pip install supervision") from None
    names = tuple(detector_classes(report) if class_names is None else class_names)
    found = report.findings
    missing = sorted({each.label for each in found} - {*names})
    if missing:
        raise ConfigError(f"class_names: '{missing[0]}' is missing, got {list(names)}")
    boxes = [(each.box.x1, each.box.y1, each.box.x2, each.box.y2) for each in found]
    rows = [[each.probabilities.get(name, np.nan) for name in names] for each in found]
    return sv.Detections(
        xyxy=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        confidence=np.array([each.score for each in found], dtype=np.float32),
        class_id=np.array([names.index(each.label) for each in found], dtype=int),
        data={
            "class_name": np.array([each.label for each in found], dtype=np.str_),
            "model": np.array([each.model for each in found], dtype=np.str_),
            "tier": np.array([each.tier for each in found], dtype=np.str_),
            "probabilities": np.array(rows, dtype=np.float32).reshape(len(found), len(names)),
        },
    )


def detector_classes(report: Report) -> tuple[str, ...]:
    """The classes of the detectors that saw the image, each once, in the models' order."""
    classifiers = {each.model for each in report.classifications}
    detectors = (each for each in report.thresholds if each.model not in classifiers)
    return tuple(dict.fromkeys(label for each in detectors for label in each.thresholds))
