"""The page ``report/summary.html``: what the reports of a build say, with drawings, in one file.

It asks nothing of the network, takes no script, and follows the reader's choice of light or dark. Each
number is in the element ``data`` with its full value, and is written shorter beside it. Drawings that are
given are images in the page, each with the table of its numbers.
"""

import base64
import csv
import io
import math
from html import escape


__all__ = ["page"]


_STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --paper: #ffffff; --line: #d5dae0; --soft: #f2f4f7;
  --mark: #b3261e; --c0: #0b6e99; --c1: #d17a00; --c2: #4c8a2b; --c3: #8e5aa8; --c4: #c2456b; --c5: #5d6b7a;
  --c6: #1f9d8f; --c7: #a08400; --c8: #6a55d6; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --paper: #14181c; --line: #3a424b; --soft: #1f252b; --mark: #ff8a80;
    --c0: #4fb3dd; --c1: #f0a94a; --c2: #8cc46a; --c3: #c49be0; --c4: #f087a6; --c5: #9aa8b6; --c6: #5fd0c3;
    --c7: #d6bd4a; --c8: #a99bff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.wide { overflow-x: auto; } img { display: block; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  overflow-wrap: normal; }
td.number, th.number { text-align: right; white-space: nowrap; }
.bar { position: relative; display: flex; height: 1.4rem; background: var(--soft);
  border: 1px solid var(--line); }
.bar span { display: block; height: 100%; }
.bar .limit { position: absolute; top: -.2rem; bottom: -.2rem; width: 2px; height: auto;
  background: var(--mark); }
.row { margin: .5rem 0; } .row p { margin: 0; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; list-style: none; }
.legend i { display: inline-block; width: .9rem; height: .9rem; margin-right: .4rem;
  vertical-align: -.1rem; }
.bottleneck { font-weight: bold; color: var(--mark); }
details { margin: .3rem 0; } summary { cursor: pointer; }
""" + "".join(f".c{index} {{ background: var(--c{index}); }}\n" for index in range(9))

#: Letters of powers of 1,000 from 10 ** -18 to 1.
_PREFIXES = ("a", "f", "p", "n", "u", "m", "")

#: Where there are no drawings.
_NO_FIGURES = ("<p>What follows from images, such as accuracy against T or reliability, is drawn by "
               "<code>python -m golden.plot FIGURE NETWORK --out FOLDER</code>; <code>python -m gen.report "
               "DIR --figures FOLDER</code> puts it here.</p>")

#: How names of energies in joule end.
_ENERGIES = ("_j", "_j_per_image", "_j_per_pass")


def page(reports: dict[str, dict], figures: dict[str, tuple[bytes, str]] | None = None) -> str:
    """Return the page of ``reports``, as they are read from the JSON files of a build, by the names of
    these; what is not among them has no place on it. ``figures`` are drawings, SVG files, by their names,
    each with a table of its numbers as CSV."""
    energy, performance, cycles, arrays, costs, cells, standard = (reports.get(name) for name in (
        "energy", "estimate_network_performance", "estimate_layer_cycles", "crossbar_map", "method_costs",
        "estimate_resources", "standard_cells"))
    name   = next((report["network"] for report in (energy, arrays) if report), "Accelerator")
    method = f", {energy['method']}" if energy else ""
    title  = escape(f"{name}{method}")
    parts  = [f"<h1>{title}</h1>"]
    if energy or performance:
        parts.append(_figures(energy, performance, arrays))
    if energy:
        parts += [_energy(energy), _by_passes(energy), _circuits(energy)]
        if energy["paper"]:
            parts.append(_paper(energy["paper"]))
    if cycles and performance:
        parts.append(_cycles(cycles, performance))
    if arrays:
        parts.append(_arrays(arrays))
    if cells:
        parts.append(_cells(cells))
    if standard:
        parts.append(_standard_cells(standard))
    if costs:
        parts.append(_costs(costs))
    for figure, (drawing, numbers) in (figures or {}).items():
        parts.append(_figure(figure, drawing, numbers))
    if not figures:
        parts.append(_NO_FIGURES)
    parts.append("<h2>All figures</h2>")
    parts += [f"<details><summary>{escape(report)}</summary>{_tree(value)}</details>"
              for report, value in sorted(reports.items())]
    return "\n".join([
        "<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        '<meta http-equiv="Content-Security-Policy" '
        'content="default-src \'none\'; style-src \'unsafe-inline\'; img-src data:">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{title}</title>", f"<style>{_STYLE}</style>", "</head>", "<body>", *parts, "</body>",
        "</html>", ""])


def _figures(energy, performance, arrays):
    rows = []
    if performance:
        kind  = performance["interval"]
        which = "interval_cycles_mean" if kind == "about" else "interval_cycles"
        rows += [("schedule", escape(performance["schedule"])),
                 ("passes T", _number(performance["passes"])),
                 ("interval", f"{_number_of_cycles(performance[which])} ({escape(kind)})"),
                 ("latency, mean", _number_of_cycles(performance["latency_cycles_mean"])),
                 ("throughput", f"{_number(performance['estimated_throughput_fps'])} images/s at "
                                f"{_number(performance['clock_mhz'])} MHz")]
    if energy:
        found = _of_build(energy)
        rows += [("energy of an image", _joule(found["energy_j_per_image"])),
                 ("energy of a pass", _joule(found["energy_j_per_pass"])),
                 ("energies", escape(energy["table"]["name"]))]
    if arrays:
        total = arrays["total"]
        rows.append(("arrays", f"{_number(total['arrays'])}, {_share(total['fill'])} full"))
    return _table(("figure", "value"), rows)


def _of_build(energy):
    return energy["schedules"][energy["schedule"]]["passes"][str(energy["passes"])]


def _energy(energy):
    """A bar for each layer, divided by parts, and the same as a table."""
    places = _of_build(energy)["places"]
    parts  = list(dict.fromkeys(part for place in places.values() for part in place["parts"]
                                if place["parts"][part]["energy_j"]))
    most   = max(place["energy_j"] for place in places.values()) or 1
    total  = sum(place["energy_j"] for place in places.values()) or 1
    bars   = []
    for name, place in places.items():
        segments = [(place["parts"].get(part, {}).get("energy_j", 0) / most, f"c{parts.index(part) % 9}",
                     part) for part in parts]
        said = f"{escape(name)}: {_joule(place['energy_j'])}, {_share(place['energy_j'] / total)}"
        bars.append(_bar(said, segments))
    legend = "".join(f'<li><i class="c{index % 9}"></i>{escape(part)}</li>'
                     for index, part in enumerate(parts))
    rows   = [(escape(name), *(_joule(place["parts"][part]["energy_j"]) if part in place["parts"] else "-"
                               for part in parts), _joule(place["energy_j"]))
              for name, place in places.items()]
    unpriced = ", ".join(energy["not_charged"])
    return (f"<h2>Energy of an image, by layer and part</h2><p>{_number(energy['passes'])} passes, "
            f"{escape(energy['schedule'])}; means over the random choices.</p>"
            f'<ul class="legend">{legend}</ul>{"".join(bars)}'
            f"{_table(('layer', *map(escape, parts), 'sum'), rows)}"
            f"<p>{escape(energy['reading'])}</p><p>{escape(energy['formula'])}</p>"
            f"<p>Counted, without a number in the table: {escape(unpriced) or 'nothing'}.</p>")


def _by_passes(energy):
    detailed = energy["schedules"]["shared"]["passes"]
    rows = [(_number(int(passes)), *(_joule(energy["schedules"][schedule]["passes"][passes][of])
                                     for schedule in ("shared", "sequential")
                                     for of in ("energy_j_per_image", "energy_j_per_pass")))
            for passes in sorted(detailed, key=int)]
    return "<h2>Energy by number of passes</h2>" + _table(
        ("T", "shared, image", "shared, pass", "sequential, image", "sequential, pass"), rows)


def _circuits(energy):
    table = energy["table"]
    rows  = [(escape(each["name"]), escape(each["per"]),
              f"{_number(each['energy'])} {escape(each['unit'])}", escape(each["source"]),
              escape(each["conditions"])) for each in table["circuits"]]
    return (f"<h2>Energies of circuits</h2><p>{escape(table['name'])}: {escape(table['description'])}</p>"
            + _table(("circuit", "charged for", "energy", "source", "conditions"), rows, numbers={2}))


def _paper(paper):
    rows = [(escape(name), _joule(each["energy_j_per_image"]), _number(each["of_stated"]),
             escape(each["text"]), escape(each["formula"])) for name, each in paper["readings"].items()]
    return (f"<h2>What the paper may have counted</h2><p>{escape(paper['stated_source'])} states "
            f"{_joule(paper['stated_j_per_image'])} an image of {_number(paper['passes'])} passes. "
            "Readings of an operation, one pass after another; the closest is "
            f"<b>{escape(paper['closest'])}</b>.</p>"
            + _table(("reading", "energy", "of the stated", "an operation", "formula"), rows,
                     numbers={1, 2}))


def _cycles(cycles, performance):
    interval   = performance["interval_cycles"]
    sequential = performance["schedule"] == "sequential"
    most = max(interval, *(layer["max_cycles"] for layer in cycles["layers"].values()),
               performance["random_cycles_per_image"])
    engines = {name: layer["max_cycles"] for name, layer in cycles["layers"].items()}
    if performance["random_cycles_per_image"]:
        engines["random bits"] = performance["random_cycles_per_image"]
    slowest = max(engines, key=engines.get)
    bars = "".join(_bar(
        f"{escape(name)}: {_number_of_cycles(count)}" + (' <span class="bottleneck">bottleneck</span>'
                                                         if name == slowest else ""),
        [(count / most, "c0", f"{count} cycle{'s' * (count != 1)}")], interval / most)
        for name, count in engines.items())
    rows = [(escape(name), _number(layer["cycles_per_map"]), _number(layer["maps_per_image"]),
             _number(layer["max_cycles"])) for name, layer in cycles["layers"].items()]
    which = "one pass after another" if sequential else "with the most maps that an image can have"
    return (f"<h2>Cycles of an image, by engine</h2><p>{which[0].upper()}{which[1:]}; the line is the "
            f"interval of {_number_of_cycles(interval)}. The bottleneck is {escape(slowest)}, with "
            f"{_number(engines[slowest])}.</p>{bars}"
            f"{_table(('engine', 'cycles of a map', 'maps', 'cycles'), rows)}")


def _arrays(report):
    drawn = report["arrays"][:100]
    bars = "".join(_bar(
        f"array {_number(array['array'])}, {escape(array['layer'])}: {_share(array['fill'])}",
        [(array["fill"], "c2", f"{array['cells_used']} cells")]) for array in drawn)
    rest = len(report["arrays"]) - len(drawn)
    more = f"<p>{rest:,} more are below, under all figures.</p>" if rest else ""
    return (f"<h2>How full arrays are</h2><p>{_number(report['total']['arrays'])} arrays of "
            f"{_number(report['array_rows'])} by {_number(report['array_columns'])} cells, "
            f"{_share(report['total']['fill'])} full.</p>{bars}{more}")


def _cells(report):
    keys = "LUT", "FF", "BRAM", "DSP"
    most = max(1, *(block["LUT"] for block in report["blocks"].values()))
    bars = "".join(_bar(f"{escape(name)}: {_number(block['LUT'])} LUT4",
                        [(block["LUT"] / most, "c5", f"{block['LUT']} LUT4")])
                   for name, block in report["blocks"].items())
    rows = [(escape(name), *(_number(block[key]) for key in keys))
            for name, block in (*report["blocks"].items(), ("sum", report))]
    return (f"<h2>Cells of an ECP5, by block</h2><p>An estimate, before any synthesis.</p>{bars}"
            + _table(("block", "LUT4", "flip-flops", "block memories", "multipliers"), rows))


def _standard_cells(report):
    """A bar for each block that stands beside the layers, and each layer; or why there is none."""
    title = "<h2>Area of standard cells, by block</h2>"
    if report["status"] != "run":
        return f"{title}<p>Not run: {escape(report['reason'])}.</p>"
    keys, groups = ("area_um2", "cells", "flip_flops", "memory_bits"), {}
    for path, block in report["blocks"].items():
        group = groups.setdefault(path.partition(".")[0] or "between blocks", dict.fromkeys(keys, 0))
        for key in keys:
            group[key] += block[key]
    most = max(group["area_um2"] for group in groups.values()) or 1
    bars = "".join(_bar(f"{escape(name)}: {_number(group['area_um2'])} um2",
                        [(group["area_um2"] / most, "c6", f"{group['area_um2']:.0f} um2")])
                   for name, group in groups.items())
    rows = [(escape(name), *(_number(group[key]) for key in keys))
            for name, group in (*groups.items(), ("sum", report))]
    fmax  = report["fmax_mhz"]
    clock = "" if fmax is None else f" The slowest path allows {_number(fmax)} MHz."
    return (f"{title}<p>{escape(report['library']['name'])}.{clock} {escape(report['left_out'])}</p>{bars}"
            + _table(("block", "um2", "cells", "of them flip-flops", "bits of memory, beside"), rows))


def _costs(report):
    rows = [(escape(each["method"]), _number(each["passes"]), _number(each["total"]["arrays"]),
             _number(each["total"]["random_bits_per_prediction"]), _number(each["total"]["reads_shared"]),
             _number(each["total"]["reads_sequential"]),
             *((_joule(each["energy"]["shared_j"]), _joule(each["energy"]["sequential_j"]))
               if "energy" in each else ("-", "-"))) for each in report["methods"]]
    return "<h2>Methods</h2>" + _table(
        ("method", "T", "arrays", "random bits", "reads, shared", "reads, one by one", "energy, shared",
         "energy, one by one"), rows)


def _figure(name, drawing, numbers):
    """A drawing as an image, which runs no script and loads nothing, whatever is in it."""
    heads, *rows = csv.reader(io.StringIO(numbers))
    cells = [[_number(float(cell)) if _is_number(cell) else escape(cell) for cell in row] for row in rows]
    name   = escape(name)
    source = f"data:image/svg+xml;base64,{base64.b64encode(drawing).decode()}"
    table  = _table(map(escape, heads), cells, numbers=set(range(2, len(heads))))
    return (f'<h2>{name}</h2><div class="wide"><img alt="{name}, drawn; its numbers are below" '
            f'src="{source}"></div><details><summary>numbers of {name}</summary>{table}</details>')


def _is_number(text):
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _bar(said, segments, limit=None):
    """A line of text, and a bar below it: shares of the whole width, with a class and a text each."""
    spans = "".join(f'<span class="{kind}" style="width:{100 * share:.4f}%" title="{escape(text)}"></span>'
                    for share, kind, text in segments if share)
    mark  = "" if limit is None else f'<span class="limit" style="left:{100 * limit:.4f}%"></span>'
    return f'<div class="row"><p>{said}</p><div class="bar" aria-hidden="true">{spans}{mark}</div></div>'


def _table(heads, rows, numbers=None):
    """A table of cells that are HTML. All columns but the first are numbers unless ``numbers`` says
    which."""
    heads   = list(heads)
    numbers = set(range(1, len(heads))) if numbers is None else numbers

    def line(tag, cells):
        return "<tr>" + "".join(f"<{tag}{' class=number' if index in numbers else ''}>{cell}</{tag}>"
                                for index, cell in enumerate(cells)) + "</tr>"

    return ('<div class="wide"><table>' + line("th", heads) + "".join(line("td", row) for row in rows)
            + "</table></div>")


def _tree(value, name=""):
    """Any value of a report."""
    if isinstance(value, dict):
        value = value.items()
    elif isinstance(value, list):
        value = enumerate(value)
    elif isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    elif isinstance(value, int | float):
        return _joule(value) if name.endswith(_ENERGIES) else _number(value)
    else:
        return escape(str(value))
    plain, deep = [], []
    for key, below in value:
        if isinstance(below, dict | list) and below:
            # What an energy is by, such as passes, says it for all below.
            deep.append(f"<details><summary>{escape(str(key))}</summary>{_tree(below, str(key))}</details>")
        else:
            said = name if name.endswith(_ENERGIES) else str(key)
            plain.append((escape(str(key)), "none" if below in ({}, []) else _tree(below, said)))
    return (_table(("name", "value"), plain) if plain else "") + "".join(deep)


def _number_of_cycles(count):
    return f"{_number(count)} cycle{'s' * (count != 1)}"


def _number(value):
    """A number with its full value, and as a reader wants it."""
    if isinstance(value, int):
        text = f"{value:,}"
    else:
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f'<data value="{value!r}">{text}</data>'


def _share(value):
    return f'<data value="{value!r}">{value:.1%}</data>'


def _joule(value):
    """An energy in the unit in which it has one to three digits before the point."""
    power = 0 if not value else max(-6, min(0, math.floor(math.log10(abs(value)) / 3 + 1e-9)))
    return f'<data value="{value!r}">{value * 1000.0**-power:.4g} {_PREFIXES[power + 6]}J</data>'
