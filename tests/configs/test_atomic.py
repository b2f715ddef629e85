import errno
from pathlib import Path

import pytest

from lucency.configs import atomic
from lucency.configs.errors import ConfigError


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    atomic.write_text(target, "one")
    atomic.write_text(target, "two")
    assert target.read_text(encoding="utf-8") == "two"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_a_failing_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    atomic.write_text(target, "old")
    with pytest.raises(UnicodeEncodeError):
        atomic.write_text(target, "\ud800")
    assert target.read_text(encoding="utf-8") == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "set"
    with atomic.new_folder(target) as folder:
        (folder / "a.txt").write_text("a", encoding="utf-8")
        assert not target.exists()
    assert (target / "a.txt").is_file()


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stop"), atomic.new_folder(tmp_path / "set") as folder:
        (folder / "a.txt").write_text("a", encoding="utf-8")
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_the_users_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="exists already"), atomic.new_folder(tmp_path):
        pass
    assert (tmp_path / "mine.txt").is_file()


@pytest.mark.parametrize("name", [".", "../set", "x/.."])
def test_the_current_folder_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "set").mkdir()
    monkeypatch.chdir(tmp_path / "set")
    with pytest.raises(ConfigError, match="is the current folder"), atomic.new_folder(Path(name)):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


def test_an_empty_folder_becomes_the_new_one(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with atomic.new_folder(tmp_path / "x/../set") as folder:
        (folder / "a.txt").write_text("a", encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert (tmp_path / "set/a.txt").is_file()


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    message = "set: cannot be written: No space left on device$"
    with pytest.raises(ConfigError, match=message), atomic.new_folder(tmp_path / "set") as folder:
        raise OSError(errno.ENOSPC, "No space left on device", "1.png", None, folder / "1.png")
    assert list(tmp_path.iterdir()) == []


def test_what_could_not_be_read_is_named(tmp_path: Path) -> None:
    message = r"set: cannot be written: No such file or directory \(.*gone.png\)$"
    with pytest.raises(ConfigError, match=message), atomic.new_folder(tmp_path / "set"):
        (tmp_path / "gone.png").read_bytes()


def test_a_parent_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = "file/set: cannot be written: (File exists|Not a directory)"
    with pytest.raises(ConfigError, match=message), atomic.new_folder(tmp_path / "file/set"):
        pass
