"""The one door to Ultralytics: no telemetry, no self-updates, no code out of pickles."""

import os
from types import ModuleType
from typing import Any

# Read by Ultralytics when it is first imported. YOLO_OFFLINE switches off analytics and update
# checks; weights that are asked for by name are still fetched once.
_ENVIRONMENT = {
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "ULTRALYTICS_SAFE_LOAD": "true",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_OFFLINE": "true",
    "YOLO_VERBOSE": "false",
}


def import_ultralytics() -> ModuleType:
    """Import Ultralytics quietly, and make it refuse checkpoints that carry foreign classes."""
    os.environ.update(_ENVIRONMENT)
    import ultralytics
    from ultralytics.nn import tasks

    tasks.SAFE_LOAD = True  # holds as well where something imported Ultralytics before us
    _restore_pillow()
    return ultralytics  # type: ignore[no-any-return]


def _restore_pillow() -> None:
    """Undo Ultralytics' replacement of Pillow's ``open``.

    It tries to install a package when an image cannot be identified, where our readers wait for
    Pillow's own error.
    """
    from PIL import Image
    from ultralytics.utils import patches

    original = getattr(patches, "_image_open", None)
    if original is not None:
        Image.open = original


def option_names() -> frozenset[str]:
    """The names of all options that Ultralytics itself knows."""
    import_ultralytics()
    from ultralytics.cfg import DEFAULT_CFG_DICT

    names: dict[str, Any] = DEFAULT_CFG_DICT
    return frozenset(names)
