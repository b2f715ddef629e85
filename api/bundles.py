"""Which bundles to load: by folder, by the name of a shipped one, or all that are shipped."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from lucency.configs.bundle import MANIFEST, Bundle, find_bundle, load_bundle
from lucency.configs.errors import BundleError

MODEL_PACKAGES = ("lucency.detection", "lucency.classification")


def load_bundles(names: Sequence[str]) -> tuple[Bundle, ...]:
    """Find and verify bundles by folder or shipped name; all that are shipped if none is named.

    Raises
    ------
    BundleError
        A bundle is missing or altered, or there is none at all.

    """
    paths = [_find_bundle(name) for name in names] if names else shipped_bundles()
    if not paths:
        raise BundleError(
            "no bundle is shipped with this version; give one with --bundle FOLDER "
            "(`lucency export` makes them)"
        )
    return tuple(load_bundle(path) for path in paths)


def shipped_bundles() -> list[Path]:
    """The folders of the bundles that came with the package, detectors first."""
    return [
        manifest.parent
        for package in MODEL_PACKAGES
        for manifest in sorted(_shipped_folder(package).glob(f"*/{MANIFEST}"))
    ]


def _shipped_folder(package: str) -> Path:
    return Path(str(resources.files(package))) / "bundles"


def _find_bundle(name: str) -> Path:
    for package in MODEL_PACKAGES:
        try:
            return find_bundle(name, package=package)
        except BundleError:
            continue
    shipped = ", ".join(path.name for path in shipped_bundles())
    known = f"one of: {shipped}" if shipped else "none is shipped with this version"
    raise BundleError(f"{name}: no such bundle; give a bundle's folder or a name ({known})")
