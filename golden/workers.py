"""Work that is divided among processes of this machine by joblib, or among machines by Ray."""

import logging
from collections.abc import Callable, Iterable, Iterator

import joblib

from gen.command import UserError
from gen.tools import install_hint


__all__ = ["results"]


def results(work: Callable, jobs: Iterable[tuple], processes: int, ray: str | None = None) -> Iterator:
    """Yield what ``work(*job)`` returns of each of ``jobs``, in whatever order they end.

    Parameters
    ----------
    work : function of a module
        What is done; it can be sent to another process, as can all that it takes and returns.
    jobs : iterable of tuple
        What it takes.
    processes : int
        How many do it at once, on this machine. One does it here.
    ray : str or None
        Address of a Ray cluster that does it in place of these, or ``"local"`` for one that is started
        here.

    Raises
    ------
    UserError
        If Ray is not installed, or nothing answers at its address.
    """
    parallel = joblib.Parallel(n_jobs=processes, return_as="generator_unordered")
    if ray is not None:
        _connect(ray)
        with joblib.parallel_config(backend="ray"):
            parallel = joblib.Parallel(n_jobs=-1, return_as="generator_unordered")
    return parallel(joblib.delayed(work)(*job) for job in jobs)


def _connect(address):
    try:
        # Not above, as work on one machine goes without.
        import ray
        from ray.util.joblib import register_ray
    except ModuleNotFoundError as error:
        if error.name.split(".")[0] != "ray":
            raise
        raise UserError(f"Work on several machines needs the package ray; install it with: "
                        f"{install_hint('ray')}, or leave --ray out") from None
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"No Ray cluster answers at {address!r} ({reason}); name the address of one, or "
                        "\"local\" for this machine") from None
    register_ray()
