"""The routes of the pages, without a browser."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lucency.api.page_routes import asset_names, static_file

MOST_SCRIPT_BYTES = 300_000


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_nothing_but_their_assets(client: Any, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    loaded = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert loaded
    for address in loaded:
        folder, _, name = address.rpartition("/")
        assert (folder, name in asset_names()) == ("./assets", True)
        assert client.get(f"/assets/{name}").status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_allow_no_inline_script_and_no_other_host(client: Any, path: str) -> None:
    answer = client.get(path)
    policy = answer.headers.get_list("content-security-policy")
    assert len(policy) == 1
    assert "'unsafe" not in policy[0]
    assert "http" not in policy[0]
    assert "script-src 'self';" in policy[0]
    assert "frame-ancestors 'none'" in policy[0]
    assert re.findall(r"<script(?![^>]*src=)", answer.text) == []
    assert "style=" not in answer.text
    assert answer.headers["cache-control"] == "no-cache"


def test_assets_are_kept_forever_and_compressed_for_who_takes_it(client: Any) -> None:
    for name in asset_names():
        packed = client.get(f"/assets/{name}", headers={"Accept-Encoding": "br, gzip;q=0.8"})
        assert packed.headers["content-encoding"] == "gzip"
        assert "immutable" in packed.headers["cache-control"]
        assert packed.headers["vary"] == "Accept-Encoding"
        plain = client.get(f"/assets/{name}", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == packed.content == static_file(f"assets/{name}").plain


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "gzip; q=0.0", "gzipped"])
def test_gzip_is_not_forced_upon_anybody(client: Any, accepted: str) -> None:
    answer = client.get("/", headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "name", ["nothing.js", "..%2Findex.html", "..%2f..%2fapp.py", "%00", ".", "index.html"]
)
def test_other_files_are_no_assets(client: Any, check_error: Any, name: str) -> None:
    check_error(client.get(f"/assets/{name}"), 404, "not_found")


def test_the_viewer_s_script_is_small() -> None:
    page = static_file("index.html").plain.decode()
    scripts = re.findall(r'"\./(assets/[^"]+\.js)"', page)
    assert scripts
    assert sum(len(static_file(name).packed) for name in scripts) < MOST_SCRIPT_BYTES


def test_compressed_files_are_the_same_every_time() -> None:
    file = static_file("index.html")
    assert gzip.decompress(file.packed) == file.plain
    assert gzip.compress(file.plain, mtime=0) == file.packed


@pytest.mark.parametrize("kept", [True, False])
def test_the_viewer_is_told_whether_feedback_is_kept(
    run_service: Callable[..., Any], tmp_path: Path, kept: bool
) -> None:
    folder = tmp_path / "feedback"
    folder.mkdir()
    with run_service(**({"feedback_folder": folder} if kept else {})) as service:
        text = service.get("/").text
    assert f'data-feedback="{"on" if kept else "off"}"' in text


def test_licences_of_what_is_bundled_go_along() -> None:
    text = static_file("THIRD_PARTY_LICENSES.txt").plain.decode()
    for package in ("react", "react-dom", "scheduler", "swagger-ui-dist"):
        assert re.search(rf"^{package} \d", text, re.MULTILINE)
    assert "Permission is hereby granted" in text
    assert "Apache License" in text


def test_the_lock_file_names_no_place(repository: Path) -> None:
    text = (repository / "api" / "web" / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text
    assert "registry" not in text
    assert "file:" not in text
