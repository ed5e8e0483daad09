"""Heart size on masks drawn by hand, and under a knob whose every change is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from toys import BrightnessBox, shaken, small_config

from core.evaluation.heart import enlarged, heart_size, largest, run_hearts, segment_frames
from core.evaluation.sweeps import CENTRES
from core.networks.exaggerator import Change, Exaggerator


def blank(height: int = 40, width: int = 60) -> np.ndarray:
    return np.zeros((height, width), dtype=bool)


@pytest.fixture
def chest():
    """A heart 20 columns wide between lungs that reach from column 5 to column 54."""
    heart, lungs = blank(), blank()
    heart[18:28, 22:42] = True
    lungs[5:35, 5:20] = True
    lungs[8:30, 43:55] = True
    return heart, lungs


# Sizes by hand


def test_both_measures_by_hand(chest):
    size = heart_size(*chest)
    assert size.ctr == pytest.approx(20 / 50)
    assert size.area == pytest.approx(10 * 20 / 50**2)


def test_the_widest_row_counts_and_both_borders_need_not_share_one(chest):
    heart, lungs = chest
    heart[20:22, 18:42] = True  # bulges to the left in two rows
    heart[26:28, 22:46] = True  # and to the right in two others
    assert heart_size(heart, lungs).ctr == pytest.approx((46 - 18) / 50)
    lungs[:] = False
    lungs[2:4, 3:20] = True
    lungs[30:32, 40:58] = True
    assert heart_size(heart, lungs).ctr == pytest.approx((46 - 18) / (58 - 3))


def test_a_heart_that_reaches_beyond_the_lungs_is_part_of_the_chest(chest):
    heart, lungs = chest
    heart[20, 42:60] = True
    size = heart_size(heart, lungs)
    assert size.ctr == pytest.approx((60 - 22) / (60 - 5))
    assert size.area == pytest.approx((200 + 18) / 55**2)


def test_neither_the_resolution_nor_the_place_counts(chest):
    small = heart_size(*chest)
    for masks in (
        [m.repeat(3, 0).repeat(3, 1) for m in chest],
        [np.pad(m, ((7, 2), (30, 11))) for m in chest],
        [m[:, ::-1] for m in chest],
    ):
        size = heart_size(*masks)
        assert size.ctr == pytest.approx(small.ctr)
        assert size.area == pytest.approx(small.area)


def test_specks_are_removed(chest):
    clean = heart_size(*chest)
    heart, lungs = chest
    heart[2:4, 2:4] = True
    heart[39, 59] = True
    lungs[0, 0] = lungs[38:40, 57:60] = True
    assert heart_size(heart, lungs) == clean


def test_the_largest_parts_are_kept_as_they_are():
    mask = blank(10, 20)
    mask[1:4, 1:4], mask[6:8, 1:9], mask[1:9, 12:19], mask[9, 0] = True, True, True, True  # 9, 16, 56 and 1 pixels
    one, two, three = (largest(mask, n) for n in (1, 2, 3))
    assert (one.sum(), two.sum(), three.sum()) == (56, 72, 81)
    assert one[1:9, 12:19].all()
    assert (two & ~one)[6:8, 1:9].all()
    np.testing.assert_array_equal(largest(mask, 4), mask)
    np.testing.assert_array_equal(largest(blank(), 1), blank())


@pytest.mark.parametrize("missing", ["heart", "lungs", "both"])
def test_what_was_not_found_has_no_size(chest, missing):
    heart, lungs = chest
    size = heart_size(blank() if missing != "lungs" else heart, blank() if missing != "heart" else lungs)
    assert np.isnan(size.ctr)
    assert np.isnan(size.area)


def test_a_speck_is_no_organ(chest):
    heart, lungs = chest
    speck = blank()
    speck[20:25, 30:39] = True  # 45 pixels of a chest 50 wide: .018 of its square
    assert np.isnan(heart_size(speck, lungs).ctr)
    speck[20:26, 30:39] = True  # .0216
    assert heart_size(speck, lungs).area == pytest.approx(54 / 50**2)
    narrow = blank()
    narrow[5:35, 22:41] = True  # "lungs" less wide than the heart
    assert np.isnan(heart_size(heart, narrow).area)


# A change at another size


def still(k: int, size: int, channels: int = 1) -> Change:
    return Change(
        torch.zeros(k, channels, size, size), torch.zeros(k, 2, size, size), torch.zeros(k, channels, size, size)
    )


def test_a_change_of_nothing_gives_back_every_frame():
    x = torch.rand(1, 1, 64, 64)
    assert torch.equal(enlarged(x, still(3, 32)), x.expand(3, -1, -1, -1))


def test_a_displacement_is_a_fraction_of_the_side():
    x = torch.zeros(1, 1, 64, 64)
    x[..., 10:20, 40:48] = 1
    change = still(2, 16)
    change.displacement[0, 0] = 0.125  # looks an eighth to the right: the block goes 8 columns to the left
    change.displacement[1, 1] = -0.25  # looks a quarter up: it goes 16 rows down
    left, down = enlarged(x, change)[:, 0]
    expected = torch.zeros(2, 64, 64)
    expected[0, 10:20, 32:40] = expected[1, 26:36, 40:48] = 1
    torch.testing.assert_close(left, expected[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(down, expected[1], atol=1e-4, rtol=0)


def test_a_residual_is_added_after_it_and_stays_in_range():
    x = torch.full((1, 3, 64, 64), 0.4)
    change = still(2, 16, 3)
    change.residual[0], change.residual[1] = 0.3, -0.9
    more, less = enlarged(x, change)
    torch.testing.assert_close(more, torch.full((3, 64, 64), 0.7))
    assert (less == 0).all()
    change.residual[0, :, :, 8:] = -0.2
    more = enlarged(x, change)[0]
    torch.testing.assert_close(more[:, :, 4], torch.full((3, 64), 0.7))
    torch.testing.assert_close(more[:, :, -4], torch.full((3, 64), 0.2))


@pytest.mark.parametrize("head", ["residual", "morph"])
def test_at_the_networks_own_size_it_is_the_networks_own_change(head):
    network = shaken(Exaggerator(small_config(head)))
    x = torch.rand(1, 1, 32, 32)
    change = network(x, torch.tensor([0.3]), torch.tensor([0.9]))
    assert (change.x - x).abs().max() > 0.05
    torch.testing.assert_close(enlarged(x, change), change.x)


# Segmenting frames


class ToySegmenter:
    """The heart is what is over one half, the lungs are everything else but the outer `edge` columns."""

    def __init__(self, size: int = 64, edge: int = 4) -> None:
        self.config = SimpleNamespace(size=size, organs=("lungs", "heart"))
        self.edge, self.seen = edge, []

    def segment(self, x):
        self.seen.append(x)
        heart = x[:, 0] > 0.5
        lungs = ~heart
        lungs[..., : self.edge] = lungs[..., -self.edge :] = False
        return torch.stack([lungs, heart], 1)


def test_frames_are_brought_to_the_segmenters_size():
    segmenter = ToySegmenter(16)
    x = torch.rand(3, 1, 16, 16)
    assert segment_frames(segmenter, x).shape == (3, 2, 16, 16)
    assert torch.equal(segmenter.seen[0], x)
    block = torch.zeros(1, 1, 64, 64)
    block[..., 8:24, 32:48] = 1
    heart = segment_frames(segmenter, block)[0, 1]
    expected = np.zeros((16, 16), dtype=bool)
    expected[2:6, 8:12] = True
    np.testing.assert_array_equal(heart, expected)
    enlarged_seen = segmenter.seen[1]
    torch.testing.assert_close(
        enlarged_seen, F.interpolate(block, (16, 16), mode="bilinear", antialias=True, align_corners=False)
    )


# Under a knob


class Widener:
    """Paints a bright block of rows 4 to 11 and columns 8 - c to 7 + c of 16, c the condition in whole numbers.

    Conditions of 0 and less paint nothing, those of 8 and more the whole width.
    """

    def __init__(self, head: str = "morph") -> None:
        self.config = small_config(head, size=16)

    def encode(self, x):
        return [x]

    def change(self, x, features, origin, wanted):
        residual = torch.zeros(len(wanted), 1, 16, 16)
        for frame, c in zip(residual, wanted.round().int().clamp(0, 8).tolist(), strict=True):
            frame[:, 4:12, 8 - c : 8 + c] = 0.8
        return Change((x + residual).clamp(0, 1), torch.zeros(len(wanted), 2, 16, 16), residual)


@pytest.fixture(scope="module")
def dark():
    """Two dark pictures, at 16 and at 64 pixels."""
    return [np.full((2, 1, side, side), 25, np.uint8) for side in (16, 64)]


def test_the_heart_in_every_frame_by_hand(dark):
    f, heard = BrightnessBox(threshold=0.3), []
    # At ten bins .35 is condition 3 and .65 condition 6: blocks of 6 and 12 of 16 columns, 24 and 48 of 64.
    table = run_hearts(
        Widener(), f, ToySegmenter(), *dark, mode="direct", requests=(0.35, 0.65),
        progress=lambda i, n: heard.append((i, n)),
    )  # fmt: skip
    assert table.requested.tolist() == [0.35, 0.65]
    assert table.query.shape == (2,)
    assert table.achieved.shape == (2, 2)
    assert table.ctr.shape == table.area.shape == (2, 3)
    for i in range(2):
        assert np.isnan([table.ctr[i, 0], table.area[i, 0]]).all()  # no heart in the picture itself
        # The chest is 56 wide; a border may lie a pixel to either side of where the block's is, as it is enlarged.
        assert table.ctr[i, 1:] == pytest.approx([24 / 56, 48 / 56], abs=2 / 56)
        assert table.area[i, 1:] == pytest.approx([24 * 32 / 56**2, 48 * 32 / 56**2], abs=0.05)
    x = torch.full((1, 1, 16, 16), 25 / 255)
    assert table.query == pytest.approx([float(f.posterior(x))] * 2)
    x[..., 4:12, 5:11] += 0.8
    assert table.achieved[:, 0] == pytest.approx([float(f.posterior(x))] * 2)
    assert heard == [(1, 2), (2, 2)]


def test_the_picture_itself_comes_first(dark):
    small, large = (d.copy() for d in dark)
    small[1, 0, 4:8, 4:8] = large[1, 0, 16:32, 16:32] = 255
    table = run_hearts(Widener(), BrightnessBox(), ToySegmenter(), small, large, mode="direct", requests=(0.01,))
    assert np.isnan(table.ctr[0]).all()
    # Asked for condition -.4, nothing is painted: both are the same.
    assert table.ctr[1].tolist() == [16 / 56, 16 / 56]
    assert table.area[1].tolist() == [16 * 16 / 56**2] * 2


def test_by_default_the_knob_is_calibrated_and_asked_for_the_ten_bins(dark):
    table = run_hearts(Widener(), BrightnessBox(gain=10, threshold=0.3), ToySegmenter(), *dark)
    assert table.requested.tolist() == list(CENTRES)
    assert table.ctr.shape == (2, 11)
    widths = np.nan_to_num(table.ctr[0, 1:])
    assert (np.diff(widths) >= 0).all()
    assert widths[-1] > 2 * widths[3] > 0
    # This knob moves f in steps; to the nearest of them, f answers what was asked for.
    steps = BrightnessBox(gain=10, threshold=0.3).posterior(
        Widener().change(torch.full((1, 1, 16, 16), 25 / 255), None, None, torch.arange(9.0)).x
    )
    nearest = [float((steps - r).abs().min()) for r in CENTRES]
    assert np.abs(table.achieved[0] - table.requested) == pytest.approx(nearest, abs=0.02)


def test_a_head_that_paints_the_whole_picture_is_refused(dark):
    with pytest.raises(ValueError, match="'paper' changes no larger picture"):
        run_hearts(Widener("paper"), BrightnessBox(), ToySegmenter(), *dark)
