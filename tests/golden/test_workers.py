import os
import sys
from importlib.util import find_spec

import pytest

from gen.command import UserError
from gen.tools import install_hint
from golden.workers import results


WITHOUT = "the extra 'check' leaves Ray out, which is large"


def work(number, power):
    return number**power, os.getpid()


@pytest.mark.parametrize("processes", [1, 2])
def test_results(processes):
    """Of all jobs; of one process, this one."""
    found = list(results(work, [(number, 2) for number in range(6)], processes))
    assert sorted(value for value, _ in found) == [0, 1, 4, 9, 16, 25]
    assert ({process for _, process in found} == {os.getpid()}) == (processes == 1)


def fail():
    raise UserError("what a user did")


def test_an_error_comes_here():
    with pytest.raises(UserError, match="^what a user did$"):
        list(results(fail, [()], 2))


@pytest.mark.skipif(find_spec("ray") is None, reason=WITHOUT)
@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "a:b"])
def test_no_cluster_answers(address):
    with pytest.raises(UserError, match=f"^No Ray cluster answers at '{address}' .*name the address"):
        list(results(work, [(1, 2)], 1, address))


def test_without_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError) as error:
        list(results(work, [(1, 2)], 1, "local"))
    assert str(error.value) == ("Work on several machines needs the package ray; install it with: "
                                f"{install_hint('ray')}, or leave --ray out")


@pytest.mark.skipif(find_spec("ray") is None, reason=WITHOUT)
def test_ray():
    """Started on this machine."""
    found = list(results(work, [(number, 2) for number in range(6)], 1, "local"))
    assert sorted(value for value, _ in found) == [0, 1, 4, 9, 16, 25]
    assert os.getpid() not in {process for _, process in found}
