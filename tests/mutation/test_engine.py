"""A small shop with tests, mutated: what is noticed is killed, what isn't survives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SHOP = '''\
RATES = {"book": 7, "car": 19}


def price(kind, net):
    """Return a price with its tax, per hundred."""
    if net > 100:
        note(kind)
    return net + net * RATES[kind] // 100


def note(kind):
    """Say nothing."""
    log.debug(kind)


def wait(count):
    """Count down."""
    while count > 0:
        count -= 1
    return count
'''
TESTS = """\
import shop


def test_price():
    assert shop.price("book", 100) == 107


def test_wait():
    assert shop.wait(3) == 0
"""
RUN = """
import json, os, sys
from pathlib import Path
from tests.mutation.engine import Cold, Source, Warm
from tests.mutation.engine import Task
from tests.mutation.mutants import mutants
path = Path("shop.py").resolve()
tree, found = mutants(path.read_text(), "shop")
source, said, unfit = Source(path, tree), {}, []
def note(task, outcome):
    said[found[task.key].name] = [outcome.verdict, outcome.by]
    if outcome.verdict == "unfit":
        unfit.append(task)
tasks = [Task(source, each.apply, each.scope, each.lines, each.at_import, number) for number, each in enumerate(found)]
out = os.dup(1)
os.dup2(2, 1)
reading, writing = os.pipe()
pid = os.fork()
if not pid:
    trouble = Warm([source], tasks, note, jobs=1, limit=1).run(["test_shop.py"])
    os.write(writing, json.dumps([trouble, said, [task.key for task in unfit]]).encode())
    os._exit(0)
os.close(writing)
with os.fdopen(reading) as told:
    trouble, said, numbers = json.load(told)
os.waitpid(pid, 0)
if not trouble:
    cold = Cold(["test_shop.py"], jobs=2, limit=1, first=lambda source: [])
    cold.run([source], [tasks[number] for number in numbers], note)
os.write(out, json.dumps([trouble, said]).encode())
"""


def run(folder: Path, tests: str) -> tuple[str, dict[str, list[str]]]:
    (folder / "shop.py").write_text(SHOP, encoding="utf-8")
    (folder / "test_shop.py").write_text(tests, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    command = [sys.executable, "-c", RUN]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    trouble, said = run(tmp_path_factory.mktemp("shop"), TESTS)
    assert trouble == ""
    return said


def test_a_change_that_a_test_notices_is_killed_by_it(verdicts):
    """The test that failed is named."""
    name = "shop price: return net + net * RATES[kind] // 100  ->  return net - net * RATES[kind] // 100"
    assert verdicts[name] == ["killed", "test_shop.py::test_price"]


def test_a_change_that_no_test_notices_survives(verdicts):
    """100 is not above 100, and the tests never ask for more; what no test passes through survives too."""
    assert verdicts["shop price: if net > 100  ->  if False"][0] == "survived"
    assert verdicts["shop price: net > 100  ->  net >= 100"][0] == "killed"
    assert verdicts["shop price: note(kind)  ->  (removed)"] == ["survived", "no test passes here"]


def test_a_table_is_changed_before_it_is_imported(verdicts):
    """One row is tested, the other isn't."""
    book, car = "'book': 7, 'car': 19", "'book': 7, 'car': 20"
    assert verdicts[f"shop module: RATES = {{{book}}}  ->  RATES = {{{car}}}"][0] == "survived"
    book, changed = "'book': 7, 'car': 19", "'book': 8, 'car': 19"
    assert verdicts[f"shop module: RATES = {{{book}}}  ->  RATES = {{{changed}}}"][0] == "killed"


def test_a_change_that_never_ends_is_stopped(verdicts):
    """Counting up from three takes for ever."""
    assert verdicts["shop wait: count -= 1  ->  (removed)"] == ["timed out", ""]


def test_tests_that_fail_without_any_change_say_nothing_of_mutants(tmp_path):
    """The failing test is named, and no mutant is tried."""
    trouble, said = run(tmp_path, TESTS.replace("107", "108"))
    assert trouble == "test_shop.py::test_price fails on the source as it is"
    assert said == {}
