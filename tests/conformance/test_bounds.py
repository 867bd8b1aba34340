"""A test of the suite that waits for ever."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

SUITE = """
    import asyncio

    import pytest


    @pytest.fixture
    async def value():
        return 1


    @pytest.mark.rule("opens-and-closes")
    async def test_before(value):
        assert value == 1


    @pytest.mark.rule("opens-and-closes")
    @pytest.mark.timeout(2)
    async def test_that_waits():
        await asyncio.Event().wait()


    @pytest.mark.rule("opens-and-closes")
    async def test_with_a_timeout_of_its_own():
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()


    @pytest.mark.rule("opens-and-closes")
    async def test_after(value):
        assert value == 1
"""
INI = """
    [pytest]
    asyncio_mode = auto
    asyncio_default_fixture_loop_scope = function
"""


def test_a_test_that_waits_for_ever_fails_and_the_next_one_runs(tmp_path):
    """By being canceled, so that what it opened is closed; a timeout that it has itself stays what it is."""
    file = tmp_path / "test_it.py"
    file.write_text(dedent(SUITE), encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(dedent(INI), encoding="utf-8")
    options = ["--venue", "paradex", "-p", "no:cacheprovider", "-p", "no:xdist", "-q"]
    command = [sys.executable, "-m", "pytest", *options, str(file)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert "2 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "Failed: it was still waiting after" in done.stdout
    assert "test_with_a_timeout_of_its_own - TimeoutError" in done.stdout
