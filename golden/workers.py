"""Work that is divided among processes of this machine by joblib, or among machines by Ray."""

import logging
import socket
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import joblib

from gen.command import UserError
from gen.tools import install_hint


__all__ = ["results"]


#: Seconds in which a cluster must answer.
_PATIENCE_S = 10


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
        here. This project must be installed on its machines.

    Raises
    ------
    UserError
        If Ray is not installed, or nothing answers at its address.
    """
    if ray is not None:
        return _on_cluster(_connect(ray), work, jobs)
    parallel = joblib.Parallel(n_jobs=processes, return_as="generator_unordered")
    return parallel(joblib.delayed(work)(*job) for job in jobs)


def _connect(address):
    try:
        # Not above, as work on one machine goes without.
        import ray
    except ModuleNotFoundError as error:
        if error.name.split(".")[0] != "ray":
            raise
        raise UserError(f"Work on several machines needs the package ray; install it with: "
                        f"{install_hint('ray')}, or leave --ray out") from None
    try:
        host, _, port = address.removeprefix("ray://").rpartition(":")
        if host: # Ray itself asks for minutes
            socket.create_connection((host, int(port)), _PATIENCE_S).close()
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"No Ray cluster answers at {address!r} ({reason}); name the address of one, or "
                        "\"local\" for this machine") from None
    return ray


def _on_cluster(ray, work, jobs):
    # joblib's backend for Ray has no generators, so results would come all at once at the end.
    jobs, remote = iter(jobs), ray.remote(work)
    most = 2 * int(ray.cluster_resources().get("CPU", 1)) # under way, so that none waits for the next
    running = [remote.remote(*job) for job in islice(jobs, most)]
    try:
        while running:
            (done,), running = ray.wait(running)
            yield ray.get(done)
            running += [remote.remote(*job) for job in islice(jobs, 1)]
    finally:
        ray.shutdown()
