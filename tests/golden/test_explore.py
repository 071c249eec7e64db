"""Points are what compiler and golden model say; the front is what the definition says."""

import csv
import json
import random
import xml.etree.ElementTree

import pytest

import golden.explore
from golden import metrics
from golden.answers import answer
from golden.compiler import compiled
from golden.data import load_sample
from golden.explore import METRICS, front, main


ASKED = ["lenet5", "--over", "p=0.3", "method=scale-dropout,sub-set", "passes=1,3", "--metric",
         "energy,nll,accuracy", "--images", "50"]


def read_json(path):
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    out = tmp_path_factory.mktemp("explore")
    assert main([*ASKED, "--out", str(out)]) == 0
    return out


def test_points_are_measured(explored, capsys):
    report = read_json(explored / "explore.json")
    assert len(report["points"]) == 4 and report["images"] == "sample, 50"
    pixels, labels = load_sample()
    for point in report["points"]:
        options = point["options"]
        assert options["p"] == "0.3"
        if options["method"] == "sub-set":
            assert point["impossible"] == "Method 'sub-set' has no dropout probability; leave --p out"
            assert not point["front"]
            continue
        passes  = int(options["passes"])
        found   = answer(compiled("lenet5", passes=passes, p=0.3), pixels[:50], passes)
        figures = metrics.classification(found.prediction.mean, labels[:50])
        assert point["metrics"]["nll"] == figures["test/cls/NLL"]
        assert point["metrics"]["accuracy"] == figures["test/cls/Acc"]
        assert point["metrics"]["fps"] == pytest.approx(125e6 / 784)
    assert main([*ASKED, "--out", str(explored)]) == 0
    said = capsys.readouterr().out
    assert said.count("not possible: p=0.3 method=sub-set passes=") == 2
    assert said.splitlines()[-1] == (
        f"{sum(point['front'] for point in report['points'])} of 4 points are on the front; written to "
        f"{explored}")


def test_files_of_the_front(explored):
    report = read_json(explored / "explore.json")
    with (explored / "explore.csv").open() as file:
        rows = list(csv.DictReader(file))
    possible = [point for point in report["points"] if "metrics" in point and "impossible" not in point]
    assert [float(row["nll"]) for row in rows] == [point["metrics"]["nll"] for point in possible]
    assert [bool(int(row["front"])) for row in rows] == [point["front"] for point in possible]
    tree = xml.etree.ElementTree.parse(explored / "explore.svg")
    texts = {text.text for text in tree.iter("{http://www.w3.org/2000/svg}text")}
    best  = {" ".join(point["options"].values()) for point in front(possible, ("energy", "nll"))}
    assert best and best <= texts


def test_goes_on_with_what_is_kept(explored, monkeypatch, capsys):
    """Nothing is computed twice, and what is missing or damaged is; what else is asked for is added."""
    def fail(*arguments):
        raise AssertionError(arguments)

    monkeypatch.setattr(golden.explore, "run_compiler", fail)
    monkeypatch.setattr(golden.explore, "compiled", fail)
    before = (explored / "explore.json").read_bytes()
    assert main([*ASKED, "--out", str(explored)]) == 0
    assert (explored / "explore.json").read_bytes() == before
    kept = next(path for path in (explored / "points").iterdir() if "impossible" not in read_json(path))
    for content in (b"", b"[]", kept.read_bytes()[:50]):
        kept.write_bytes(content)
        with pytest.raises(AssertionError):
            main([*ASKED, "--out", str(explored)])
    assert kept.read_bytes() == content


@pytest.mark.parametrize("seed", range(20))
def test_front(seed):
    """A point is on it unless another is as good in all and better in one."""
    rng    = random.Random(seed)
    names  = ("energy", "fps", "nll")[:rng.randint(2, 3)]
    points = [{"metrics": {name: rng.randrange(4) for name in names}} for _ in range(rng.randrange(12))]
    signs  = [-1 if METRICS[name].more else 1 for name in names]
    found  = front(points, names)
    for point in points:
        own  = [sign * point["metrics"][name] for sign, name in zip(signs, names, strict=True)]
        rest = [[sign * other["metrics"][name] for sign, name in zip(signs, names, strict=True)]
                for other in points]
        beaten = any(other != own and all(map(int.__le__, other, own)) for other in rest)
        assert (point in found) == (not beaten)


@pytest.mark.parametrize("arguments, message", [
    (["--over", "depth"], "argument --over: must be of method, passes, p, crossbars, ways, adcs, interval, "
                          "luts, schedule, sources, view, not 'depth'"),
    (["--over", "passes", "--metric", "energy"], "argument --metric: must be two or more different ones"),
    (["--over", "passes", "--metric", "energy,cost"],
     f"argument --metric: must be of {', '.join(METRICS)}, not 'cost'"),
])
def test_wrong_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit):
        main(["lenet5", *arguments])
    assert capsys.readouterr().err == f"golden.explore: {message}\n"


def test_images_of_the_network_are_needed(tmp_path, capsys):
    assert main(["m5", "--over", "passes=1", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "golden.explore: Network 'm5' is for gunpoint, of which no images come with the project; name a "
        "folder with --data DIR")
