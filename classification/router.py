"""Whether an image is a radiograph of the chest, of bones, or anything else.

What a DICOM file says of itself goes first, then the pixels: a small network of our own. Body Part
Examined is wrong in one radiograph of seven (Gueld et al., SPIE 4685, 2002), so the pixels are
always looked at, and `Route.contradicted` tells where they say something else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from lucency.classification.classifier import Classifier
from lucency.configs.bundle import Bundle, BundleManifest
from lucency.configs.errors import BundleError
from lucency.datasets.body_regions import region_of
from lucency.datasets.radiographs import Radiograph

Kind: TypeAlias = Literal["chest", "bone", "other"]
Basis: TypeAlias = Literal["tags", "pixels", "colour"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# A picture with more in colours is no radiograph. Of thirty photographs in colour, two had less
# (of space, and of a retina nearly); of radiographs with a coloured marker none has as much.
MOST_COLOUR = 0.15
# As probable as this, what the pixels say is a contradiction.
SURE = 0.9
# Modalities (PS3.3 C.7.3.1.1.1) whose images are no projection radiographs of chest or bone.
# CR, DX, RG, the old DR, and those that may hold anything (OT, SC, RF, XC) are not among them.
_NO_RADIOGRAPH = (
    "AR BDUS BI BMD CD CFM CT DD DG DM DMS DS ECG EEG EMG EOG EPS ES FS GM HC HD IO IOL IVOCT IVUS",
    "KER LEN LP LS MA MG MR MS NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS PA POS PT PX RESP",
    "RTDOSE RTIMAGE SEG SM SMR SR SRF ST TG US VA XA",
)
# Views of mammography (PS3.3 C.8.11.7 and PS3.16 CID 4014).
_VIEWS_OF_THE_BREAST = frozenset({"CC", "MLO", "XCC", "XCCL", "XCCM", "LMO", "LMC", "SIO"})
# From the most specific on; a text about the series speaks only where no attribute does.
_REGION_TAGS = ("BodyPartExamined", "AnatomicRegionSequence", "ProtocolName", "SeriesDescription")


@dataclass(frozen=True)
class Route:
    """What kind of image it is, and by what that was told.

    ``basis``: ``tags`` of the DICOM file, ``pixels`` by the network, or ``colour``, of which there
    is too much. ``probabilities`` are the network's for every kind, whatever the basis, and
    ``probability`` is that of ``kind``; ``contradicted`` where the network is sure of another kind.
    """

    kind: Kind
    probability: float
    basis: Basis
    probabilities: Mapping[Kind, float]
    contradicted: bool


def route(radiograph: Radiograph, classifier: Classifier) -> Route:
    """Tell what kind of image it is.

    Raises
    ------
    BundleError
        The classifier is no router.
    ImageError
        The image cannot be displayed.

    """
    check_router(classifier.bundle)
    return judge(radiograph, classifier.manifest, classifier.classify(radiograph))


def judge(radiograph: Radiograph, manifest: BundleManifest, values: NDArray[np.float32]) -> Route:
    """Tell what kind of image it is from the calibrated probabilities (C,) of a router."""
    by_name = dict(zip(manifest.class_names, values.tolist(), strict=True))
    probabilities = {kind: by_name[kind] for kind in KINDS}
    seen = _seen(probabilities, manifest)
    told = kind_by_tags(radiograph.tags)
    kind: Kind
    basis: Basis
    if radiograph.colour > MOST_COLOUR:
        kind, basis = "other", "colour"
    elif told is not None:
        kind, basis = told, "tags"
    else:
        kind, basis = seen, "pixels"
    contradicted = seen != kind and probabilities[seen] >= SURE
    return Route(kind, probabilities[kind], basis, probabilities, contradicted)


def _seen(probabilities: Mapping[Kind, float], manifest: BundleManifest) -> Kind:
    """What the pixels show: anything else from its threshold on, or the likelier of the two."""
    if (
        probabilities["other"]
        >= manifest.operating_points[manifest.default_operating_point]["other"]
    ):
        return "other"
    return "chest" if probabilities["chest"] >= probabilities["bone"] else "bone"


def kind_by_tags(tags: Mapping[str, str]) -> Kind | None:
    """What the DICOM attributes say; None where they leave it open or contradict each other."""
    modality = tags.get("Modality", "").upper()
    if (
        modality in " ".join(_NO_RADIOGRAPH).split()
        or tags.get("ViewPosition", "").upper() in _VIEWS_OF_THE_BREAST
    ):
        return "other"
    for tag in _REGION_TAGS:
        region = region_of(tags.get(tag, ""))
        if region is not None:
            return next(kind for kind in KINDS if kind == region)
    return None


def check_router(bundle: Bundle) -> None:
    """Refuse a bundle that is no router; raises `BundleError`."""
    manifest = bundle.manifest
    if manifest.task != "classification" or manifest.role != "router":
        raise BundleError(f"{bundle.path}: is no router: its role is '{manifest.role}'")
    if not manifest.exclusive or set(manifest.class_names) != set(KINDS):
        raise BundleError(
            f"{bundle.path}: a router tells {', '.join(KINDS)} apart, which exclude each other; "
            f"this one has {', '.join(manifest.class_names)}; train it with the recipe 'router'"
        )
