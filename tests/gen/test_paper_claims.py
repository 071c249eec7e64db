import json
import re
import shlex
from pathlib import Path

import pytest

from gen import claims as command
from gen.build import named
from gen.checkpoint import read_parameters
from gen.compile import compile_network
from gen.costs import costs
from gen.crossbar_map import crossbar_map
from gen.energy.report import energy_report
from gen.ir import Target
from gen.paper_claims import VERDICTS, _file, page, paper_claims
from tests.docs.test_pages import check_exists


DOCS = Path(__file__).parents[2] / "docs"

CLAIMS = _file()["claim"]


def test_the_page_is_that_of_the_file(tmp_path, capsys):
    assert (DOCS / "claims.md").read_text() == page()
    assert command.main(["--out", str(tmp_path / "claims.md")]) == 0
    assert (tmp_path / "claims.md").read_text() == page()
    for claim in CLAIMS:
        assert f"| {claim['theirs']} | {claim['ours']} | {claim['verdict']} |" in page()


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim["what"])
def test_each_claim_has_its_source_and_command(claim):
    assert claim["verdict"] in VERDICTS
    assert claim["source"].split(",")[0] in (
        "Scale-Dropout", "SpinBayes", "NeuSpin", "Inverted Normalization")
    words = shlex.split(claim["command"])
    if words[1] == "-m":
        check_exists(words)
    assert not {"page", "read"} <= set(claim) and ("read" in claim) == ("base" in claim)


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if "page" in claim],
                         ids=lambda claim: claim["what"])
def test_figures_of_ours_stand_on_their_page(claim):
    text = (DOCS / claim["page"]).read_text()
    numbers = re.findall(r"\d+\.\d+", claim["ours"])
    assert numbers
    if claim["what"].startswith("change of accuracy"):
        assert "98.66 ± 0.04" in text and "98.65 ± 0.05" in text
        return
    for number in numbers:
        assert number in text


@pytest.mark.parametrize("base, method", [
    pytest.param(base, method, marks=pytest.mark.long if base == "vgg_small" else ())
    for base, method in sorted({(claim["base"], claim["method"]) for claim in CLAIMS if "base" in claim})])
def test_figures_of_a_build_are_what_it_reports(base, method):
    """As rounded on the page."""
    target  = Target(passes=10, view="macro")
    network = compile_network(read_parameters(named(base, method), None), target)
    reports = json.loads(json.dumps({
        "crossbar_map": crossbar_map(network, target), "energy": energy_report(network, target),
        "method_costs": {"methods": [costs(network, target)]}}))
    found   = paper_claims(network, reports)
    asked   = [claim for claim in CLAIMS if (claim.get("base"), claim.get("method")) == (base, method)]
    assert [each["what"] for each in found["claims"]] == [claim["what"] for claim in asked]
    for each, claim in zip(found["claims"], asked, strict=True):
        here = each["here"]
        if claim["topic"] != "energy":
            assert str(here) == claim["ours"]
            continue
        sequential = reports["energy"]["schedules"]["sequential"]["passes"]["10"]["energy_j_per_image"]
        assert claim["ours"] == (
            f"{_three(here * 1e6)} uJ; {_three(sequential * 1e6)} uJ one pass after another")
    assert found["contradictions"] == _file()["contradiction"]


def _three(value):
    """Three digits, also where the last is 0."""
    return f"{value:#.3g}".rstrip(".")


def test_a_network_of_which_no_paper_speaks():
    network = named("lenet5", "affine")
    assert paper_claims(network, {})["claims"] == []
