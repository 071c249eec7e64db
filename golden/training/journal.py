"""The state of a training in a file, so that the training can go on where it was stopped."""

import copy
import signal
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import torch

from gen.command import UserError
from gen.files import FileError, replacing


__all__ = ["Journal", "TrainingError"]


class TrainingError(UserError):
    """A training that cannot begin or go on, with the way out in its message."""


class Journal:
    """Keep the state of a training: at the end of every epoch, and on Ctrl-C after the step under way.

    The file holds, for each stage so far, the states of model, optimizer, schedule and all random
    generators, and the place in the epoch. A training that runs the same stages again with the journal
    skips the steps that are done, and ends as if it had never stopped: on a CPU with as many threads, to
    the last bit. As a context, the journal handles Ctrl-C.

    Parameters
    ----------
    path : Path or None
        File that keeps the state; None keeps none. If it is there, it is read.
    run : dict
        Options of the training, plain values by name; a file with other options is refused.
    device : :class:`torch.device`
        Its random generator is kept, beside that of the CPU.
    option : str
        Option of the command that names the file, for messages.

    Raises
    ------
    TrainingError
        If the file is damaged, or of another run. :meth:`batches` raises it if the file cannot be
        written.
    """

    def __init__(self, path: Path | None = None, run: dict | None = None,
                 device: torch.device = torch.device("cpu"), option: str = "--out"):
        self.path = path
        self._option = option
        self._run, self._device = run or {}, device
        self._stages = {}
        self._in_step = self._stopped = False
        if path is not None and path.exists():
            self._stages = self._read()

    def __enter__(self):
        self._previous = None
        if threading.current_thread() is threading.main_thread(): # no other thread may set a handler
            self._previous = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_):
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    @property
    def begun(self) -> bool:
        """Whether the file holds the state of a training."""
        return bool(self._stages)

    def batches(self, stage: str, epochs: int, count: int, epoch: Callable[[int], Iterable],
                parts: dict, generators: Iterable[torch.Generator] = ()) -> Iterator[tuple[int, object]]:
        """Yield the number of each step of a stage, and its batch, beginning where the journal is.

        Parameters
        ----------
        stage : str
            Name of the stage, another one for each stage of a training.
        count : int
            Batches of an epoch.
        epoch : callable
            Given the number of an epoch, returns its batches. All its random draws are made before the
            first batch.
        parts : dict
            Objects whose state changes from step to step, by name, with ``state_dict`` and
            ``load_state_dict``.
        generators : iterable of :class:`torch.Generator`
            Random generators that ``epoch`` uses beside those of torch.
        """
        first = skip = 0
        if known := self._stages.get(stage):
            for name, part in parts.items():
                part.load_state_dict(known["parts"][name])
            first, skip = known["epoch"], known["batch"]
            self._set_random(known["begin"], generators)
        for number in range(first, epochs):
            begin = self._random(generators)
            batches = iter(epoch(number))
            if skip:
                for _ in islice(batches, skip):
                    pass
                self._set_random(known["now"], generators)
            for index, batch in enumerate(batches, skip):
                self._in_step = True
                yield number * count + index, batch
                self._in_step = False
                if self._stopped:
                    self._keep(stage, number, index + 1, begin, parts, generators)
                    raise KeyboardInterrupt
            skip = 0
            self._keep(stage, number + 1, 0, self._random(generators), parts, generators)

    def left(self, stage: str, epochs: int, count: int) -> int:
        """Return the number of steps that :meth:`batches` will yield for a stage."""
        known = self._stages.get(stage, {"epoch": 0, "batch": 0})
        return (epochs - known["epoch"]) * count - known["batch"]

    def remove(self):
        """Remove the file, when the training is at its end."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _interrupt(self, *_):
        # The state is consistent between two steps only, so the step under way ends first. A second Ctrl-C
        # does not wait for it.
        if not self._in_step or self._stopped:
            raise KeyboardInterrupt
        self._stopped = True

    def _random(self, generators):
        states = [torch.get_rng_state(), *(generator.get_state() for generator in generators)]
        return [*states, torch.cuda.get_rng_state(self._device)] if self._device.type == "cuda" else states

    def _set_random(self, states, generators):
        torch_state, *states = states
        torch.set_rng_state(torch_state)
        for generator, state in zip(generators, states, strict=False):
            generator.set_state(state)
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(states[-1], self._device)

    def _keep(self, stage, epoch, batch, begin, parts, generators):
        if self.path is None:
            return
        # The states are copied, since a later stage trains the same model.
        self._stages[stage] = {
            "epoch": epoch, "batch": batch, "begin": begin, "now": self._random(generators),
            "parts": {name: copy.deepcopy(part.state_dict()) for name, part in parts.items()}}
        try:
            with replacing(self.path) as file:
                torch.save({"run": self._run, "stages": self._stages}, file)
        except (FileError, OSError) as error:
            reason = error.reason if isinstance(error, FileError) else error.strerror
            raise TrainingError(f"Training state {self.path} cannot be written ({reason}); the same "
                                f"command goes on from the last that could") from None

    def _read(self):
        try:
            with zipfile.ZipFile(self.path) as archive: # torch does not check the checksums
                if damaged := archive.testzip():
                    raise ValueError(damaged)
            found = torch.load(self.path, map_location="cpu", weights_only=True)
            run, stages = found["run"], found["stages"]
            different = [name for name in self._run if run.get(name) != self._run[name]]
        except Exception: # the loader raises many kinds for damaged and foreign files
            raise TrainingError(f"Training state {self.path} is damaged; remove it to begin anew, or name "
                                f"another file with {self._option} FILE") from None
        if different:
            name = different[0]
            raise TrainingError(f"Training state {self.path} is of another run, with {name} "
                                f"{run.get(name)}, not {self._run[name]}; remove it to begin anew, or name "
                                f"another file with {self._option} FILE")
        return stages
