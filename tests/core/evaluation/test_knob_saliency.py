"""The knob as a saliency map: by hand on toys, and the whole comparison in seconds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import (
    WINDOW,
    BrightnessBox,
    TintNetwork,
    WindowBox,
    draw_window,
    make_discs,
    shaken,
    small_config,
    toy_infill,
)

from core.classifiers.blackbox import Classifier
from core.evaluation.deletion import Deletion
from core.evaluation.knob_saliency import (
    COSTLY,
    METHODS,
    SaliencyTable,
    importance,
    knob_map,
    normalised,
    run_saliency,
    saliency_report,
)
from core.explainers import presets
from core.explainers.masking import sign_of
from core.networks.exaggerator import Change, Exaggerator

MEAN = torch.tensor([0.25])


class WindowNetwork(TintNetwork):
    """A knob that moves the window alone, and its left half twice as far."""

    def change(self, x, features, origin, wanted):
        where = torch.zeros(x.shape[2:])
        where[WINDOW] = 1
        where[WINDOW[0], : WINDOW[1].start + 4] *= 2
        moved = self.slope * (wanted - origin)[:, None, None, None] * where
        return Change(x + moved, x.new_zeros(len(wanted), 2, *x.shape[2:]), moved)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setitem(presets.PRESETS["quick"], "fido", {"steps": 2, "samples": 1, "rate": 0.2})


def classifier() -> Classifier:
    torch.manual_seed(0)
    return shaken(Classifier("resnet", 1, ("Large",), 8, 32), 0.02)


def test_the_map_is_what_the_knob_moves():
    found = knob_map(WindowNetwork(), BrightnessBox(), torch.rand(2, 1, 32, 32))
    assert found.shape == (2, 1, 32, 32)
    for one in found[:, 0]:
        window = one[WINDOW]
        torch.testing.assert_close(window[:, :4], torch.ones(8, 4))
        torch.testing.assert_close(window[:, 4:], torch.full((8, 4), 0.5))
        assert one.sum() == pytest.approx(float(window.sum()))


def test_a_picture_has_the_map_it_has_alone():
    f, network = classifier().target("Large"), shaken(Exaggerator(small_config()), 0.02)
    x = make_discs(3).x
    torch.testing.assert_close(knob_map(network, f, x)[1:2], knob_map(network, f, x[1:2]))


def test_channels_add_up():
    class Colours(TintNetwork):
        def change(self, x, features, origin, wanted):
            step = (wanted - origin)[:, None, None, None] * torch.tensor([1.0, -1.0, 0.0])[:, None, None]
            moved = step.expand(-1, -1, 32, 32).clone()
            moved[:, 1, :, 16:] = 0
            return Change(x + moved, x.new_zeros(len(wanted), 2, 32, 32), moved)

    found = knob_map(Colours(), BrightnessBox(), torch.rand(1, 3, 32, 32))[0, 0]
    torch.testing.assert_close(found[:, :16], torch.ones(32, 16))
    torch.testing.assert_close(found[:, 16:], torch.full((32, 16), 0.5))


def test_a_knob_that_does_nothing_has_no_map():
    assert knob_map(TintNetwork(slope=0), BrightnessBox(), torch.rand(1, 1, 32, 32)).abs().max() == 0
    assert normalised(torch.tensor([2.0, 0.0]).view(2, 1, 1, 1)).flatten().tolist() == [1, 0]


@pytest.mark.parametrize("method", METHODS)
def test_every_map_is_an_importance(method, quick):
    f, x = classifier().target("Large"), make_discs(3).x
    network, infill = shaken(Exaggerator(small_config()), 0.02), toy_infill("local")
    maps = importance(method, f, network, infill, x, sign_of(f, x, "predicted"), MEAN)
    assert maps.shape == (3, 1, 32, 32)
    assert not maps.requires_grad
    assert 0 <= maps.min() <= maps.max() <= 1
    assert maps.std() > 0


@pytest.mark.parametrize("method", ["gradient", "ig", "smoothgrad"])
def test_gradients_of_a_window_find_it(method):
    # f is linear, so each of these maps is even inside the window and nothing outside.
    x = torch.from_numpy(draw_window())[None]
    maps = importance(method, WindowBox(), TintNetwork(), toy_infill("mean"), x, torch.ones(1), MEAN)[0, 0]
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[WINDOW] = True
    assert maps[inside].min() > 0.5
    assert maps[~inside].max() == 0


def test_an_unknown_map():
    with pytest.raises(ValueError, match="no map 'lime'"):
        importance("lime", BrightnessBox(), TintNetwork(), toy_infill("mean"), make_discs(1).x, torch.ones(1), MEAN)


# The comparison


@pytest.fixture(scope="module")
def table():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets.PRESETS["quick"], "fido", {"steps": 2, "samples": 1, "rate": 0.2})
        heard = []
        discs = make_discs(18, seed=3)
        found = run_saliency(
            classifier().target("Large"), shaken(Exaggerator(small_config()), 0.02), toy_infill("local"), MEAN,
            discs.images, (discs.radius > 0.23).astype(float), few=7, draws=2, shares=(0.0, 0.1, 0.3),
            progress=lambda i, n: heard.append((i, n)),
        )  # fmt: skip
    assert heard[-1] == (6 * 18 + 7, 6 * 18 + 7)
    assert [i for i, _ in heard] == sorted(i for i, _ in heard)
    return found


def test_every_method_has_its_curves(table):
    assert list(table.deletions) == list(METHODS)
    for name, found in table.deletions.items():
        n = 7 if name == COSTLY else 18
        assert found.probability.shape == found.decision.shape == found.present.shape == (n, 3)
        assert len(table.rows[name]) == n
        assert (found.decision[:, 0] == 1).all()
        assert table.seconds[name] > 0
    # Nothing is replaced at first, so all methods start alike.
    whole = table.deletions["knob"].probability[:, 0]
    np.testing.assert_allclose(table.deletions["random"].probability[:, 0], whole, atol=1e-6)
    few = table.deletions[COSTLY].probability[:, 0]
    np.testing.assert_allclose(few, whole[table.rows[COSTLY]], atol=1e-6)


def test_random_pixels_are_not_ranked_by_their_noise(monkeypatch):
    # Ranked by it, the brightest noise would come first, and a picture would brighten.
    seen = {}

    def spy(f, x, maps, noise, **options):
        seen["maps"], seen["noise"] = maps, noise
        blank = np.zeros((len(x), 1))
        return Deletion(np.zeros(1), blank, blank, blank)

    monkeypatch.setattr("core.evaluation.knob_saliency.delete", spy)
    monkeypatch.setattr("core.evaluation.knob_saliency.METHODS", {"random": ""})
    run_saliency(BrightnessBox(), TintNetwork(), toy_infill("mean"), MEAN, make_discs(4).images, np.zeros(4), draws=1)
    pair = np.corrcoef(seen["maps"].flatten(), seen["noise"][0].flatten())
    assert abs(pair[0, 1]) < 0.1


def by_hand() -> SaliencyTable:
    """Two pictures; every curve falls in a straight line but that of random pixels, which stays."""
    shares = np.array([0.0, 0.5])
    flat, fall = np.ones((2, 2)), np.array([[1.0, 0.0], [1.0, 0.5]])
    curves = {name: Deletion(shares, *[flat if name == "random" else fall] * 3) for name in METHODS}
    curves[COSTLY] = Deletion(shares, fall[1:], fall[1:], fall[1:])
    rows = {name: np.array([1]) if name == COSTLY else np.arange(2) for name in METHODS}
    return SaliencyTable(shares, np.array([1.0, 0.0]), rows, curves, dict.fromkeys(METHODS, 0.5))


def test_the_report_by_hand():
    report = saliency_report(by_hand())
    assert report["n"] == 2
    assert report["shares"] == [0, 0.5]
    knob, costly = report["methods"]["knob"], report["methods"][COSTLY]
    assert knob["curve"] == knob["decision"] == [1, 0.25]
    assert knob["accuracy"] == [0.5, 0.25]  # right and wrong; then .0 and .5
    assert knob["area"] == {"value": 0.625, "low": 0.5, "high": 0.75}
    assert knob["under_random"]["value"] == 0.375
    assert report["methods"]["random"]["under_random"] == {"value": 0, "low": 0, "high": 0}
    assert (costly["n"], costly["area"]["value"], costly["under_random"]["value"]) == (1, 0.75, 0.25)
    assert report["few"]["n"] == 1
    assert {k: v["value"] for k, v in report["few"]["area"].items()} == {
        k: 1 if k == "random" else 0.75 for k in METHODS
    }
    assert knob["seconds"] == 0.5
