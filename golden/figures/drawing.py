"""Draw a figure as SVG, by matplotlib; light or dark as the reader's screen is."""

import io
from importlib.util import find_spec

import numpy as np

from gen.command import UserError
from gen.tools import install_hint


__all__ = ["draw", "refuse_without_matplotlib"]


#: What is drawn is in these colours, for which the drawing has a darker and a lighter one each.
_INK, _PAPER, _LINE = "#1c2126", "#ffffff", "#d5dae0"
_COLOURS = "#0b6e99", "#d17a00", "#4c8a2b", "#8e5aa8", "#c2456b", "#5d6b7a", "#1f9d8f", "#a08400", "#6a55d6"
_DARK = dict(zip((_INK, _PAPER, _LINE, *_COLOURS), (
    "#e4e8ec", "#14181c", "#3a424b", "#4fb3dd", "#f0a94a", "#8cc46a", "#c49be0", "#f087a6", "#9aa8b6",
    "#5fd0c3", "#d6bd4a", "#a99bff"), strict=True))

#: Inches of a panel, where two stand side by side.
_WIDTH, _HEIGHT = 4.6, 3.5

_STYLE = {
    "svg.hashsalt": "spincim", "svg.fonttype": "none", # the same file each time; text is text
    "font.size": 10, "axes.titlesize": 10, "text.color": _INK, "axes.labelcolor": _INK,
    "axes.edgecolor": _INK, "axes.facecolor": _PAPER, "figure.facecolor": _PAPER, "xtick.color": _INK,
    "ytick.color": _INK, "axes.grid": True, "grid.color": _LINE, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
}


def refuse_without_matplotlib():
    """Refuse what :func:`draw` could not do, before any work.

    Raises
    ------
    UserError
        If matplotlib, which draws, is not installed.
    """
    if find_spec("matplotlib") is None:
        raise UserError("Drawing needs the package matplotlib; install it with: "
                        f"{install_hint('golden')}")


def draw(figure) -> bytes:
    """Return ``figure``, a :class:`golden.figures.figure.Figure`, as an SVG file.

    Errors are those of :func:`refuse_without_matplotlib`.
    """
    refuse_without_matplotlib()
    # Not above, as all but drawing goes without.
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE | {"axes.prop_cycle": matplotlib.cycler(color=_COLOURS)}):
        across = min(figure.across, len(figure.panels))
        shrunk = min(1, 2 / figure.across)
        down   = -(-len(figure.panels) // across)
        canvas = Figure(figsize=(shrunk * _WIDTH * across, shrunk * _HEIGHT * down), layout="constrained")
        canvas.suptitle(figure.title, fontsize=11)
        for number, panel in enumerate(figure.panels, 1):
            _draw_panel(canvas.add_subplot(down, across, number), panel)
        file = io.BytesIO()
        FigureCanvasSVG(canvas).print_svg(file, metadata={"Date": None, "Creator": None,
                                                          "Title": figure.title})
    return _themed(file.getvalue().decode())


def _draw_panel(axes, panel):
    if panel.shades is not None:
        axes.set_title(panel.y)
        axes.imshow([series.y for series in panel.series], cmap="viridis", vmin=0, vmax=panel.shades)
        axes.set_axis_off()
        return
    axes.set(xlabel=panel.x, ylabel=panel.y, xscale="log" if panel.log_x else "linear",
             yscale="log" if panel.log_y else "linear")
    for index, series in enumerate(panel.series):
        _DRAW[series.kind](axes, series, _COLOURS[index % len(_COLOURS)])
        for x, y, text in zip(series.x, series.y, series.texts or (), strict=False):
            axes.annotate(text, (x, y), xytext=(5, 4), textcoords="offset points", fontsize=8)
    if any(series.label and series.kind != "edge" for series in panel.series):
        axes.legend(fontsize=8)
    if panel.image is not None:
        least, most = axes.get_ylim()
        axes.set_yticks([tick for tick in axes.get_yticks() if least <= tick <= most])
        axes.set_ylim(least, 2 * most - least) # room above what is drawn
        corner = axes.inset_axes([0.3, 0.55, 0.4, 0.44])
        corner.imshow(panel.image, cmap="gray", vmin=0, vmax=255)
        corner.set_axis_off()


def _line(axes, series, colour):
    axes.plot(series.x, series.y, color=colour, label=series.label, marker="o", markersize=3)
    if series.low is not None:
        axes.fill_between(series.x, series.low, series.high, color=colour, alpha=0.2, linewidth=0)


def _points(axes, series, colour):
    axes.plot(series.x, series.y, color=colour, label=series.label, linestyle="none", marker="o",
              markersize=4, alpha=0.6)


def _bars(axes, series, colour):
    axes.bar(series.x, series.y, width=_apart(series.x), color=colour, label=series.label, alpha=0.6)
    if series.low is not None:
        axes.vlines(series.x, series.low, series.high, color=_INK, linewidth=1)


def _steps(axes, series, colour):
    axes.step(series.x, series.y, where="mid", color=colour, label=series.label)


def _edge(axes, series, colour):
    axes.plot(series.x, series.y, color=_COLOURS[0], linewidth=1, marker="o", markersize=2)


_DRAW = {"line": _line, "points": _points, "bars": _bars, "steps": _steps, "edge": _edge}


def _apart(x):
    return float(np.diff(sorted(set(x))).min()) if len(set(x)) > 1 else 1.0


def _themed(svg):
    """The drawing with colours that follow the reader's choice of light or dark."""
    names = {colour: f"--c{index}" for index, colour in enumerate(_DARK)}
    for colour, name in names.items():
        svg = svg.replace(colour, f"var({name})")
    light, dark = ("".join(f"{names[light]}:{of(light)};" for light in _DARK)
                   for of in (str, _DARK.get))
    style = (f"<style>:root{{color-scheme:light dark;{light}}}"
             f"@media(prefers-color-scheme:dark){{:root{{{dark}}}}}</style>")
    head, closing, rest = svg.partition("<defs>")
    return (head + style + closing + rest).encode()
