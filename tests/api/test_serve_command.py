from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from lucency.api.serve_command import serve
from lucency.api.settings import Settings
from lucency.configs.errors import BundleError, ConfigError

EVERYWHERE = "0.0.0.0"  # noqa: S104 (refused, or never opened)


def run(command: Callable[..., None], *arguments: object) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings of servers that would have been started."""
    settings: list[Settings] = []
    for name in ("config", *Settings.model_fields):
        monkeypatch.delenv(f"LUCENCY_{name.upper()}", raising=False)
    monkeypatch.setattr("lucency.api.server.run_server", settings.append)
    return settings


def test_every_setting_is_an_option(tmp_path: Path, started: list[Settings]) -> None:
    given: dict[str, Any] = {
        "host": "127.0.0.2",
        "port": 9000,
        "tiles": 640,
        "cores": 1,
        "batch_size": 2,
        "batch_window_ms": 3.0,
        "analyses_at_once": 4,
        "queue_size": 5,
        "max_upload_bytes": 6000,
        "max_batch_images": 7,
        "decode_timeout_s": 8.0,
        "deadline_s": 9.0,
        "body_timeout_s": 10.0,
        "drain_s": 11.0,
        "api_keys_file": tmp_path / "keys",
        "audit_file": tmp_path / "audit",
        "feedback_folder": tmp_path / "feedback",
    }
    options = [part for name, value in given.items()
               for part in (f"--{name.replace('_', '-')}", value)]  # fmt: skip
    result = run(serve, *options, "--bundle", "a", "--bundle", "b", "--flip", "--ensemble")
    assert result.exit_code == 0, result.output
    given |= {"bundles": ("a", "b"), "flip": True, "ensemble": True}
    assert set(given) == set(Settings.model_fields)
    assert started[0].model_dump() == given


def test_options_go_before_the_file(tmp_path: Path, started: list[Settings]) -> None:
    path = tmp_path / "lucency.yaml"
    path.write_text("port: 9000\nflip: true\nqueue_size: 3\n")
    assert run(serve, "--config", path, "--queue-size", 4).exit_code == 0
    assert (started[0].port, started[0].flip, started[0].queue_size) == (9000, True, 4)


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.0.2.1", "xray.example"])
def test_serve_refuses_addresses_others_can_reach_without_keys(host: str) -> None:
    result = run(serve, "--bundle", "absent", "--host", host)
    assert isinstance(result.exception, ConfigError)
    assert host in str(result.exception)
    assert "lucency key NAME >> keys" in str(result.exception)


def test_serve_refuses_a_bundle_that_is_missing() -> None:
    result = run(serve, "--bundle", "absent")
    assert isinstance(result.exception, BundleError)
