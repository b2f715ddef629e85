"""Phantoms: synthetic radiographs with exact boxes, for demonstrations and tests.

Every patient is drawn from its own random stream, so patient 7 is the same among 10 patients and
among 1,000, and the same seed gives the same pixels. A patient has two or three images of the
same anatomy and the same findings, as in real data: splitting by image would leak.

Phantoms are made to be looked at and learned from; they say nothing about how a model does on
real radiographs.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.findings import Finding
from lucency.configs.errors import ConfigError
from lucency.datasets.phantom_chests import (
    CAVITY,
    CONSOLIDATION,
    NODULE,
    draw_chest_patient,
    expose_chest,
)
from lucency.datasets.phantom_limbs import (
    FRACTURE,
    LYTIC_LESION,
    draw_limb_patient,
    expose_limb,
)
from lucency.datasets.phantom_physics import Exposure

Region: TypeAlias = Literal["limb", "chest"]

TB = "tb"
PNEUMONIA = "pneumonia"
LEAST_SIZE = 64
GREATEST_SIZE = 2048

# Of every eight patients in a row three are healthy; their order is drawn anew for each eight.
_HEALTHY: tuple[tuple[str, ...], ...] = ((), (), ())
_CASES: Mapping[Region, tuple[tuple[str, ...], ...]] = {
    "limb": (*_HEALTHY, *((FRACTURE,),) * 3, *((LYTIC_LESION,),) * 2),
    "chest": (*_HEALTHY, (CAVITY,), (CAVITY, NODULE), (NODULE,), *((CONSOLIDATION,),) * 2),
}
_BOTH = 0.12  # how often a chest with tuberculosis has pneumonia as well
_STREAM: Mapping[Region, int] = {"limb": 1, "chest": 2}


@dataclass(frozen=True, slots=True)
class Phantom:
    """One synthetic radiograph and all that is known of it.

    ``pixels`` (H, W) has 12 bits, bone bright (the sense of MONOCHROME2). ``view`` is DICOM's
    View Position. ``labels`` are image-level: ``tb`` and ``pneumonia`` of chests, ``fracture``
    and ``lytic_lesion`` of limbs. ``spacing_mm`` is the size of a pixel at the detector.
    """

    image_id: str
    patient_id: str
    view: str
    region: Region
    pixels: NDArray[np.uint16]
    findings: tuple[Finding, ...]
    labels: Mapping[str, bool]
    body_part: str = ""
    laterality: str = ""
    spacing_mm: float = 1.0


@dataclass(frozen=True, slots=True)
class PhantomSpec:
    """What to make: ``patients`` of a region with square images of ``size`` px.

    Raises
    ------
    ConfigError
        A value is out of range.

    """

    region: Region
    patients: int
    seed: int = 0
    size: int = 320

    def __post_init__(self) -> None:
        if self.region not in _STREAM:
            raise ConfigError(f"phantoms: region: must be 'limb' or 'chest', got {self.region!r}")
        if self.patients < 1:
            raise ConfigError(f"phantoms: patients: must be at least 1, got {self.patients}")
        if self.seed < 0:
            raise ConfigError(f"phantoms: seed: must be 0 or more, got {self.seed}")
        if not LEAST_SIZE <= self.size <= GREATEST_SIZE:
            raise ConfigError(
                f"phantoms: size: must be {LEAST_SIZE} to {GREATEST_SIZE} px, got {self.size}"
            )


def make_limbs(patients: int, *, seed: int, size: int = 320) -> Iterator[Phantom]:
    """Arms, hands and legs with fractures and lytic lesions, two or three images a patient."""
    return make_phantoms(PhantomSpec("limb", patients, seed, size))


def make_chests(patients: int, *, seed: int, size: int = 320) -> Iterator[Phantom]:
    """Chests with cavities, nodules and consolidations, two or three images a patient."""
    return make_phantoms(PhantomSpec("chest", patients, seed, size))


def make_phantoms(spec: PhantomSpec, *, lesions: bool = True) -> Iterator[Phantom]:
    """All images of the patients in order; without ``lesions`` the same ones as if healthy."""
    for patient in range(spec.patients):
        yield from _images(spec, patient, lesions=lesions)


def _images(spec: PhantomSpec, patient: int, *, lesions: bool) -> Iterator[Phantom]:
    stream = [spec.seed, patient, _STREAM[spec.region]]
    rng = np.random.default_rng(stream)
    expose = _patient(spec, _case(spec, patient), rng=rng, lesions=lesions)
    patient_id = f"{spec.region}-{spec.seed}-{patient:04d}"
    for number in range(int(rng.integers(2, 4))):
        shot = expose(number=number, rng=np.random.default_rng([*stream, number]))
        yield Phantom(
            image_id=f"{patient_id}-{number + 1}",
            patient_id=patient_id,
            view=shot.view,
            region=spec.region,
            pixels=shot.pixels,
            findings=shot.findings,
            labels=_labels(spec.region, {finding.label for finding in shot.findings}),
            body_part=shot.body_part,
            laterality=shot.laterality,
            spacing_mm=shot.spacing_mm,
        )


def _patient(
    spec: PhantomSpec, case: tuple[str, ...], *, rng: np.random.Generator, lesions: bool
) -> Callable[..., Exposure]:
    """Draw a patient; what comes back exposes image ``number`` with a stream ``rng`` of its own."""
    if spec.region == "limb":
        limb = draw_limb_patient(rng, findings=case)
        return partial(expose_limb, limb, size=spec.size, lesions=lesions)
    if {CAVITY, NODULE} & set(case) and rng.random() < _BOTH:
        case = (*case, CONSOLIDATION)
    chest = draw_chest_patient(rng, findings=case)
    return partial(expose_chest, chest, size=spec.size, lesions=lesions)


def _case(spec: PhantomSpec, patient: int) -> tuple[str, ...]:
    """What the patient has: every eight patients share out the same eight cases."""
    cases = _CASES[spec.region]
    block = np.random.default_rng([spec.seed, patient // len(cases), _STREAM[spec.region], 0])
    return cases[int(block.permutation(len(cases))[patient % len(cases)])]


def _labels(region: Region, found: set[str]) -> dict[str, bool]:
    if region == "limb":
        return {label: label in found for label in (FRACTURE, LYTIC_LESION)}
    return {TB: bool({CAVITY, NODULE} & found), PNEUMONIA: CONSOLIDATION in found}
