from pathlib import Path
from typing import Any

import pytest

from lucency.api.settings import Settings, read_settings
from lucency.configs.errors import ConfigError
from lucency.configs.inference import InferenceOptions, TileSpec


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("config", *Settings.model_fields):
        monkeypatch.delenv(f"LUCENCY_{name.upper()}", raising=False)


def write(folder: Path, text: str) -> Path:
    path = folder / "lucency.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_stay_on_this_machine() -> None:
    settings = read_settings()
    assert settings.host == "127.0.0.1"
    assert settings.port == 8000
    assert settings.bundles == ()
    assert settings.max_upload_bytes == 64 * 1024 * 1024
    assert (settings.api_keys_file, settings.audit_file, settings.feedback_folder) == (None,) * 3
    assert (settings.deadline_s, settings.body_timeout_s, settings.drain_s) == (30, 8, 0)
    assert (settings.batch_size, settings.batch_window_ms, settings.queue_size) == (4, 0, 16)


def test_two_analyses_for_each_core() -> None:
    assert read_settings().at_once == 2 * read_settings().cores_used >= 2
    assert read_settings(cores=3).at_once == 6
    assert read_settings(cores=3, analyses_at_once=1).at_once == 1


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCENCY_BUNDLES", "one, /models/two,")
    monkeypatch.setenv("LUCENCY_PORT", "9000")
    settings = read_settings()
    assert settings.bundles == ("one", "/models/two")
    assert settings.port == 9000


def test_file_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "bundles: [one, /models/two]\nport: 9000\nflip: true\ndeadline_s: 5\naudit_file: a.jsonl\n",
    )
    settings = read_settings(config=path)
    assert settings.bundles == ("one", "/models/two")
    assert (settings.port, settings.flip, settings.deadline_s) == (9000, True, 5.0)
    assert settings.audit_file == Path("a.jsonl")


def test_file_may_be_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUCENCY_CONFIG", str(write(tmp_path, "port: 9000")))
    assert read_settings().port == 9000
    other = tmp_path / "other.yaml"
    other.write_text("port: 9001")
    assert read_settings(config=other).port == 9001


def test_command_line_then_environment_then_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "bundles: c\nport: 9002\ncores: 2\nqueue_size: 1\n")
    monkeypatch.setenv("LUCENCY_BUNDLES", "b")
    monkeypatch.setenv("lucency_port", "9001")
    settings = read_settings(config=path, bundles=("a,b",), queue_size=0, host=None)
    assert settings.bundles == ("a,b",)
    assert (settings.port, settings.cores, settings.queue_size) == (9001, 2, 0)
    assert settings.host == "127.0.0.1"


def test_how_detectors_look(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().options is None
    monkeypatch.setenv("LUCENCY_FLIP", "true")
    assert read_settings().options == InferenceOptions(flip=True)
    monkeypatch.setenv("LUCENCY_TILES", "640")
    assert read_settings().options == InferenceOptions(flip=True, tiles=TileSpec(size=640))
    assert read_settings(tiles=800).options == InferenceOptions(flip=True, tiles=TileSpec(size=800))
    assert not read_settings().ensemble


WRONG = [
    ("TILES", "8"),
    ("FLIP", "perhaps"),
    ("PORT", "eighty"),
    ("PORT", "70000"),
    ("MAX_UPLOAD_BYTES", "0"),
    ("MAX_BATCH_IMAGES", "0"),
    ("ANALYSES_AT_ONCE", "0"),
    ("QUEUE_SIZE", "-1"),
    ("CORES", "-1"),
    ("BATCH_SIZE", "0"),
    ("BATCH_WINDOW_MS", "nan"),
    ("DEADLINE_S", "0"),
    ("BODY_TIMEOUT_S", "inf"),
    ("DRAIN_S", "-1"),
    ("AUDIT_FILE", ""),
    ("HOST", ""),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_values_name_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"LUCENCY_{name}", value)
    with pytest.raises(ConfigError, match=f"LUCENCY_{name}: .*got ") as caught:
        read_settings()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_values_name_the_file_and_key(tmp_path: Path, name: str, value: str) -> None:
    path = write(tmp_path, f"{name.lower()}: '{value}'")
    with pytest.raises(ConfigError) as caught:
        read_settings(config=path)
    assert f"{path}: {name.lower()}: " in str(caught.value)


@pytest.mark.parametrize("text", ["", "# port: 9000\n"], ids=["empty", "comments"])
def test_a_file_without_settings_changes_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lucency.yaml"
    path.write_text(text, encoding="utf-8")
    assert read_settings(config=path) == read_settings()


def test_a_path_is_told_as_it_was_given() -> None:
    with pytest.raises(ConfigError, match=r"--audit-file: must name a file or folder, got '\.'$"):
        read_settings(audit_file=Path())


def test_wrong_values_name_the_option() -> None:
    with pytest.raises(ConfigError, match=r"--queue-size: .*got -1"):
        read_settings(queue_size=-1)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("prot: 1", "unknown key 'prot'"),
        ("- port", "must be a mapping"),
        ("port: [", "not valid YAML"),
        ("port: [1, 2]", "port: "),
        ("port:", "port: "),
        ("1: 2", "unknown key '1'"),
        ("config: other.yaml", "unknown key 'config'"),
        ("audit_file: [a]", "audit_file: "),
    ],
    ids=str,
)
def test_broken_files(tmp_path: Path, text: str, part: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_settings(config=path)
    assert str(path) in str(caught.value)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCENCY_CONFIG", str(tmp_path / "absent.yaml"))
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read"):
        read_settings()


def test_unknown_settings_are_refused() -> None:
    given: dict[str, Any] = {"prot": 1}
    with pytest.raises(ConfigError, match="--prot"):
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
