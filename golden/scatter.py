"""A scatter plot as SVG, with a line through some of its points."""

import math
from collections.abc import Sequence
from html import escape


__all__ = ["scatter"]


#: Size of the whole and of its borders, in pixels.
_WIDTH, _HEIGHT, _LEFT, _BELOW, _ABOVE, _RIGHT = 720, 480, 80, 56, 36, 24

#: Ratio of the largest to the smallest value from which an axis is logarithmic.
_WIDE = 20

_STYLE = """
svg { color-scheme: light dark; font: 12px system-ui, sans-serif; fill: #1c2126; background: #ffffff; }
.axis { stroke: #5d6b7a; } .point { fill: #9aa8b6; } .front { fill: #b3261e; }
.line { stroke: #b3261e; fill: none; }
@media (prefers-color-scheme: dark) { svg { fill: #e4e8ec; background: #14181c; } .front { fill: #ff8a80; }
  .line { stroke: #ff8a80; } .point { fill: #5d6b7a; } }
"""


def scatter(points: Sequence[tuple[float, float, str, bool]], x: str, y: str, title: str) -> str:
    """Return a plot of ``points``: x, y, a text, and whether the line goes through it, from left to right.
    ``x`` and ``y`` are what the axes are called."""
    across = _Axis([point[0] for point in points], _LEFT, _WIDTH - _RIGHT)
    up     = _Axis([point[1] for point in points], _HEIGHT - _BELOW, _ABOVE)
    parts  = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
              f"<title>{escape(title)}</title>", f"<style>{_STYLE}</style>",
              f'<text x="{_WIDTH / 2}" y="20" text-anchor="middle">{escape(title)}</text>',
              f'<path class="axis" fill="none" '
              f'd="M{_LEFT} {_ABOVE}V{_HEIGHT - _BELOW}H{_WIDTH - _RIGHT}"/>',
              f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(x)}</text>',
              f'<text transform="translate(16 {_HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(y)}'
              "</text>"]
    for value in across.marks:
        parts.append(f'<text x="{across(value):.1f}" y="{_HEIGHT - _BELOW + 18}" text-anchor="middle">'
                     f"{value:.3g}</text>")
    for value in up.marks:
        parts.append(f'<text x="{_LEFT - 8}" y="{up(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    line = sorted((across(point[0]), up(point[1])) for point in points if point[3])
    if line:
        parts.append(f'<polyline class="line" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in line)}"/>')
    for value, height, text, marked in points:
        parts.append(f'<circle class="{"front" if marked else "point"}" cx="{across(value):.1f}" '
                     f'cy="{up(height):.1f}" r="{5 if marked else 4}"><title>{escape(text)}: {value:.6g}, '
                     f"{height:.6g}</title></circle>")
        if marked:
            parts.append(f'<text x="{across(value) + 7:.1f}" y="{up(height) - 6:.1f}">'
                         f"{escape(text)}</text>")
    return "\n".join([*parts, "</svg>", ""])


class _Axis:
    """Where values are between two ends, in pixels; ``marks`` are five of them, evenly apart."""

    def __init__(self, values, first, last):
        least, most = min(values, default=0), max(values, default=1)
        self.log = least > 0 and most > _WIDE * least
        low, high = self._scaled(least), self._scaled(most)
        room = (high - low) * 0.05 or abs(high) * 0.05 or 1
        self.low, self.high, self.first, self.last = low - room, high + room, first, last
        places = [self.low + (self.high - self.low) * index / 4 for index in range(5)]
        self.marks = [10**place if self.log else place for place in places]

    def _scaled(self, value):
        return math.log10(value) if self.log else value

    def __call__(self, value):
        share = (self._scaled(value) - self.low) / (self.high - self.low)
        return self.first + share * (self.last - self.first)
