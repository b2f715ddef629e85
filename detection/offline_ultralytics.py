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
    return ultralytics  # type: ignore[no-any-return]


def option_names() -> frozenset[str]:
    """The names of all options that Ultralytics itself knows."""
    import_ultralytics()
    from ultralytics.cfg import DEFAULT_CFG_DICT

    names: dict[str, Any] = DEFAULT_CFG_DICT
    return frozenset(names)
