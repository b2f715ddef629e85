"""What a caller asks of an analysis: the same for HTTP, files and Python."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lucency.annotations.choices import KindAsked
from lucency.configs.errors import ConfigError

DEFAULT_MAX_FINDINGS = 100
Conf = float | Mapping[str, float] | None


@dataclass(frozen=True)
class Asked:
    """The parameters of an analysis.

    ``operating_point`` None means each bundle's default. ``conf`` replaces thresholds: a number
    those of boxes, for every class; by class those of that class, in every model that knows it.
    ``models`` are the names of those that are asked, None for all; a router is asked in any case.
    ``heatmap`` asks for heat maps of the classifiers. ``max_detections`` is the largest number of
    findings of all detectors together, the best first. ``frame`` counts from 1 and is needed where
    the image has several. ``kind`` says what the image shows; ``auto`` asks the router, if there
    is one, and ``any`` runs all models.
    """

    operating_point: str | None = None
    conf: Conf = None
    models: tuple[str, ...] | None = None
    heatmap: bool = False
    max_detections: int = DEFAULT_MAX_FINDINGS
    frame: int | None = None
    kind: KindAsked = KindAsked.AUTO


def parse_conf(values: Sequence[str]) -> Conf:
    """Thresholds as people write them: ``["0.4"]``, ``["fracture=0.4", "lesion=0.3"]``.

    A value may hold several, separated by commas. None where there is none.

    Raises
    ------
    ConfigError
        One is neither a probability nor a class and a probability, a class is named twice, or a
        number for all stands beside others.

    """
    parts = [part.strip() for value in values for part in value.split(",") if part.strip()]
    if not parts:
        return None
    if len(parts) == 1 and "=" not in parts[0]:
        return _probability(parts[0], parts[0])
    by_class: dict[str, float] = {}
    for part in parts:
        label, equals, number = part.rpartition("=")
        label = label.strip()
        if not equals or not label:
            raise ConfigError(
                f"conf: must be one number for all classes, or class=number for each, got "
                f"{part!r:.60} beside others"
            )
        if label in by_class:
            raise ConfigError(f"conf: the class {label!r:.60} is named twice; name it once")
        by_class[label] = _probability(number, part)
    return by_class


def _probability(text: str, part: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"conf: must be a probability from 0 to 1, got {part!r:.60}")
    return value
