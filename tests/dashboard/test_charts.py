from __future__ import annotations

import fake
import numpy as np

from dashboard.parts import charts


def test_one_limit_covers_every_frame():
    change = np.zeros((3, 20, 20))
    change[1], change[2] = 10, -40  # 40 of 255 is .157
    assert charts.nice_limit(change) == 0.2
    assert charts.nice_limit(np.zeros((2, 4, 4))) == 0.05
    assert charts.nice_limit(np.full((1, 4, 4), 255)) == 1.0


def test_figures_show_the_numbers_they_are_given():
    bins = fake.METRICS["classifier"]["targets"][fake.TARGET]["reliability"]
    assert list(charts.reliability(bins, title="t").data[1].x) == [0.05, 0.3, 0.5, 0.7, 0.95]
    figure = charts.response([0.1, 0.9], [0.2, 0.8], [0.3, 0.6], title="t")
    assert [list(d.y) for d in figure.data[1:]] == [[0.2, 0.8], [0.3, 0.6]]
    assert len(charts.response([0.1, 0.9], [0.2, 0.8], None, title="t").data) == 2


def test_boxes_are_drawn_where_they_are():
    drawn = charts.boxes(np.zeros((100, 120)), [(10, 20, 60, 80)])
    assert drawn.shape == (100, 120, 3)
    assert drawn[20, 40].max() > 200
    assert drawn[90, 100].max() == 0
