import json

import pytest

import gen.method_costs
from gen.checkpoint import read_parameters
from gen.compile import compile_network
from gen.ir import Target
from gen.methods import network_of
from gen.networks import NETWORKS


def test_same_as_in_the_reports_of_a_build(lenet5, capsys):
    assert gen.method_costs.main(["lenet5"]) == 0
    printed = json.loads(capsys.readouterr().out)
    [costs] = [each for each in json.loads((lenet5 / "report" / "method_costs.json").read_text())["methods"]
               if each["network"] == "lenet5"]
    estimate = json.loads((lenet5 / "report" / "estimate_network_performance.json").read_text())
    assert printed["estimate"].items() <= estimate.items()
    other = {"periphery": None, "estimate": None}
    assert printed | other == costs | other


@pytest.mark.parametrize("method, bits, arrays, banks", [
    ("deterministic", 0, 7, 5), ("sub-set", 15, 7, 40), ("tiny-ensemble", 0, 7, 20)])
def test_methods(method, bits, arrays, banks, capsys):
    assert gen.method_costs.main(["lenet5", "--method", method, "--passes", "10"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["passes"] == 10 and printed["total"]["random_bits_per_prediction"] == 10 * bits
    assert (printed["total"]["arrays"], printed["total"]["banks"]) == (arrays, banks)
    assert printed["random_sources"]["per_model"] == min(bits, 1)
    # What passes have in common is read once: all of a deterministic network.
    shared, alone = printed["total"]["reads_shared"], printed["total"]["reads_sequential"]
    assert shared < alone and (method != "deterministic" or 10 * shared == alone)


def test_periphery(tmp_path, monkeypatch):
    """Cells without arrays; what is made for it is gone afterwards."""
    target  = Target()
    network = compile_network(read_parameters(network_of("lenet5", "deterministic")), target)
    emitted = []

    def count(directory):
        emitted.append(json.loads((directory / "manifest.json").read_text()))
        return {"LUT": 5, "FF": 4}

    monkeypatch.setattr(gen.method_costs, "count_cells", count)
    assert gen.method_costs.periphery(network, target, tmp_path) == {
        "source": "synthesized", "status": "run", "LUT": 5, "FF": 4}
    assert not list(tmp_path.iterdir())
    [manifest] = emitted
    assert {"softmax", "averaging", "layer_fc3"} <= set(manifest["blocks"])
    assert not {"rng", "mask_bank"} & set(manifest["blocks"])
    assert [port for port in manifest["ports"] if port["name"].startswith("layer_conv1__")]


def test_wrong_arguments(capsys):
    assert gen.method_costs.main(["lenet6"]) == 2
    assert capsys.readouterr().err == (
        f"gen.method_costs: Network 'lenet6' is unknown; choose one of: {', '.join(NETWORKS)}; or name a "
        "file that ends with .npz, .onnx or .toml\n")
    assert gen.method_costs.main(["lenet5", "--method", "deterministic", "--p", "0.5"]) == 2
    assert capsys.readouterr().err == (
        "gen.method_costs: Method 'deterministic' has no dropout probability; leave --p out\n")
