"""Stamps and the cache folder: a step runs again exactly when what it depends on changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from scripts.cache import cache_folder, file_hash, is_stamped, key_of, require_space, write_stamp
from scripts.console import Trouble


def test_a_finished_step_is_remembered_until_something_changes(tmp_path: Path) -> None:
    """A stamp holds for its own key and for no other."""
    lock, stamp = tmp_path / "a.lock", tmp_path / "stamps" / "packages"
    lock.write_text("one==1\n")
    key = key_of([lock], "3.11.7")
    assert not is_stamped(stamp, key)
    write_stamp(stamp, key)
    assert is_stamped(stamp, key)
    lock.write_text("one==2\n")
    assert not is_stamped(stamp, key_of([lock], "3.11.7"))


def test_the_key_depends_on_content_and_words_not_on_order(tmp_path: Path) -> None:
    """The same files in another order give the same key; another word gives another."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("1")
    second.write_text("2")
    assert key_of([first, second], "x") == key_of([second, first], "x")
    assert key_of([first, second], "x") != key_of([first, second], "y")


def test_file_hash_is_sha256(tmp_path: Path) -> None:
    """The hash of a file larger than one read is the SHA-256 of its bytes."""
    data = bytes(range(256)) * 8192
    (tmp_path / "f").write_bytes(data)
    assert file_hash(tmp_path / "f") == hashlib.sha256(data).hexdigest()


def test_the_cache_folder_follows_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`TAPEDECK_CACHE_DIR` wins, then `XDG_CACHE_HOME`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("TAPEDECK_CACHE_DIR", raising=False)
    assert cache_folder() == (tmp_path / "xdg" / "tapedeck").resolve()
    monkeypatch.setenv("TAPEDECK_CACHE_DIR", str(tmp_path / "own"))
    assert cache_folder() == (tmp_path / "own").resolve()
    assert os.listdir(tmp_path / "own") == []


def test_a_cache_folder_that_cannot_be_says_where_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in the way of the folder is one clear line."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TAPEDECK_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(Trouble, match=r"file/cache: .*Name another one in TAPEDECK_CACHE_DIR"):
        cache_folder()


def test_a_full_disk_is_said_before_the_work_begins(tmp_path: Path) -> None:
    """What cannot fit is refused with both figures."""
    require_space(tmp_path, 1)
    with pytest.raises(Trouble, match=r"the disk is full: .* GB free, 1000000000\.0 GB needed"):
        require_space(tmp_path, 10**18)
