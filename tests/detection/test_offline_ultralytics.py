import io
import os
from collections import defaultdict
from typing import Any

import pytest
from PIL import Image, UnidentifiedImageError

from lucency.detection.offline_ultralytics import import_ultralytics


def test_nothing_is_sent_or_installed() -> None:
    import_ultralytics()
    from ultralytics.nn import tasks
    from ultralytics.utils import AUTOINSTALL, ONLINE, events

    assert os.environ["YOLO_OFFLINE"] == "true"
    assert not ONLINE
    assert not AUTOINSTALL
    assert not events.events.enabled
    assert tasks.SAFE_LOAD


def test_pillow_keeps_its_own_errors() -> None:
    import_ultralytics()
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(b"no image"))


def test_a_trainer_reports_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is installed, and with an account's key in the environment."""
    monkeypatch.setenv("ULTRALYTICS_API_KEY", "x")
    import_ultralytics()
    from ultralytics.utils.callbacks import add_integration_callbacks

    class Trainer:
        def __init__(self) -> None:
            self.callbacks: defaultdict[str, list[Any]] = defaultdict(list)

    trainer = Trainer()
    add_integration_callbacks(trainer)
    modules = {one.__module__ for called in trainer.callbacks.values() for one in called}
    assert not {name for name in modules if "callbacks" in name}
