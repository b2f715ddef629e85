"""Files that only look like checkpoints."""

from pathlib import Path

import pytest

from lucency.configs.errors import ConfigError
from lucency.detection.weights import load_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize(
    "content", [b"", b"rubbish\n", b"PK\x03\x04 cut short"], ids=["empty", "text", "half a zip"]
)
def test_a_damaged_checkpoint_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "best.pt"
    path.write_bytes(content)
    with pytest.raises(
        ConfigError, match=r"best\.pt: cannot be loaded as a YOLO checkpoint: ."
    ) as e:
        load_checkpoint(path)
    assert "\n" not in str(e.value)
