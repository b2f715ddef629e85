import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from lucency.api.key_command import key as key_command
from lucency.api.keys import KeyCheck, key_line, new_key, read_keys
from lucency.api.logs import RequestLog
from lucency.api.metrics import Metrics
from lucency.configs.errors import ConfigError

Ask = Callable[..., Any]
HEX = "0" * 64


def keys_file(folder: Path, *lines: str, mode: int = 0o644) -> Path:
    path = folder / "keys"
    path.write_text("\n".join(lines), encoding="utf-8")
    path.chmod(mode)
    return path


def test_keys_are_random_and_long() -> None:
    made = {new_key() for _ in range(50)}
    assert len(made) == 50
    for key in made:
        assert key.startswith("lucency_")
        assert len(base64.urlsafe_b64decode(key.removeprefix("lucency_") + "=")) == 32


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ä", "-a", "a\n", "a" * 65, "#a"])
def test_names_that_would_break_the_file_or_the_log(name: str) -> None:
    with pytest.raises(ConfigError, match="name"):
        key_line(name, new_key())


def test_files_are_read(tmp_path: Path) -> None:
    first, second = new_key(), new_key()
    path = keys_file(
        tmp_path,
        "# who may ask",
        "",
        key_line("pacs.1", first),
        f"  {key_line('viewer', second)}  ",
        key_line("viewer", new_key()),
    )
    keys = read_keys(path)
    assert [key.name for key in keys] == ["pacs.1", "viewer", "viewer"]
    assert first not in path.read_text()
    assert {len(key.digest) for key in keys} == {32}


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        ([], "holds no key"),
        (["# nobody"], "holds no key"),
        (["pacs"], "line 1 is not"),
        ([f"pacs sha256:{HEX}", "pacs CANARY"], "line 2 is not"),
        ([f"pacs md5:{HEX}"], "line 1 is not"),
        ([f"pacs sha256:{HEX}0"], "line 1 is not"),
        ([f"pacs sha256:{HEX} more"], "line 1 is not"),
        (["pacs sha256:" + "z" * 64], "line 1 is not"),
        (["\udcff\x00"], "line 1 is not"),
        ([f"a sha256:{HEX}", f"b sha256:{HEX}"], "line 2 holds a key that stands there already"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_broken_files(tmp_path: Path, lines: list[str], part: str) -> None:
    path = tmp_path / "keys"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError) as caught:
        read_keys(path)
    assert part in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_missing_and_huge_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_keys(tmp_path / "absent")
    with pytest.raises(ConfigError, match="larger than"):
        read_keys(keys_file(tmp_path, *["# nothing"] * 200_000))


@pytest.mark.parametrize(("mode", "good"), [(0o600, True), (0o444, True), (0o660, False),
                                            (0o622, False), (0o602, False)])  # fmt: skip
def test_files_that_others_may_write_are_refused(tmp_path: Path, mode: int, good: bool) -> None:
    path = keys_file(tmp_path, f"a sha256:{HEX}", mode=mode)
    if good:
        assert len(read_keys(path)) == 1
        return
    with pytest.raises(ConfigError, match=r"others may write to it .* chmod go-w"):
        read_keys(path)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    """An application behind two keys that says who asks, and the second of the keys."""
    secret = new_key()
    path = keys_file(
        tmp_path_factory.mktemp("keys"), key_line("pacs", new_key()), key_line("viewer", secret)
    )

    async def whoami(scope: Any, receive: Any, send: Any) -> None:
        client = scope["state"]["client"].encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"<" + client + b">"})

    app = RequestLog(KeyCheck(whoami, keys=read_keys(path)), metrics=Metrics(), routes=())
    return app, secret


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "KEY"},
        {"Authorization": "Bearer KEY"},
        {"Authorization": "bearer  KEY"},
        {"Authorization": "Basic abc", "X-API-Key": "KEY"},
    ],
    ids=str,
)
def test_a_key_opens(ask: Ask, guarded: tuple[Any, str], headers: dict[str, str]) -> None:
    app, secret = guarded
    given = {name: value.replace("KEY", secret) for name, value in headers.items()}
    answer = ask(app, "POST", "/v1/analyze", headers=given)
    assert (answer.status_code, answer.text) == (200, "<viewer>")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "lucency_"},
        {"X-API-Key": "KEYx"},
        {"X-API-Key": "lucency_\xff".encode("latin-1")},
        {"Authorization": "KEY"},
        {"Authorization": "Basic KEY"},
        {"Authorization": "Bearer"},
        {"X-API-Key": "wrong", "Authorization": "Bearer KEY"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "path", ["/v1/analyze", "/metrics", "/v1/models", "/v2", "/docs/", "//", "/healthz/x"]
)
def test_without_a_key_nothing_opens(
    ask: Ask, guarded: tuple[Any, str], path: str, headers: dict[str, Any]
) -> None:
    app, secret = guarded
    given = {
        name: value.replace("KEY", secret) if isinstance(value, str) else value
        for name, value in headers.items()
    }
    answer = ask(app, "GET", f"http://localhost{path}", headers=given)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthorised"
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "path",
    ["/", "/healthz", "/readyz", "/docs", "/openapi.json", "/assets/a.js", "/v2/health/live"],
)
def test_what_is_open(ask: Ask, guarded: tuple[Any, str], path: str) -> None:
    app, secret = guarded
    assert ask(app, "GET", path).text == "<>"
    assert ask(app, "GET", path, headers={"X-API-Key": "wrong"}).text == "<>"
    assert ask(app, "GET", path, headers={"X-API-Key": secret}).text == "<viewer>"


def test_the_command_prints_a_key_and_its_line(tmp_path: Path) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(key_command)
    result = CliRunner().invoke(app, ["pacs"])
    assert result.exit_code == 0
    path = keys_file(tmp_path, result.stdout)
    (entry,) = read_keys(path)
    shown = result.stderr.split()[-1]
    assert key_line("pacs", shown) == result.stdout.strip()
    assert shown not in result.stdout
    assert entry.name == "pacs"
    assert isinstance(CliRunner().invoke(app, ["no good"]).exception, ConfigError)
