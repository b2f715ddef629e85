from typing import Any

import pytest

from lucency.api.settings import Settings, read_settings
from lucency.configs.errors import ConfigError
from lucency.configs.inference import InferenceOptions, TileSpec


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LUCENCY_{name.upper()}", raising=False)


def test_defaults_stay_on_this_machine() -> None:
    settings = read_settings()
    assert settings.host == "127.0.0.1"
    assert settings.port == 8000
    assert settings.bundles == ()
    assert settings.max_upload_bytes == 64 * 1024 * 1024
    assert settings.analyses_at_once >= 1


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCENCY_BUNDLES", "one, /models/two,")
    monkeypatch.setenv("LUCENCY_PORT", "9000")
    settings = read_settings()
    assert settings.bundles == ("one", "/models/two")
    assert settings.port == 9000


def test_command_line_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCENCY_BUNDLES", "one")
    monkeypatch.setenv("LUCENCY_PORT", "9000")
    settings = read_settings(bundles=("a,b",), port=9001, host=None)
    assert settings.bundles == ("a,b",)
    assert settings.port == 9001
    assert settings.host == "127.0.0.1"


def test_how_detectors_look(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().options is None
    monkeypatch.setenv("LUCENCY_FLIP", "true")
    assert read_settings().options == InferenceOptions(flip=True)
    monkeypatch.setenv("LUCENCY_TILES", "640")
    assert read_settings().options == InferenceOptions(flip=True, tiles=TileSpec(size=640))
    assert read_settings(tiles=800).options == InferenceOptions(flip=True, tiles=TileSpec(size=800))
    assert not read_settings().ensemble


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TILES", "8"),
        ("FLIP", "perhaps"),
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("MAX_UPLOAD_BYTES", "0"),
        ("ANALYSES_AT_ONCE", "0"),
        ("THREADS", "-1"),
        ("HOST", ""),
    ],
)
def test_wrong_values_name_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"LUCENCY_{name}", value)
    with pytest.raises(ConfigError, match=f"LUCENCY_{name}: .*got '{value}'") as caught:
        read_settings()
    assert "\n" not in str(caught.value)


def test_unknown_settings_are_refused() -> None:
    given: dict[str, Any] = {"prot": 1}
    with pytest.raises(ConfigError, match="LUCENCY_PROT"):
        read_settings(**given)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("LocalHost", True),
        ("0.0.0.0", False),  # noqa: S104 (only asked about)
        ("::", False),
        ("192.168.1.20", False),
        ("localhost.example.org", False),
        ("xray.example.org", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert Settings(host=host).is_loopback is loopback
