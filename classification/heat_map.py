"""Heat map of a class: which parts of a radiograph speak for it, in pixels of the stored image.

It shows what the model reacts to, not whether it is right, and no finer than the last feature map:
a place of a 224-pixel input is one of 7 by 7.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.classification.class_map import METHODS
from lucency.classification.classifier import Classifier, Look
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ConfigError
from lucency.datasets.radiographs import Radiograph
from lucency.evaluation.heat import blend_heat, stored_heat, with_title

DEFAULT_METHOD = "gradcam"


@dataclass(frozen=True)
class ClassExplanation:
    """One class and its heat map.

    ``heat`` (H, W) float32 in pixels of the stored image, from 0 to 1, the hottest pixel 1; all 0
    where nothing speaks for the class. ``threshold`` is that of the operating point ``point``;
    None of a model without. ``calibrated`` says whether ``probability`` is.
    """

    heat: NDArray[np.float32]
    label: str
    probability: float
    calibrated: bool
    threshold: float | None = None
    point: str = ""


def explain(
    classifier: Classifier,
    radiograph: Radiograph,
    label: str | None = None,
    *,
    method: str = DEFAULT_METHOD,
) -> ClassExplanation:
    """Explain one class of a bundle's classifier, without label the most probable one.

    ``method`` is a key of `METHODS`.

    Raises
    ------
    ConfigError
        The classifier knows no such label.
    ImageError
        The radiograph cannot be displayed.

    """
    look = classifier.look(radiograph)
    probabilities = classifier.calibrated(look.raw)
    manifest = classifier.manifest
    index = class_index(manifest.class_names, probabilities, label)
    name, point = manifest.class_names[index], manifest.default_operating_point
    return ClassExplanation(
        heat=look_heat(look, index, radiograph, method=method),
        label=name,
        probability=float(probabilities[index]),
        calibrated=bool(manifest.calibration),
        threshold=manifest.operating_points[point][name],
        point=point,
    )


def look_heat(
    look: Look, index: int, radiograph: Radiograph, *, method: str = DEFAULT_METHOD
) -> NDArray[np.float32]:
    """The heat (H, W) of class ``index`` in pixels of the stored image, from 0 to 1."""
    return stored_heat(
        METHODS[method](look.maps, look.gradients[index]), look.displayed, radiograph
    )


def class_index(
    class_names: Sequence[str], probabilities: NDArray[np.float32], label: str | None
) -> int:
    """Which class a label means; without one the most probable.

    Raises
    ------
    ConfigError
        There is no such label.

    """
    if label is None:
        return int(np.argmax(probabilities))
    if label not in class_names:
        raise ConfigError(
            f"label '{label}': the model does not know it; name one of: {', '.join(class_names)}"
        )
    return list(class_names).index(label)


def draw_explanation(
    radiograph: Radiograph, found: ClassExplanation, spec: DisplaySpec
) -> NDArray[np.uint8]:
    """The heat over the radiograph at its stored size, below a title: (H + title, W, 3) RGB."""
    lines = [f"{found.label} {found.probability:.3f}{'' if found.calibrated else ' (raw)'}"]
    if found.threshold is not None:
        lines.append(f"threshold of '{found.point}' {found.threshold:.3f}")
    return with_title(blend_heat(radiograph, found.heat, spec), lines)
