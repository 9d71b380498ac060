"""Where workers meet: a private folder, and a name for each listening socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from flask_realtime.hosts.workers.directory import (
    ForeignFolder,
    Meeting,
    is_own,
    listener_key,
    private_folder,
)


def test_the_folder_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    folder = private_folder(tmp_path)
    assert private_folder(tmp_path) == folder
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    private_folder(tmp_path).chmod(0o755)
    with pytest.raises(ForeignFolder):
        private_folder(tmp_path)


def test_a_link_or_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    folder = private_folder(tmp_path)
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ForeignFolder):
        private_folder(tmp_path)
    folder.unlink()
    folder.touch(mode=0o600)
    with pytest.raises(ForeignFolder):
        private_folder(tmp_path)


def test_the_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = os.geteuid() + 1
    (tmp_path / f"flask_realtime-{other}").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(ForeignFolder):
        private_folder(tmp_path)


def test_the_key_belongs_to_the_sockets_and_the_path() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("", 0)) as two:
        with one.dup() as same:
            key = listener_key([one], "/socket.io")
            assert listener_key([same], "/socket.io") == key
        assert listener_key([one, two], "/a") == listener_key([two, one], "/a")
        assert len({key, listener_key([two], "/socket.io"), listener_key([one], "/chat")}) == 3


def test_sockets_of_one_address_can_have_one_key() -> None:
    with socket.socket() as one, socket.socket() as two:
        for sock in (one, two):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", 0))
        two.bind(one.getsockname())
        assert listener_key([one], "/", True) == listener_key([two], "/", True)
        assert listener_key([one], "/") != listener_key([two], "/")


def test_workers_of_one_key_find_each_other(tmp_path: Path) -> None:
    one, other = Meeting(tmp_path, "key"), Meeting(tmp_path, "other")
    with one.listen("aaaa") as listener, other.listen("bbbb"):
        assert (one.tags(), other.tags()) == (["aaaa"], ["bbbb"])
        assert (one.has("aaaa"), one.has("bbbb")) == (True, False)
        with one.connect("aaaa") as sock, listener.accept()[0] as peer:
            assert is_own(sock)
            assert is_own(peer)


def test_a_worker_that_is_gone_is_forgotten_when_it_is_dialled(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path, "key")
    meeting.listen("aaaa").close()
    assert meeting.tags() == ["aaaa"]
    assert meeting.connect("aaaa") is None
    assert meeting.tags() == []
    assert meeting.connect("aaaa") is None


def test_what_killed_workers_have_left_is_removed_whatever_their_key(tmp_path: Path) -> None:
    one, other = Meeting(tmp_path, "key"), Meeting(tmp_path, "other")
    other.listen("aaaa").close()
    with other.listen("bbbb"), one.listen("cccc"):
        one.clean()
        assert (other.tags(), one.tags()) == (["bbbb"], ["cccc"])


def test_a_folder_that_vanished_has_no_workers(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "gone", "key")
    assert meeting.tags() == []
    with pytest.raises(FileNotFoundError):
        meeting.listen("aaaa")


def test_a_name_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with pytest.raises(OSError, match="too long"):
        Meeting(folder, "key").listen("aaaa")


def test_a_worker_that_listens_can_be_connected_to(tmp_path: Path) -> None:
    """A key may be longer than the names under which sockets begin."""
    refused = 0
    for length in range(1, 100):
        meeting = Meeting(tmp_path, "k" * length)
        try:
            listener = meeting.listen("aaaa")
        except OSError:
            refused += 1
            continue
        with listener, meeting.connect("aaaa"):
            meeting.forget("aaaa")
    assert 0 < refused < 99
