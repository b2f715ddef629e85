import io
import os

import pytest
from PIL import Image, UnidentifiedImageError

from lucency.detection.offline_ultralytics import import_ultralytics, option_names


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


def test_option_names_are_those_of_ultralytics() -> None:
    assert {"lr0", "mosaic", "augmentations", "nbs"} - option_names() <= {"augmentations"}
    assert "learning_rate" not in option_names()
