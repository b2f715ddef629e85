"""Class activation maps from what a network's last feature maps and their gradients say.

A bundle's ONNX gives both as outputs (`Classifier.look`), so no PyTorch is needed. The head sees
the mean of each map over its places, so a logit's gradient is the same at all of them: the mean's
gradient divided by their number.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]

# As in the library grad-cam, so that both give the same maps.
_EPSILON = 1e-6


def grad_cam(maps: Map, gradient: Map) -> Map:
    """Grad-CAM (h, w), not negative: ``relu(sum_k gradient_k maps_k)``.

    Parameters
    ----------
    maps
        (K, h, w), the feature maps that the head averages.
    gradient
        (K,), of the class's logit by the mean of each map.

    Notes
    -----
    Selvaraju et al., ICCV 2017, equations 1 and 2; without the factor 1 / (h w), which scales all
    places alike.

    """
    return _weighted(maps, gradient)


def grad_cam_plus_plus(maps: Map, gradient: Map) -> Map:
    """Grad-CAM++ (h, w), not negative; parameters as of `grad_cam`.

    Notes
    -----
    Chattopadhay et al., WACV 2018, equations 10 and 19, where the class's score is the exponential
    of its logit. With the same gradient g at each of n places the weights, too, are the same at
    each, ``g² / (2 g² + g³ sum(map))``, and a map counts ``n relu(g)`` times that.

    """
    places = maps.shape[1] * maps.shape[2]
    slope = np.maximum(gradient / places, 0).astype(np.float32)
    square = slope**2
    share = square / (2 * square + maps.sum(axis=(1, 2)) * square * slope + np.float32(_EPSILON))
    return _weighted(maps, places * slope * share)


# What `lucency explain --method` names.
METHODS: Mapping[str, Callable[[Map, Map], Map]] = MappingProxyType(
    {"gradcam": grad_cam, "gradcam++": grad_cam_plus_plus}
)


def _weighted(maps: Map, weights: Map) -> Map:
    """The weighted sum of the maps (K, h, w), where it is positive."""
    return np.maximum(np.tensordot(weights, maps, axes=1), 0).astype(np.float32)
