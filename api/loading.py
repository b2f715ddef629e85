"""Which bundles are loaded: by folder, by name, or those shipped for everyone's use."""

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from lucency.classification.router import check_router
from lucency.configs.bundle import MANIFEST, Bundle, load_bundle
from lucency.configs.errors import BundleError
from lucency.configs.inference import InferenceOptions

MODEL_PACKAGES = ("lucency.detection", "lucency.classification")


def load_bundles(names: Sequence[str]) -> tuple[Bundle, ...]:
    """Find and verify bundles by folder or shipped name; `default_bundles` if none is named.

    Raises
    ------
    BundleError
        A bundle is missing or altered, they do not fit together, or there is none at all.

    """
    paths = [find_any_bundle(name) for name in names] if names else default_bundles()
    if not paths:
        raise BundleError(
            "no bundle is shipped with this version; give one with --bundle FOLDER "
            "(`lucency export` makes them)"
        )
    bundles = tuple(load_bundle(path) for path in paths)
    check_together(bundles)
    return bundles


def find_any_bundle(name: str) -> Path:
    """Find a bundle of either task by its folder, or by the name of one that is shipped.

    Raises
    ------
    BundleError
        There is neither such a folder nor such a name.

    """
    path = Path(name)
    shipped = {folder.name: folder for folder in shipped_bundles()}
    # A run folder or a data set that happens to have a shipped bundle's name does not hide it.
    if name in shipped and not (path / MANIFEST).is_file():
        return shipped[name]
    if path.is_dir():
        return path
    known = f"one of: {', '.join(shipped)}" if shipped else "none is shipped with this version"
    raise BundleError(f"{name}: no such bundle; give a bundle's folder or a name ({known})")


def shipped_bundles() -> list[Path]:
    """The folders of the bundles that came with the package, detectors first."""
    return [
        manifest.parent
        for package in MODEL_PACKAGES
        for manifest in sorted(_shipped_folder(package).glob(f"*/{MANIFEST}"))
    ]


def default_bundles() -> list[Path]:
    """The shipped bundles that are loaded unasked: those whose data allow any use."""
    return [path for path in shipped_bundles() if _for_any_use(path)]


def check_together(bundles: Sequence[Bundle]) -> None:
    """Refuse bundles that cannot answer together.

    Raises
    ------
    BundleError
        There is none but a router, two have one name, there are two routers or one that is none, or
        a detector is fused with a classifier that is not here, or with a label that it does not
        know.

    """
    if not bundles:
        raise BundleError("at least one bundle is needed")
    seen: dict[str, Path] = {}
    for bundle in bundles:
        name = bundle.manifest.name
        if name in seen:
            raise BundleError(
                f"{bundle.path}: is named '{name}' as {seen[name]} is; "
                "findings could not be told apart, so load one of them"
            )
        seen[name] = bundle.path
    _check_routers(bundles)
    classifiers = {b.digest: b for b in bundles if b.manifest.task == "classification"}
    for bundle in bundles:
        fusion = bundle.manifest.fusion
        if fusion is None:
            continue
        partner = classifiers.get(fusion.classifier_sha256)
        if partner is None:
            raise BundleError(
                f"{bundle.path}: its scores are fused with those of the classifier "
                f"'{fusion.classifier}' ({fusion.classifier_sha256[:12]}…), which is not loaded; "
                "name its bundle too, or load the detector that this one was made from"
            )
        if fusion.label not in partner.manifest.class_names:
            raise BundleError(
                f"{bundle.path}: its scores are fused with the label '{fusion.label}', and "
                f"{partner.path} knows only {', '.join(partner.manifest.class_names)}; "
                "fuse them again with `lucency fuse`"
            )


def _check_routers(bundles: Sequence[Bundle]) -> None:
    routers = [bundle for bundle in bundles if bundle.manifest.role == "router"]
    for bundle in routers:
        check_router(bundle)
    if len(routers) > 1:
        paths = " and ".join(str(bundle.path) for bundle in routers)
        raise BundleError(f"{paths}: both are routers; load one of them")
    if len(routers) == len(bundles):
        raise BundleError(
            f"{routers[0].path}: is a router, which only tells what other models an image is for; "
            "name another bundle too"
        )


def terms(bundles: Sequence[Bundle]) -> list[str]:
    """One line for each bundle that may not be used commercially."""
    return [
        f"note: '{bundle.manifest.name}' is not for commercial use ({bundle.manifest.licence})"
        for bundle in bundles
        if not bundle.manifest.commercial_use
    ]


def other_looks(bundles: Sequence[Bundle], options: InferenceOptions | None) -> list[str]:
    """One line for each detector that is to look otherwise than its thresholds were chosen."""
    return [
        f"note: the thresholds of '{bundle.manifest.name}' were chosen with "
        f"{_named(bundle.manifest.inference)}, it runs with {_named(options)}"
        for bundle in bundles
        if options is not None
        and bundle.manifest.task == "detection"
        and bundle.manifest.inference != options
    ]


def _named(options: InferenceOptions) -> str:
    tiles = f"tiles of {options.tiles.size} pixels" if options.tiles else ""
    flip = "flip" if options.flip else ""
    return " and ".join(filter(None, (tiles, flip))) or "one look at the whole image"


def _for_any_use(path: Path) -> bool:
    """What the manifest says; one that cannot be read is told of when it is loaded."""
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return True
    return not isinstance(manifest, dict) or manifest.get("commercial_use") is not False


def _shipped_folder(package: str) -> Path:
    return Path(str(resources.files(package))) / "bundles"
