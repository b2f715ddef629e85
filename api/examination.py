"""One decoded image through the models that are asked and that are for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lucency.annotations.choices import KindAsked
from lucency.api.answers import classification, found_boxes
from lucency.api.asking import Asked
from lucency.api.finders import Finder, FirstLook
from lucency.api.flags import contradicted_kind, disagreement, unlike_learnt
from lucency.api.heat_maps import heat_maps
from lucency.api.model_runs import ModelRuns
from lucency.api.routing import Chosen, choose, take_route
from lucency.api.schemas import AppliedThresholds, Flag, FoundBox, HeatMap, ImageClassification
from lucency.api.thresholds import sure_thresholds
from lucency.api.views import Views
from lucency.classification.classifier import Classifier, Look
from lucency.classification.router import Route, judge
from lucency.classification.typical_images import TypicalImages
from lucency.detection.detections import Detections


@dataclass(frozen=True)
class Models:
    """What may be asked: everything that is loaded, or what a caller named of it.

    ``typical`` says by name what images classifiers have learnt from, where they know.
    """

    finders: tuple[Finder, ...]
    classifiers: tuple[Classifier, ...]
    router: Classifier | None
    typical: Mapping[str, TypicalImages]


@dataclass(frozen=True)
class Examined:
    """What the models say of one image."""

    chosen: Chosen
    applied: Mapping[str, AppliedThresholds]
    boxes: tuple[FoundBox, ...]
    classifications: tuple[ImageClassification, ...]
    flags: tuple[Flag, ...]
    heatmaps: tuple[HeatMap, ...] | None


def examine(
    views: Views,
    models: Models,
    applied: Mapping[str, AppliedThresholds],
    *,
    asked: Asked,
    runs: ModelRuns,
    name: str,
) -> Examined:
    """Run the models; ``applied`` are the thresholds of all, ``name`` leads error messages.

    Raises
    ------
    ImageError
        The router takes the image for neither chest nor bone, no model is for its kind, or it
        cannot be displayed.
    DeadlineError
        A network was not run in time.

    """
    found = _routed(views, models, asked, runs)
    chosen = choose(
        models.finders, models.classifiers, take_route(asked.kind, found, name=name), name=name
    )
    detections, looks = _run(views, chosen, applied, runs)
    said = {
        one.manifest.name: classification(
            one.manifest, one.calibrated(look.raw), look.raw, applied[one.manifest.name]
        )
        for one, look in zip(chosen.classifiers, looks, strict=True)
    }
    boxes, flags = _answered(views, chosen, applied, detections, said)
    contradicted = contradicted_kind(chosen.route, found, models=chosen.names)
    by_model = list(zip((one.manifest for one in chosen.classifiers), looks, strict=True))
    unlike = [
        unlike_learnt(manifest.name, models.typical[manifest.name], look.maps)
        for manifest, look in by_model
        if manifest.name in models.typical
    ]
    return Examined(
        chosen=chosen,
        applied={model: applied[model] for model in chosen.names},
        boxes=tuple(sorted(boxes, key=lambda box: -box.score)),  # stable: in the models' order
        classifications=tuple(said.values()),
        flags=tuple(flag for flag in (contradicted, *unlike, *flags) if flag is not None),
        heatmaps=tuple(
            heat
            for manifest, look in by_model
            for heat in heat_maps(manifest, look, size_wh=views.radiograph.size_wh)
        )
        if asked.heatmap
        else None,
    )


def _routed(views: Views, models: Models, asked: Asked, runs: ModelRuns) -> Route | None:
    """What the router says, where there is one and it is asked."""
    router = models.router
    if router is None or asked.kind is not KindAsked.AUTO:
        return None
    shown = views.of(router.manifest.display)
    manifests = [one.manifest for one in models.classifiers]
    manifests += [one for finder in models.finders for one in finder.manifests]
    (outputs,) = runs.run(
        [(router.manifest.name, router.feed(shown.image))],
        meanwhile=lambda: views.prepare(one.display for one in manifests),
    )
    look = router.seen(outputs, shown)
    return judge(views.radiograph, router.manifest, router.calibrated(look.raw))


def _run(
    views: Views,
    chosen: Chosen,
    applied: Mapping[str, AppliedThresholds],
    runs: ModelRuns,
) -> tuple[list[Detections], list[Look]]:
    """What each finder and each classifier makes of the image; networks that can, run at once."""
    shown = [views.of(one.manifest.display) for one in chosen.classifiers]
    first: list[FirstLook | None] = [finder.first_look(views) for finder in chosen.finders]
    wanted = [
        (one.manifest.name, one.feed(each.image))
        for one, each in zip(chosen.classifiers, shown, strict=True)
    ]
    wanted += [
        (finder.name, dict(look.feed))
        for finder, look in zip(chosen.finders, first, strict=True)
        if look is not None
    ]
    outputs = iter(runs.run(wanted))
    looks = [
        one.seen(next(outputs), each) for one, each in zip(chosen.classifiers, shown, strict=True)
    ]
    detections = []
    for finder, look in zip(chosen.finders, first, strict=True):
        least = min(applied[finder.name].thresholds.values())
        if look is None:
            detections.append(finder.search(views, runs.session, least=least))
        else:
            detections.append(finder.read(look, next(outputs)[0][0], least=least))
    return detections, looks


def _answered(
    views: Views,
    chosen: Chosen,
    applied: Mapping[str, AppliedThresholds],
    detections: Sequence[Detections],
    said: Mapping[str, ImageClassification],
) -> tuple[list[FoundBox], list[Flag | None]]:
    """The boxes at their thresholds, and where detectors and classifiers disagree."""
    partners = {one.bundle.digest: said[one.manifest.name] for one in chosen.classifiers}
    images = {digest: answer.probabilities for digest, answer in partners.items()}
    boxes: list[FoundBox] = []
    flags: list[Flag | None] = []
    for finder, raw in zip(chosen.finders, detections, strict=True):
        fused = finder.fused(raw, images)
        found = list(
            found_boxes(
                fused,
                applied[finder.name],
                sure=sure_thresholds(finder.manifests),
                size_wh=views.radiograph.size_wh,
                ensemble=finder.ensemble,
            )
        )
        boxes += found
        fusion = finder.fusion
        if fusion is not None:
            answer = partners[fusion.classifier_sha256]
            flags.append(disagreement(finder.name, fusion, fused, answer, any_box=bool(found)))
    return boxes, flags
