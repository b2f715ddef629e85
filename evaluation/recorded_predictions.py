"""What our own evaluation recorded of a file of predictions that it wrote beside its figures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lucency.evaluation.operating_points import OperatingPoints

METRICS = "metrics.json"


def recorded(path: Path, sha256: str) -> dict[str, Any]:
    """What the ``metrics.json`` beside a file says of it; empty of another's, or an altered one."""
    try:
        entry = json.loads(path.with_name(METRICS).read_bytes())["predictions"][path.name]
        return dict(entry) if entry["sha256"] == sha256 else {}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}


def recorded_thresholds(
    entry: Mapping[str, Any], class_names: Sequence[str]
) -> dict[str, dict[str, float]] | None:
    """The operating points of such an entry; None if they are not of these classes."""
    try:
        points = OperatingPoints(**entry["thresholds"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return points.to_manifest() if set(points.balanced) == set(class_names) else None
