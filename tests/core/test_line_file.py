"""What a file of lines refuses to be, and what a full disk leaves of it; what it keeps is its users' tests."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from perpkit.core.errors import ConfigError
from perpkit.core.line_file import LineFile


@pytest.mark.parametrize("name", ["/dev/null", "/dev/zero"])
def test_a_device_is_refused(name: str):
    """It would keep nothing, and reading some of them never ends."""
    with pytest.raises(ConfigError, match=f"the journal {name} is no ordinary file"):
        LineFile(name, what="the journal")


def test_a_pipe_is_refused(tmp_path: Path):
    """Reading it would wait for a writer, for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="is no ordinary file"):
        LineFile(tmp_path / "pipe", what="the journal")


@pytest.fixture
def disk() -> Iterator:
    """``disk(size)``: no file may grow beyond it, as on a disk that is full; ``disk(None)`` takes that back."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before if size is None else size, most))

    yield limit
    limit(None)


@pytest.mark.parametrize("room", [0, 1, 8])
def test_what_no_longer_fits_on_the_disk_leaves_no_trace(tmp_path: Path, disk, room: int):
    """A part of a line would swallow the next one; when there is room again it goes on."""
    path = tmp_path / "lines"
    file = LineFile(path, what="the journal")
    file.append(b"first\n")
    disk(len(b"first\n") + room)
    with pytest.raises(OSError, match="File too large"):
        file.append(b"second\nthird\n")
    disk(None)
    assert path.read_bytes() == b"first\n"
    file.append(b"fourth\n")
    file.close()
    again = LineFile(path, what="the journal")
    assert again.read_new() == [b"first", b"fourth"]
    again.close()


def test_who_never_lets_go_of_the_file_is_not_waited_for_without_end(tmp_path: Path):
    """A process that was stopped while it had the file must not stop everybody else."""
    path = tmp_path / "lines"
    stopped = LineFile(path, what="the journal")
    waiting = LineFile(path, what="the journal", patience=timedelta(0))
    with stopped.held(), pytest.raises(TimeoutError, match="another process has it for 0 s now; is it stopped"):
        waiting.held().__enter__()
    with waiting.held():
        waiting.append(b"first\n")
    for file in (stopped, waiting):
        file.close()


def test_who_has_the_file_for_a_moment_is_waited_for(tmp_path: Path):
    """Both lines are written, one after the other."""
    path = tmp_path / "lines"
    first, second = LineFile(path, what="the journal"), LineFile(path, what="the journal")

    def follow() -> None:
        with second.held():
            second.append(b"second\n")

    with first.held():
        follower = threading.Thread(target=follow)
        follower.start()
        first.append(b"first\n")
    follower.join()
    assert path.read_bytes() == b"first\nsecond\n"
    for file in (first, second):
        file.close()
