"""Which of the loaded models are asked, and which of those an image is for.

Models whose manifest names ``kinds`` see those alone; without a router, or where the caller says
``any``, all models see every image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from lucency.annotations.choices import KindAsked
from lucency.api.finders import Finder
from lucency.api.schemas import LeftOut, RouteTaken
from lucency.classification.classifier import Classifier
from lucency.classification.router import Route
from lucency.configs.bundle import Bundle, BundleManifest, RadiographKind
from lucency.configs.errors import ConfigError, ImageError, ImageFault

_OVERRIDE = "say what it is by kind: chest, bone or any"


@dataclass(frozen=True)
class Chosen:
    """The models that are for an image, and those that are not; of an ensemble all or none."""

    route: RouteTaken | None
    finders: tuple[Finder, ...]
    classifiers: tuple[Classifier, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What answers: each detector or their ensemble, then each classifier."""
        return (
            *(finder.name for finder in self.finders),
            *(classifier.manifest.name for classifier in self.classifiers),
        )

    def used(self, bundles: Sequence[Bundle]) -> tuple[Bundle, ...]:
        """Those of the bundles that had a part in the answer, the router among them."""
        names = {one.name for finder in self.finders for one in finder.manifests}
        names |= {classifier.manifest.name for classifier in self.classifiers}
        asked = self.route is not None and self.route.basis != "asked"
        return tuple(
            bundle
            for bundle in bundles
            if bundle.manifest.name in names or (asked and bundle.manifest.role == "router")
        )


def named(
    finders: Sequence[Finder], classifiers: Sequence[Classifier], models: Sequence[str] | None
) -> tuple[tuple[Finder, ...], tuple[Classifier, ...]]:
    """The models of these names, all of them where None is given.

    The classifier that a detector is fused with is asked with it. An ensemble has one name, those
    of its members joined by `` + ``.

    Raises
    ------
    ConfigError
        A name is unknown, or none is named.

    """
    if models is None:
        return tuple(finders), tuple(classifiers)
    known = [*(one.name for one in finders), *(one.manifest.name for one in classifiers)]
    unknown = [name for name in models if name not in known]
    if unknown or not models:
        found = f"there is none named {unknown[0]!r:.60}" if unknown else "none is named"
        raise ConfigError(f"models: {found}; name some of: {', '.join(known)}")
    chosen = tuple(one for one in finders if one.name in models)
    partners = {one.fusion.classifier_sha256 for one in chosen if one.fusion is not None}
    return chosen, tuple(
        one for one in classifiers if one.manifest.name in models or one.bundle.digest in partners
    )


def take_route(kind: KindAsked, found: Route | None, *, name: str) -> RouteTaken | None:
    """The route of one image: the caller's, or what the router ``found``; None if there is none.

    ``name`` leads error messages.

    Raises
    ------
    ImageError
        The router takes the image for neither chest nor bone.

    """
    for named in get_args(RadiographKind):
        if kind == named:
            return RouteTaken(kind=named, basis="asked", probability=None, contradicted=False)
    if kind is KindAsked.ANY or found is None:
        return None
    if found.kind == "other":
        raise ImageError(
            f"{name}: was taken for something else than a radiograph of the chest or of bones, "
            f"{_reason(found)}; to analyse it all the same, {_OVERRIDE}",
            ImageFault.NO_RADIOGRAPH,
        )
    return RouteTaken(
        kind=found.kind,
        basis=found.basis,
        probability=found.probability,
        contradicted=found.contradicted,
    )


def choose(
    finders: Sequence[Finder],
    classifiers: Sequence[Classifier],
    route: RouteTaken | None,
    *,
    name: str,
) -> Chosen:
    """Part the models by whether they are for the kind that the ``route`` says.

    A detector that is fused with a classifier goes with it. ``name`` leads error messages.

    Raises
    ------
    ImageError
        No model is for it: an answer without findings would look like health.

    """
    seeing = tuple(one for one in classifiers if _is_for((one.manifest,), route))
    needed = {one.name: _with_partner(one, classifiers) for one in finders}
    looking = tuple(one for one in finders if _is_for(needed[one.name], route))
    left_out = tuple(
        LeftOut(model=model, kinds=tuple(dict.fromkeys(k for one in of_it for k in one.kinds)))
        for model, of_it, taken in (
            *((one.name, needed[one.name], one in looking) for one in finders),
            *((one.manifest.name, (one.manifest,), one in seeing) for one in classifiers),
        )
        if not taken
    )
    if route is not None and not looking and not seeing:
        known = ", ".join(f"{one.model} ({' and '.join(one.kinds)})" for one in left_out)
        raise ImageError(
            f"{name}: is a radiograph of kind '{route.kind}', and none of the models that were "
            f"asked is for those: {known}; ask or load another, or {_OVERRIDE}",
            ImageFault.NO_MODEL,
        )
    return Chosen(route, looking, seeing, left_out)


def _with_partner(finder: Finder, classifiers: Sequence[Classifier]) -> tuple[BundleManifest, ...]:
    """The manifests of a finder, and that of the classifier that it is fused with."""
    fusion = finder.fusion
    digest = None if fusion is None else fusion.classifier_sha256
    partners = (one.manifest for one in classifiers if one.bundle.digest == digest)
    return (*finder.manifests, *partners)


def _is_for(manifests: Sequence[BundleManifest], route: RouteTaken | None) -> bool:
    return route is None or all(not one.kinds or route.kind in one.kinds for one in manifests)


def _reason(found: Route) -> str:
    if found.basis == "tags":
        return "by its DICOM attributes"
    if found.basis == "colour":
        return "by its colours"
    return f"by its pixels (probability {found.probability:.2f})"
