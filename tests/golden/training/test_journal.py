import random
import re
import signal
import threading

import pytest
import torch
from torch import nn

from golden.training.journal import Journal, TrainingError


RUN = {"network": "small", "seed": 1}

#: Epochs and steps of each of two stages.
EPOCHS, COUNT = 3, 4


class Stop(Exception):
    """A training that is killed, and writes nothing more."""


def train(path, at=None, how=None, run=RUN):
    """Train a model in two stages with every kind of state; before step ``at`` in all, call ``how``.

    Returns what the training came to, and how many steps it took.
    """
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    generator = torch.Generator().manual_seed(2)
    trace, steps = [], 0

    def epoch(number):
        order = torch.randn(COUNT, 5, 3, generator=generator) + number
        yield from order[torch.randperm(COUNT)]

    with Journal(path, run) as journal:
        for stage in ("one", "two"):
            optimizer = torch.optim.Adam(model.parameters(), fused=True)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=EPOCHS * COUNT)
            parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
            left = journal.left(stage, EPOCHS, COUNT)
            for number, batch in journal.batches(stage, EPOCHS, COUNT, epoch, parts, [generator]):
                if steps == at:
                    how()
                loss = model(batch).square().sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                steps += 1
                assert number == EPOCHS * COUNT - left
                left -= 1
            trace += [torch.rand(2)] # what lies between draws random numbers too
    return [*model.state_dict().values(), *trace, generator.get_state()], steps


def same(found, expected):
    return all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def interrupt():
    signal.raise_signal(signal.SIGINT)


def kill():
    raise Stop


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """With more, the rounding may differ; and they wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "small.npz.training"


@pytest.mark.parametrize("at", range(2 * EPOCHS * COUNT))
def test_interrupted_anywhere(path, at):
    """The step under way ends, and the rest comes to the same as in a training that never stopped."""
    with pytest.raises(KeyboardInterrupt):
        train(path, at, interrupt)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    result, steps = train(path)
    assert steps == 2 * EPOCHS * COUNT - at - 1
    assert same(result, train(None)[0])


@pytest.mark.parametrize("at", [COUNT, COUNT + 2, EPOCHS * COUNT - 1, EPOCHS * COUNT, EPOCHS * COUNT + 5])
def test_killed(path, at):
    """What was done since the last epoch is done again."""
    with pytest.raises(Stop):
        train(path, at, kill)
    result, steps = train(path)
    assert steps == 2 * EPOCHS * COUNT - at // COUNT * COUNT
    assert same(result, train(None)[0])


def test_interrupted_again_and_again(path):
    done = 0
    for at in (0, 1, 5, 0, 3):
        with pytest.raises(KeyboardInterrupt):
            train(path, at, interrupt)
        done += at + 1
    result, steps = train(path)
    assert steps == 2 * EPOCHS * COUNT - done and same(result, train(None)[0])


def test_done_already(path):
    first, _ = train(path)
    again, steps = train(path)
    assert steps == 0 and same(first, again)


def test_second_interrupt_does_not_wait(path):
    def twice():
        interrupt()
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        train(path, 1, twice)
    assert not path.exists()


def test_restores_the_handler(path):
    before = signal.getsignal(signal.SIGINT)
    train(path)
    assert signal.getsignal(signal.SIGINT) is before


def test_in_a_thread(path):
    """Where no signal can be handled."""
    results = []
    thread = threading.Thread(target=lambda: results.append(train(path)[0]))
    thread.start()
    thread.join()
    assert same(results[0], train(None)[0])


def test_remove(path):
    train(path)
    journal = Journal(path, RUN)
    assert journal.begun
    journal.remove()
    journal.remove()
    assert not path.exists() and not Journal(path, RUN).begun


def refused(path, message, run=RUN):
    with pytest.raises(TrainingError, match=f"^{re.escape(f'Training state {path} {message}')}$"):
        Journal(path, run)


def test_other_run(path):
    train(path)
    content = path.read_bytes()
    refused(path, "is of another run, with seed 1, not 2; remove it to begin anew, or name another file "
                  "with --out FILE", run={"network": "small", "seed": 2})
    refused(path, "is of another run, with recipe None, not paper; remove it to begin anew, or name "
                  "another file with --out FILE", run={**RUN, "recipe": "paper"})
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"a line of text", None])
def test_damaged(path, content):
    train(path)
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    refused(path, "is damaged; remove it to begin anew, or name another file with --out FILE")


def test_changed_bytes(path):
    """No training goes on from numbers that are not those kept."""
    expected, _ = train(path)
    whole, rng, found = path.read_bytes(), random.Random(1), 0
    for _ in range(100):
        content = bytearray(whole)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        try:
            result, _ = train(path)
        except TrainingError:
            found += 1
        else:
            assert same(result, expected)
    assert found > 20


@pytest.mark.parametrize("content", [{"run": {}}, {"run": 1, "stages": {}}, [1, 2]])
def test_foreign_file(path, content):
    torch.save(content, path)
    refused(path, "is damaged; remove it to begin anew, or name another file with --out FILE")


def test_executes_nothing(path):
    """A file may come from anywhere."""
    class Harmful:
        def __reduce__(self):
            return pytest.fail, ("was executed",)

    torch.save({"run": RUN, "stages": {"one": Harmful()}}, path)
    refused(path, "is damaged; remove it to begin anew, or name another file with --out FILE")


def test_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / "small.npz.training"
    message = (f"Training state {path} cannot be written (File exists); the same command "
               "goes on from the last that could")
    with pytest.raises(TrainingError, match=f"^{re.escape(message)}$"):
        train(path)
