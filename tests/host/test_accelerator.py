"""What a host says of lines and boards that are not as they should be; the rest is in test_predict."""

import json
import os

import numpy as np
import pytest

import host.accelerator
import host.link
from host import Accelerator, HostError
from host.serial_port import SerialPort
from tests.host.board import Board, Clock


BUS = {
    "kind": "uart", "hash": "0000abcd" + 56 * "0", "baud": 3_000_000, "clock_hz": 10**8,
    "pixel_bytes": 2048,
    "registers": [{"name": "ID", "address": 0, "access": "read"},
                  {"name": "BUILD", "address": 8, "access": "read"},
                  {"name": "PASSES", "address": 0x14, "access": "read, write"},
                  {"name": "CONFIDENCE", "address": 0x34, "access": "read, write"},
                  {"name": "STATE_LOW", "address": 0x60, "access": "write"},
                  {"name": "EVENTS", "address": 0x1C, "access": "read, write 1 to clear",
                   "fields": [{"name": "refused", "low": 4}]}],
    "flags": ["last", "reject", "error", "mismatch"],
    "record": [{"name": name, "width": 64 if name == "square" else 32} for name in (
        "square", "sum", "votes", "confident", "prediction", "passes", "flags")],
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({
        "generator": "spincim", "bus": BUS, "pixels": 80, "colours": 1, "classes": 2, "passes_max": 32,
        "unit": 65536, "zero": 0}))
    return tmp_path


@pytest.fixture
def board(monkeypatch):
    """A board that answers images of 80 bytes with as many as two records have, at any port."""
    clock = Clock()
    board = Board(clock, {0: 0x5350494E, 8: 0xABCD, 0x14: 20, 0x1C: 0, 0x34: 62260}, factor=64 / 80)
    board.close = lambda: None
    monkeypatch.setattr(host.link, "time", clock)
    monkeypatch.setattr(host.accelerator, "SerialPort", lambda name, baud: board)
    return board


def records(*flags):
    kind = np.dtype([(field["name"], f"<u{field['width'] // 8}") for field in BUS["record"]])
    both = np.zeros((len(flags), 2), kind)
    both["sum"], both["passes"], both["prediction"] = (0, 65536 * 20), 20, 1
    both["square"] = 0, 2**32 * 20
    both["flags"][:, -1] = flags
    return both.tobytes()


def predict(board, folder, results, count=1, **options):
    """What is predicted where these are the results."""
    with Accelerator.open(folder, "PORT") as accelerator:
        line = bytes(byte ^ 0x5A for byte in results)
        images = np.zeros((count, 80), np.uint8)
        # The results of the board are the first bytes of pixels, changed.
        images.reshape(-1)[:len(line)] = np.frombuffer(line, np.uint8)
        return accelerator.predict(images, **options)


def test_a_certain_answer(board, folder):
    found = predict(board, folder, records(1, 3), 2)
    assert found.classes.tolist() == [1, 1] and found.rejected.tolist() == [False, True]
    assert found.probabilities.tolist() == [[0, 1]] * 2
    assert (found.variance == 0).all() and (found.entropy == 0).all()
    assert (found.approximate_mutual_information == 0).all()
    assert board.registers[0x14] == 20 and board.resets == 1


@pytest.mark.parametrize("flags, message", [
    (5, "The accelerator says that its results cannot be trusted: a health test of its random bits has "
        "failed, or a bit has flipped; reset it, or load board/top.bit into the board again"),
    (9, "The accelerator has taken images of another length, or another number of passes; see that no "
        "other program has the port")])
def test_what_cannot_be_trusted(board, folder, flags, message):
    with pytest.raises(HostError) as error:
        predict(board, folder, records(flags))
    assert str(error.value) == message


@pytest.mark.parametrize("images, passes, message", [
    (np.zeros((1, 79), np.uint8), 20, r"Images must be uint8, one at least, of 80 bytes each, not uint8 "
                                      r"\(1, 79\)"),
    (np.zeros((1, 80)), 20, r"Images must be uint8, one at least, of 80 bytes each, not float64 \(1, 80\)"),
    (np.zeros((1, 80), np.uint8), 33, r"Passes must be from 1 to 32 \(T_max of this build\), not 33")])
def test_what_is_not_for_it(board, folder, images, passes, message):
    with Accelerator.open(folder, "PORT") as accelerator, pytest.raises(HostError, match=f"^{message}$"):
        accelerator.predict(images, passes)


@pytest.mark.parametrize("address, message", [
    (8, "The board has another build (00001234) than the folder (0000abcd); load board/top.bit, or name "
        "the folder of what is on the board"),
    (0, "What answers at port PORT is no accelerator (0x00001234)")])
def test_something_else(board, folder, address, message):
    board.registers[address] = 0x1234
    with pytest.raises(HostError) as error:
        Accelerator.open(folder, "PORT")
    assert str(error.value) == message


def test_no_board(board, folder):
    board.write = lambda line: None
    with pytest.raises(HostError, match="^No accelerator answers at port PORT at 3000000 baud; load "
                                        "board/top.bit into the board, and see that port and baud rate are "
                                        "those of the board$"):
        Accelerator.open(folder, "PORT")


@pytest.mark.parametrize("function, arguments, message", [
    ("read", ["NOPE"], "There is no register 'NOPE'; there are: ID, BUILD, PASSES, CONFIDENCE, STATE_LOW, "
                       "EVENTS"),
    ("read", ["STATE_LOW"], "Register STATE_LOW is not to read, but to write"),
    ("write", ["ID", 3], "Register ID is not to write, but to read"),
    ("write", ["PASSES", 2**40], "A value of a register must be a whole number from 0 to 4294967295, not "
                                 "1099511627776"),
    ("write", ["PASSES", 0.5], "A value of a register must be a whole number from 0 to 4294967295, not "
                               "0.5"),
])
def test_registers_that_are_not_there(board, folder, function, arguments, message):
    with Accelerator.open(folder, "PORT") as accelerator:
        with pytest.raises(HostError) as error:
            getattr(accelerator, function)(*arguments)
    assert str(error.value) == message


def test_wrong_baud(board, folder):
    """What comes is never a frame."""
    board._hit = lambda line: (0xF0 for _ in line)
    board._answer = lambda frame: None
    board.write(b"")
    board._send(b"something")
    with pytest.raises(HostError, match="^What comes from port PORT at 9600 baud is no answer of an "
                                        "accelerator; give the baud rate of what is on the board with "
                                        "--baud, or load board/top.bit into the board again$"):
        Accelerator.open(folder, "PORT", baud=9600)


def test_after_what_was_stopped(board, folder):
    """The next images begin anew, with a reset."""
    with Accelerator.open(folder, "PORT") as accelerator:
        hit, board._hit = board._hit, lambda line: iter(())
        with pytest.raises(HostError, match="^Nothing comes from port PORT any more; see that the board "
                                            "has power, and load board/top.bit again$"):
            accelerator.predict(np.zeros((1, 80), np.uint8))
        board._hit = hit
        results = np.frombuffer(records(1), np.uint8) ^ 0x5A
        found = accelerator.predict(np.append(results, np.zeros(16, np.uint8))[None])
        assert found.classes.tolist() == [1] and board.resets == 2


@pytest.mark.parametrize("contents, message", [
    (None, "has no manifest.json that can be read (No such file or directory)"),
    ("{", "has no build with a serial line"), ('{"generator": "spincim", "bus": null}',
                                               "has no build with a serial line")])
def test_no_build(tmp_path, contents, message):
    if contents is not None:
        (tmp_path / "manifest.json").write_text(contents)
    with pytest.raises(HostError) as error:
        Accelerator.open(tmp_path, "PORT")
    assert str(error.value) == (f"Folder {tmp_path} {message}; make one with: python -m gen.build --layers "
                                "NETWORK --board ulx3s_85f --out DIR")


@pytest.mark.parametrize("confidence, held", [(0, 0), (0.95, 62260), (0.5, 32768), (1, 65535)])
def test_threshold(board, folder, confidence, held):
    """The least probability that is not below; and what was set is set again after a reset."""
    # A 1 that is written to EVENTS clears it, which the registers of this board do not.
    board.registers = Cleared(board.registers)
    with Accelerator.open(folder, "PORT") as accelerator:
        accelerator.configure(confidence=confidence)
        assert board.registers[0x34] == held
        board.registers[0x34] = 1
        accelerator.reset()
        assert board.registers[0x34] == held


class Cleared(dict):
    def __setitem__(self, place, value):
        super().__setitem__(place, 0 if place == 0x1C else value)


@pytest.mark.parametrize("given, message", [
    ({"seed": 0}, "Seed must be a whole number from 1 to 18446744073709551615, not 0"),
    ({"seed": "a"}, "Seed must be a whole number from 1 to 18446744073709551615, not 'a'"),
    ({"confidence": 1.5}, "Confidence must be from 0 to 1, not 1.5"),
    ({"confidence": float("nan")}, "Confidence must be from 0 to 1, not nan"),
    ({"agreement": 0}, "Agreement must be a whole number from 1 to 100, not 0"),
    ({"agreement": 90.5}, "Agreement must be a whole number from 1 to 100, not 90.5"),
])
def test_settings_that_cannot_be(board, folder, given, message):
    with Accelerator.open(folder, "PORT") as accelerator, pytest.raises(HostError) as error:
        accelerator.configure(**given)
    assert str(error.value) == message


def test_closed(board, folder):
    with Accelerator.open(folder, "PORT") as accelerator:
        pass
    with pytest.raises(HostError, match="^The accelerator was closed; open it again with "
                                        "Accelerator.open$"):
        accelerator.configure(confidence=0.5)


def test_hits_that_cannot_be(folder):
    with pytest.raises(HostError, match="^Hits must be from 0 to 0.02, not 2$"):
        Accelerator.open(folder, hits=2)


def test_what_cannot_be_configured(board, folder):
    with Accelerator.open(folder, "PORT") as accelerator:
        with pytest.raises(HostError, match="^The accelerator has an image on its way, so it takes no seed "
                                            "and no threshold; see that no other program uses it, or reset "
                                            "it$"):
            accelerator.configure(confidence=0.5)
        with pytest.raises(HostError, match="^The accelerator has no pseudo-random source, so there is "
                                            "no seed; its random bits are those of junctions, or it has "
                                            "none$"):
            accelerator.configure(seed=3)


def test_no_port():
    with pytest.raises(HostError) as error:
        SerialPort("/dev/none", 3_000_000)
    assert str(error.value) == ("Port /dev/none cannot be opened (No such file or directory); name that of "
                                "the board with --port, and see that no other program has it")


def test_unplugged():
    """The other end of a line is closed."""
    board, other = os.openpty()
    port = SerialPort(os.ttyname(other), 115200)
    os.write(board, b"12")
    assert port.read(1.0) in (b"1", b"12")
    os.close(board)
    os.close(other)
    with pytest.raises(HostError, match=r"^Port /dev/pts/\d+ is gone \(.+\); plug the board in again, and "
                                        "see that no other program has the port$"):
        while True:
            port.read(0.01)
    with pytest.raises(HostError, match=" is gone "):
        port.write(b"1")
    port.close()
