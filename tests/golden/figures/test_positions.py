import numpy as np

from golden import metrics
from golden.figures.figure import write
from golden.figures.positions import positions_figure


def test_positions(tmp_path):
    """From the picture with the lowest mean entropy to that with the highest, each with its own labels,
    classes and entropy, by rows; the drawing has one picture for each."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet((1, 1, 1), (20, 4, 5))
    probabilities[7] = np.eye(3)[0]
    pictures = rng.integers(0, 256, (20, 8, 10), np.uint8)
    labels   = rng.integers(0, 3, (20, 4, 5))
    figure   = positions_figure("title", pictures, probabilities, labels)
    entropy  = metrics.predictive_entropy(probabilities)
    assert len(figure.panels) == 12
    for first, number in ((0, 7), (8, entropy.mean((1, 2)).argmax())):
        maps = [np.array([series.y for series in panel.series])
                for panel in figure.panels[first:first + 4]]
        for found, wanted in zip(maps, (pictures[number], labels[number], probabilities[number].argmax(-1),
                                        entropy[number]), strict=True):
            assert (found == wanted).all()
        right = 100 * (maps[1] == maps[2]).mean()
        assert [panel.y for panel in figure.panels[first:first + 4]] == [
            f"picture {number}", "label", f"class, {right:.1f} % right",
            f"entropy, mean {entropy[number].mean():.3f} nats"]
    assert write(figure, tmp_path / "drawn")[1].read_text().count("<image ") == 12


def test_colours():
    """Their mean is drawn."""
    pictures = np.random.default_rng(0).integers(0, 256, (2, 3, 3, 3), np.uint8)
    figure   = positions_figure("title", pictures, np.full((2, 3, 3, 2), 0.5), np.zeros((2, 3, 3), int))
    assert [list(series.y) for series in figure.panels[0].series] == pictures[0].mean(-1).tolist()
