"""An embedding map: what a classifier makes of each image, brought down to two dimensions.

What a network has learnt lies in its pooled features, the mean of the attended feature maps over
all places. Images that it takes for alike have features alike, so a map of them shows what it
tells apart: the disease, or the hospital.

Sources: van der Maaten and Hinton, "Visualizing data using t-SNE" (JMLR 2008); McInnes et al.,
"UMAP: uniform manifold approximation and projection" (arXiv:1802.03426).
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import DATASET_CSV, Dataset, ImageRecord
from lucency.classification.classifier import Classifier
from lucency.configs.errors import ConfigError, DatasetError
from lucency.datasets.display import reduce_to
from lucency.datasets.parallel import in_order
from lucency.datasets.radiographs import Radiograph, read_radiograph

METHODS = ("tsne", "umap")
LEAST_IMAGES, MOST_IMAGES = 3, 5000
# The usual values of both methods; of few images a part of them.
PERPLEXITY, NEIGHBOURS = 30.0, 15
# Both methods look at distances alone, which so many components keep nearly as they are.
_COMPONENTS = 50
# UMAP's spectral start needs more images than dimensions to look for.
_LEAST_FOR_SPECTRAL = 10

Place = Callable[[NDArray[np.float32], int], NDArray[np.float32]]


@dataclass(frozen=True)
class Embedding:
    """Images as a classifier sees them.

    ``features`` (N, K) pooled, ``probabilities`` (N, C) calibrated, ``thumbnails`` grey uint8 of
    N images, ``places`` by method (N, 2); ``left_out`` counts the split's further images.
    """

    split: str
    records: tuple[ImageRecord, ...]
    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    thumbnails: tuple[NDArray[np.uint8], ...]
    places: Mapping[str, NDArray[np.float32]]
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.records)


def check_method(method: str) -> None:
    """Raise `ConfigError` where the library of a method is not installed."""
    if method == "umap" and find_spec("umap") is None:
        raise ConfigError(
            "--method umap: umap-learn is not installed; "
            'pip install "lucency[train]", or take --method tsne'
        )


def chosen_images(
    dataset: Dataset, split: str, *, seed: int = 0, most: int = MOST_IMAGES
) -> tuple[ImageRecord, ...]:
    """The images of a split in the table's order, at random ``most`` of them where there are more.

    Raises
    ------
    DatasetError
        The split has too few images for a map.

    """
    records = dataset.in_split(split)
    if len(records) < LEAST_IMAGES:
        there = sorted({record.split for record in dataset.records})
        raise DatasetError(
            f"{dataset.root / DATASET_CSV}: split '{split}' has {len(records)} images, and a map "
            f"needs {LEAST_IMAGES}; the splits are: {', '.join(there) or 'none'}"
        )
    if len(records) <= most:
        return records
    rows = np.random.default_rng(seed).choice(len(records), most, replace=False)
    return tuple(records[row] for row in np.sort(rows))


def embed(
    classifier: Classifier,
    dataset: Dataset,
    split: str,
    *,
    methods: Sequence[str] = METHODS,
    seed: int = 0,
    on_image: Callable[[int, int], None] | None = None,
    on_method: Callable[[str], None] | None = None,
) -> Embedding:
    """Classify the images of a split and place them; the same seed gives the same map.

    ``on_image`` is told how many of how many images are done, ``on_method`` what begins then.

    Raises
    ------
    ConfigError
        The library of a method is not installed.
    DatasetError
        The split has too few images for a map.
    ImageError
        An image cannot be read.

    """
    for method in methods:
        check_method(method)
    records = chosen_images(dataset, split, seed=seed)
    side = thumbnail_side(len(records))

    def read(record: ImageRecord) -> Radiograph:
        return read_radiograph(dataset.image_path(record))

    features, probabilities, thumbnails = [], [], []
    for done, radiograph in enumerate(in_order(read, records), start=1):
        look = classifier.look(radiograph)
        features.append(look.maps.mean(axis=(1, 2)))
        probabilities.append(classifier.calibrated(look.raw))
        thumbnails.append(reduce_to(look.displayed.image, longest_side=side))
        if on_image is not None:
            on_image(done, len(records))
    pooled = np.array(features, dtype=np.float32)
    places = {}
    for method in methods:
        if on_method is not None:
            on_method(method)
        places[method] = place(pooled, method=method, seed=seed)
    return Embedding(
        split=split,
        records=records,
        features=pooled,
        probabilities=np.array(probabilities, dtype=np.float32),
        thumbnails=tuple(thumbnails),
        places=places,
        left_out=len(dataset.in_split(split)) - len(records),
    )


def place(features: NDArray[np.float32], *, method: str, seed: int = 0) -> NDArray[np.float32]:
    """Two dimensions (N, 2) of features (N, K), of at least three images.

    Distances between groups that lie apart, and the sizes of groups, mean little in either map.
    """
    function = {"tsne": _tsne, "umap": _umap}[method]
    with warnings.catch_warnings():
        # What they warn of is their own doing: old interfaces, optional libraries, few images.
        warnings.simplefilter("ignore")
        return np.asarray(function(_components(features, seed), seed), dtype=np.float32)


def thumbnail_side(images: int) -> int:
    """The longest side of a thumbnail in pixels: smaller where a page has to hold many."""
    return next((side for most, side in ((500, 256), (1500, 160)) if images <= most), 112)


def _components(features: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """The first principal components; features of one value alone stay as they are."""
    from sklearn.decomposition import PCA

    if min(features.shape) <= _COMPONENTS:
        return features
    return np.asarray(PCA(_COMPONENTS, random_state=seed).fit_transform(features), np.float32)


def _tsne(features: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE

    # The start divides by the spread along the first component.
    start = "pca" if np.ptp(features, axis=0).any() else "random"
    perplexity = max(1.0, min(PERPLEXITY, (len(features) - 1) / 3))
    placed = TSNE(perplexity=perplexity, init=start, random_state=seed).fit_transform(features)
    return np.asarray(placed, dtype=np.float32)


def _umap(features: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    from umap import UMAP

    count = len(features)
    placed = UMAP(
        n_neighbors=min(NEIGHBOURS, count - 1),
        init="spectral" if count >= _LEAST_FOR_SPECTRAL else "random",
        random_state=seed,
        n_jobs=1,
    ).fit_transform(features)
    return np.asarray(placed, dtype=np.float32)
