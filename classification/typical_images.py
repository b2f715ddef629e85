"""Whether an image is like those that a classifier has learnt from, by its last feature maps.

The pooled features of training images, the mean of each map over all places, lie near a subspace
of few dimensions: what the network makes of a chest varies in few ways. The length of what lies
outside that subspace is an image's distance; above the limit, it is unlike what was learnt from.
Serving needs NumPy alone, and two products of a small matrix with a vector.

Sources: the residual of Wang et al., "ViM: out-of-distribution with virtual-logit matching"
(CVPR 2022), without its logits, which tell little of one or two classes; the limit by split
conformal prediction, as in Bates et al., "Testing for outliers with conformal p-values" (Annals of
Statistics 2023). ``benchmarks/typical_images.py`` holds it against other methods.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.configs.bundle import MANIFEST, TYPICAL, Bundle
from lucency.configs.errors import BundleError

# From 32 to 256 directions the figures are the same within their noise.
DIRECTIONS = 64
# A flag on every twentieth ordinary image costs a second look; one on every hundredth would mean
# 41% in place of 68% of the adults without tuberculosis that are shown to a model of children.
FALSE_SHARE = 0.05
# Fewer training images span no subspace worth the name.
LEAST_TRAINING = 20


@dataclass(frozen=True)
class TypicalImages:
    """What the images that a classifier has learnt from have in common.

    ``mean`` (K,) of their pooled features, ``directions`` (D, K) orthonormal, in which they vary
    most, both float32. An image whose distance is above ``limit`` is unlike them.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    limit: float


def pooled(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features (K,) of an image: the mean over all places of its last feature maps (K, h, w)."""
    return np.asarray(maps.mean(axis=(1, 2), dtype=np.float32))


def distance_of(typical: TypicalImages, maps: NDArray[np.float32]) -> float:
    """How far an image lies from those learnt from, by its last feature ``maps`` (K, h, w)."""
    return float(distances(typical, pooled(maps)[None])[0])


def is_typical(typical: TypicalImages, distance: float) -> bool:
    """Whether an image of this distance is like those learnt from; one that is no number is not."""
    return distance <= typical.limit


def distances(typical: TypicalImages, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) the distances of images with pooled ``features`` (N, K)."""
    off = features - typical.mean
    outside = off - (off @ typical.directions.T) @ typical.directions
    return np.asarray(np.linalg.norm(outside, axis=1), dtype=np.float32)


def fit_typical(
    training: NDArray[np.float32],
    validation: NDArray[np.float32],
    *,
    most_directions: int = DIRECTIONS,
    false_share: float = FALSE_SHARE,
) -> TypicalImages | None:
    """Fit the subspace to ``training`` (N, K) features, the limit to ``validation`` (M, K) ones.

    Of training images alone the limit would be too low: the network has fitted itself to them.
    The limit is the distance of rank ``ceil((M + 1) (1 - false_share))`` among the validation
    images: a further image like them lies above it with a probability of ``false_share`` at most.
    None where there are too few images of either kind for that, or where they do not vary.
    """
    count, width = training.shape
    rank = math.ceil((len(validation) + 1) * (1 - false_share))
    directions = min(most_directions, (count - 1) // 2, width // 2)
    if count < LEAST_TRAINING or rank > len(validation) or directions < 1:
        return None
    mean = training.mean(axis=0, dtype=np.float64)
    # The directions of most variance are the first right singular vectors.
    basis = np.linalg.svd(training.astype(np.float64) - mean, full_matrices=False)[2][:directions]
    found = TypicalImages(mean.astype(np.float32), basis.astype(np.float32), limit=math.inf)
    limit = float(np.sort(distances(found, validation))[rank - 1])
    if not 0 < limit < math.inf:
        return None
    return TypicalImages(found.mean, found.directions, limit)


def typical_bytes(typical: TypicalImages) -> bytes:
    """What a bundle holds as ``typical.npy``: float32 (1 + D, K), the mean above the directions."""
    buffer = io.BytesIO()
    np.save(buffer, np.vstack([typical.mean, typical.directions]), allow_pickle=False)
    return buffer.getvalue()


def read_typical(bundle: Bundle, *, maps: int | None = None) -> TypicalImages | None:
    """What a bundle knows of typical images; None where it tells nothing of them.

    ``maps`` is how many last feature maps its network gives, where that is known.

    Raises
    ------
    BundleError
        Its file is not what the manifest says, or is of another network.

    """
    spec = bundle.manifest.typical
    if spec is None:
        return None
    where = bundle.path / TYPICAL
    try:
        values = np.load(io.BytesIO(bundle.typical), allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError):
        raise BundleError(
            f"{where}: is not an array of NumPy; export the bundle again, or take `typical` out "
            f"of {MANIFEST}"
        ) from None
    if not isinstance(values, np.ndarray) or values.dtype != np.float32 or values.ndim != 2:
        raise BundleError(f"{where}: must be a table of float32; export the bundle again")
    if len(values) < 2 or not np.isfinite(values).all():
        raise BundleError(
            f"{where}: must be a mean and directions of finite numbers, got {len(values)} rows; "
            "export the bundle again"
        )
    if maps is not None and values.shape[1] != maps:
        raise BundleError(
            f"{where}: tells of {values.shape[1]} feature maps, and the network has {maps}; export "
            "the bundle again"
        )
    return TypicalImages(values[0], values[1:], spec.limit)
