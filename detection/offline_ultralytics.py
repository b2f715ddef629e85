"""The one door to Ultralytics: no telemetry, no self-updates, no code out of pickles."""

import os
from types import ModuleType

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
    _switch_off_integrations()
    _restore_pillow()
    return ultralytics  # type: ignore[no-any-return]


def _switch_off_integrations() -> None:
    """Keep Ultralytics from reporting to services whose libraries happen to be installed.

    In this process only; TensorBoard and Weights & Biases are off until their user switches them
    on. Ray Tune is told by `lucency tune` itself. Ultralytics' own platform has no switch: with an
    account's key on the machine it is sent the weights and what was on the terminal.
    """
    from ultralytics.utils import SETTINGS
    from ultralytics.utils.callbacks import platform

    off = dict.fromkeys(("clearml", "comet", "dvc", "hub", "mlflow", "raytune"), False)
    dict.update(SETTINGS, off)  # its own method would write the user's settings file
    platform.callbacks.clear()


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
