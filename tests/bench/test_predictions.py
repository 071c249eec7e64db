import json

from bench import predictions
from golden.data import load_sample


def test_rates_are_measured(monkeypatch, tmp_path, capsys):
    """Of few passes, and only once; what they are is up to the machine."""
    images, labels = load_sample()
    for name, value in ("PASSES", 1), ("RUNS", 1), ("load_sample", lambda: (images[:20], labels[:20])):
        monkeypatch.setattr(predictions, name, value)
    monkeypatch.setenv("OMP_NUM_THREADS", "1") # so that it is as before behind this test
    assert not predictions.main(["--json", str(tmp_path / "found.json")])
    figures = json.loads((tmp_path / "found.json").read_text())
    assert figures["passes"] == 1
    for network in "lenet5", "resnet20":
        rates = figures[network]
        assert {"reference", "tables", "tables/reference"} <= set(rates)
        assert rates["tables/reference"] == rates["tables"] / rates["reference"] > 0
    assert capsys.readouterr().out.split()[:3] == ["network", "reference", "tables"]
