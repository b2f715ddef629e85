"""Which thresholds hold for a model: those of an operating point, or the caller's own."""

from collections.abc import Mapping, Sequence

from lucency.api.asking import Asked, Conf
from lucency.api.schemas import AppliedThresholds
from lucency.configs.bundle import BundleManifest
from lucency.configs.errors import ConfigError

# Reaching the threshold of its class at this point makes a box sure.
SURE_POINT = "specific"


def applied_thresholds(
    manifests: Sequence[BundleManifest], *, model: str, asked: Asked
) -> AppliedThresholds:
    """The thresholds of one model: those of an operating point, ``conf`` in their place.

    Several ``manifests`` of the same classes are an ensemble: its thresholds are their means.
    A ``conf`` that is a number replaces those of boxes, one by class those of that class.

    Raises
    ------
    ConfigError
        A bundle has no such point, even where ``conf`` replaces it, or ``conf`` is outside 0..1.

    """
    first = manifests[0]
    point = asked.operating_point or first.default_operating_point
    for manifest in manifests:
        if point not in manifest.operating_points:
            known = ", ".join(manifest.operating_points)
            raise ConfigError(
                f"operating_point: the model '{manifest.name}' has none named '{point:.64}'; "
                f"it has: {known}"
            )
    thresholds = _means(manifests, point)
    replaced = _replaced(asked.conf, first)
    return AppliedThresholds(
        model=model,
        operating_point=None if replaced else point,
        thresholds=thresholds | replaced,
    )


def sure_thresholds(manifests: Sequence[BundleManifest]) -> Mapping[str, float]:
    """From which score a box of each class is sure; empty if a bundle has no `SURE_POINT`."""
    if any(SURE_POINT not in manifest.operating_points for manifest in manifests):
        return {}
    return _means(manifests, SURE_POINT)


def check_classes(conf: Conf, known: Sequence[str]) -> None:
    """Refuse a ``conf`` for classes that no model knows; raises `ConfigError`."""
    if not isinstance(conf, Mapping):
        return
    unknown = [label for label in conf if label not in known]
    if unknown:
        raise ConfigError(
            f"conf: no model that is asked knows the class {unknown[0]!r:.60}; name one of: "
            f"{', '.join(dict.fromkeys(known))}"
        )


def _means(manifests: Sequence[BundleManifest], point: str) -> dict[str, float]:
    points = [manifest.operating_points[point] for manifest in manifests]
    if len(points) == 1:
        return {name: points[0][name] for name in manifests[0].class_names}
    return {name: sum(p[name] for p in points) / len(points) for name in manifests[0].class_names}


def _replaced(conf: Conf, manifest: BundleManifest) -> dict[str, float]:
    """The thresholds that ``conf`` replaces."""
    if conf is None:
        return {}
    if isinstance(conf, Mapping):
        by_class = {name: conf[name] for name in manifest.class_names if name in conf}
    elif manifest.task == "detection":
        by_class = dict.fromkeys(manifest.class_names, conf)
    else:
        by_class = {}
    for value in conf.values() if isinstance(conf, Mapping) else [conf]:
        if not 0.0 <= value <= 1.0:
            raise ConfigError(f"conf: must be a probability from 0 to 1, got {value}")
    return by_class
