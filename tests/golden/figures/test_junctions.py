from golden.device.junction import HALF_UA
from golden.figures.junctions import switching_figure


def test_the_stated_point_is_on_the_curve():
    panel, = switching_figure().panels
    long, short, stated = panel.series
    at = list(long.x).index(HALF_UA)
    assert abs(long.y[at] - 0.5) < 1e-9 and (list(stated.x), list(stated.y)) == ([HALF_UA], [0.5])
    assert short.y[at] < long.y[at] and long.y[-1] > 0.999 and list(long.y) == sorted(long.y)
