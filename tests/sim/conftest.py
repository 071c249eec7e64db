"""Simulators that share what they have in common, so that only a design itself is compiled anew."""

import shutil

import pytest

from sim import run


@pytest.fixture(scope="session")
def simulate(tmp_path_factory):
    """:func:`sim.run.simulate`, which takes Verilator's run-time library from the first simulator."""
    pool = tmp_path_factory.mktemp("runtime")

    def simulate(directory, *args, **kwargs):
        work = directory / "sim_build"
        if not work.exists():
            shutil.copytree(pool, work, copy_function=shutil.copy)
        report = run.simulate(directory, *args, **kwargs)
        for path in work.glob("verilat*.[od]"):
            shutil.copy(path, pool)
        return report

    return simulate
