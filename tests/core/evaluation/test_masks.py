"""Mask explainers by the same measures: each measure by hand, and the report with what it keeps and resumes."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from toys import WINDOW, WindowBox, draw_window, toy_infill

from core.errors import UserError
from core.evaluation import masks
from core.evaluation.interval import bootstrap
from core.evaluation.masks import (
    KINDS,
    ROWS,
    SHARES,
    Maps,
    agreement,
    cell_measures,
    find_maps,
    in_region,
    masks_report,
    random_regions,
)
from core.explainers import bbmp, extremal, fido, presets
from core.explainers.masking import DESTROYING, SUFFICIENT, Found

F = WindowBox()
IMAGES = np.stack([np.rint(draw_window(seed=i) * 255).astype(np.uint8) for i in range(5)])
X = torch.from_numpy(IMAGES).float() / 255
YES = torch.ones(5)
INFILLS = {name: toy_infill(name) for name in ("mean", "local")}


@pytest.fixture(scope="module", autouse=True)
def _quickly():
    """Three steps at either speed, and intervals of few resamples."""
    with pytest.MonkeyPatch.context() as patch:
        few = {s: {m: o | {"steps": 3} for m, o in methods.items()} for s, methods in presets.PRESETS.items()}
        patch.setattr(presets, "PRESETS", few)
        patch.setattr(masks, "bootstrap", partial(bootstrap, rounds=100))
        yield


def window_maps(n: int = 5, window=WINDOW) -> Maps:
    """Maps that are right, or wrong with another window."""
    maps = np.zeros((n, 32, 32), dtype=np.float32)
    maps[(slice(None), *window)] = 1
    return Maps(maps, maps > 0.5)


WRONG = (slice(22, 30), slice(2, 10))

# Random regions


@pytest.mark.parametrize("size", [24, 32])
def test_random_regions_have_the_areas_asked_for(size):
    areas = np.array([0.0, 0.01, 0.2, 0.5, 0.777, 1.0])
    regions = random_regions(areas, size, size // 4, 0)
    assert regions.dtype == bool
    assert regions.shape == (6, size, size)
    assert regions.sum((1, 2)).tolist() == np.rint(areas * size * size).astype(int).tolist()


def test_random_regions_are_repeatable_and_each_another():
    areas = np.full(3, 0.3)
    regions = random_regions(areas, 32, 8, 4)
    np.testing.assert_array_equal(regions, random_regions(areas, 32, 8, 4))
    assert not np.array_equal(regions, random_regions(areas, 32, 8, 5))
    assert not np.array_equal(regions[0], regions[1])


def test_random_regions_are_as_coarse_as_a_mask():
    def border(regions) -> float:
        return np.diff(regions.astype(int), axis=1).__abs__().mean() + np.diff(regions.astype(int)).__abs__().mean()

    areas = np.full(20, 0.3)
    assert border(random_regions(areas, 32, 8, 0)) < 0.5 * border(random_regions(areas, 32, 32, 0))


# Inside an anatomical region


def test_the_share_inside_a_region_by_hand():
    anatomy = np.zeros((4, 8, 8), dtype=bool)
    anatomy[:, :4] = True  # the upper half
    regions = np.zeros((4, 8, 8), dtype=bool)
    regions[0, :2, :2] = True  # inside
    regions[1, 6:, :2] = True  # outside
    regions[2, 3:7, :2] = True  # a quarter inside
    found = in_region(Maps(np.zeros((4, 8, 8), np.float32), regions), anatomy)
    np.testing.assert_array_equal(found["inside"], [1, 0, 0.25, np.nan])
    np.testing.assert_array_equal(found["region_area"], [0.5] * 4)


# Agreement


def test_maps_agree_with_themselves_and_not_with_their_reverse():
    a = np.random.default_rng(0).random((3, 8, 8))
    np.testing.assert_allclose(agreement([a, a]), 1)
    np.testing.assert_allclose(agreement([a, np.exp(3 * a)]), 1)  # ranks alone count
    np.testing.assert_allclose(agreement([a, -a]), -1)


def test_a_flat_map_agrees_with_nothing():
    a, flat = np.random.default_rng(0).random((3, 8, 8)), np.full((3, 8, 8), 0.1)
    np.testing.assert_array_equal(agreement([a, flat]), 0)
    np.testing.assert_array_equal(agreement([flat, flat]), 0)
    flat[1] = a[1]
    np.testing.assert_allclose(agreement([a, flat]), [0, 1, 0], atol=1e-12)


@pytest.mark.parametrize("levels", [5, 10_000])
def test_agreement_is_spearmans(levels):
    rng = np.random.default_rng(1)
    sets = [rng.integers(levels, size=(3, 9, 7)).astype(np.float32) for _ in range(3)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    for i, value in enumerate(agreement(sets)):
        each = [spearmanr(sets[a][i].ravel(), sets[b][i].ravel()).statistic for a, b in pairs]
        assert value == pytest.approx(np.mean(each), abs=1e-9)


# One cell

NUMBERS = {"saliency_metric", "succeeds", "random_succeeds", "area", "deletion", "insertion", "area_at_flip"}


def cell(found: Maps, kind: str, infill="mean", reference="local", x=X, sign=YES, f=F):
    return cell_measures(f, toy_infill(infill), toy_infill(reference), x, sign, found, kind)


@pytest.mark.parametrize("kind", [DESTROYING, SUFFICIENT])
def test_the_right_region_does_it(kind):
    found = cell(window_maps(), kind)
    assert found.keys() == NUMBERS
    assert all(values.shape == (5,) for values in found.values())
    assert found["succeeds"].tolist() == [1] * 5
    assert found["random_succeeds"].mean() < 0.5
    assert found["area"].tolist() == [64 / 1024] * 5
    assert (found["deletion"] < 0.1).all()
    assert (found["insertion"] > 0.9).all()
    assert found["area_at_flip"].tolist() == pytest.approx([0.05] * 5)
    # The box holds nothing but the window, and f is sure of it.
    np.testing.assert_allclose(found["saliency_metric"], np.log(64 / 1024), atol=1e-3)


@pytest.mark.parametrize("kind", [DESTROYING, SUFFICIENT])
def test_another_region_does_not(kind):
    right, wrong = cell(window_maps(), kind), cell(window_maps(window=WRONG), kind)
    assert wrong["succeeds"].tolist() == [0] * 5
    assert (wrong["deletion"] > right["deletion"]).all()
    assert (wrong["insertion"] < right["insertion"]).all()


def test_an_empty_region_destroys_nothing():
    empty = Maps(np.zeros((5, 32, 32), np.float32), np.zeros((5, 32, 32), dtype=bool))
    for kind in (DESTROYING, SUFFICIENT):
        found = cell(empty, kind)
        assert found["succeeds"].tolist() == found["random_succeeds"].tolist() == [0] * 5
        assert found["area"].tolist() == [0] * 5


def test_an_absence_is_explained_as_well():
    # f says no to everything, and no infill changes that.
    never = WindowBox(threshold=2.0)
    found = cell(window_maps(), SUFFICIENT, sign=-YES, f=never)
    assert found["succeeds"].tolist() == [1] * 5
    assert cell(window_maps(), DESTROYING, sign=-YES, f=never)["succeeds"].tolist() == [0] * 5
    assert np.isnan(found["area_at_flip"]).all()
    assert (found["deletion"] > 0.99).all()


def test_curves_are_drawn_with_the_reference_and_success_with_the_methods_own_infill():
    class Bright:
        name, stochastic = "bright", False

        def propose(self, x, mask, generator=None):
            return torch.full_like(x, 0.9)[:, None].expand(-1, mask.shape[1], -1, -1, -1)

    found = window_maps()
    a = cell_measures(F, Bright(), INFILLS["local"], X, YES, found, DESTROYING)
    b = cell_measures(F, INFILLS["mean"], INFILLS["local"], X, YES, found, DESTROYING)
    for name in ("deletion", "insertion", "saliency_metric", "area", "area_at_flip"):
        np.testing.assert_array_equal(a[name], b[name])
    assert (a["succeeds"].tolist(), b["succeeds"].tolist()) == ([0] * 5, [1] * 5)
    c = cell_measures(F, INFILLS["mean"], Bright(), X, YES, found, DESTROYING)
    assert (c["deletion"] > b["deletion"]).all()


def test_shares_are_densest_where_regions_are_small():
    assert SHARES[0] == 0
    assert SHARES[-1] == 1
    assert (np.diff(SHARES) > 0).all()


# One method's maps


@pytest.mark.parametrize("row", ROWS)
def test_maps_of_every_method(row):
    found = find_maps(F, INFILLS["mean"], X[:2], YES[:2], row, "quick")
    assert found.maps.shape == found.regions.shape == (2, 32, 32)
    assert found.maps.dtype == np.float32
    assert found.regions.dtype == bool
    assert 0 <= found.maps.min() <= found.maps.max() <= 1
    if row != "extremal":
        np.testing.assert_array_equal(found.regions, found.maps > 0.5)
    again = find_maps(F, INFILLS["mean"], X[:2], YES[:2], row, "quick")
    np.testing.assert_array_equal(found.maps, again.maps)
    assert np.abs(found.maps - find_maps(F, INFILLS["mean"], X[:2], -YES[:2], row, "quick").maps).max() > 0


def test_a_preset_nobody_knows():
    with pytest.raises(UserError, match="no preset 'slow'; choose one of quick, paper"):
        find_maps(F, INFILLS["mean"], X[:1], YES[:1], "bbmp", "slow")


@pytest.mark.parametrize(
    ("row", "module", "kinds"),
    [("fido-ssr", fido, fido.KINDS), ("fido-sdr", fido, fido.KINDS), ("bbmp", bbmp, bbmp.KINDS)],
)
def test_a_rows_method_gets_its_kind_its_infill_and_its_preset(row, module, kinds, monkeypatch):
    heard = []

    def optimise(f, infill, x, sign, config, progress=None):
        heard.append((infill.name, config))
        return Found(torch.full((len(x), 1, 32, 32), 0.7), torch.zeros(1, len(x)))

    monkeypatch.setattr(module, "optimise", optimise)
    found = find_maps(F, INFILLS["local"], X[:2], YES[:2], row, "paper", seed=9)
    ((name, config),) = heard
    assert name == config.infill == "local"
    assert kinds[config.kind] == KINDS[row]
    assert config.seed == 9
    for option, value in presets.preset("paper", row.split("-")[0]).items():
        assert getattr(config, option) == value
    assert (found.maps == np.float32(0.7)).all()
    assert found.regions.all()


def test_of_extremal_masks_the_smallest_that_does_is_the_region(monkeypatch):
    areas = extremal.ExtremalConfig(**presets.preset("paper", "extremal")).areas
    right, wrong = window_maps(1).maps, window_maps(1, WRONG).maps
    nothing = np.zeros_like(right)
    choice = [[nothing, right, right, right], [wrong, nothing, wrong, right], [nothing, nothing, wrong, nothing]]
    stack = torch.from_numpy(np.stack([m for one in choice for m in one]))  # areas fastest
    assert len(areas) == 4
    monkeypatch.setattr(extremal, "optimise", lambda f, infill, x, sign, config: Found(stack, torch.zeros(1, 12)))
    found = find_maps(F, INFILLS["mean"], X[:3], YES[:3], "extremal", "paper")
    assert KINDS["extremal"] == extremal.KINDS[extremal.ExtremalConfig().kind]
    np.testing.assert_array_equal(found.regions[:2], np.concatenate([right, right]) > 0.5)
    np.testing.assert_allclose(found.maps[0], 0.75 * right[0])
    np.testing.assert_allclose(found.maps[1], 0.5 * wrong[0] + 0.25 * right[0])


# The report


def without_time(report):
    return {name: value for name, value in report.items() if name != "seconds"}


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """(report, cache) of every method with two infills on four pictures."""
    cache = tmp_path_factory.mktemp("maps") / "cache"
    return masks_report(F, INFILLS, IMAGES[:4], cache=cache, key="toy Window"), cache


def test_the_report_is_complete_json(reported):
    report, _ = reported
    numbers = json.loads(json.dumps(report, allow_nan=False))
    assert (numbers["n"], numbers["preset"], numbers["answers_present"]) == (4, "quick", 4)
    assert numbers["reference_infill"] == "local"
    assert numbers["seconds"] > 0
    assert list(numbers["cells"]) == list(ROWS)
    for row, of in numbers["cells"].items():
        assert of.keys() == {"mean", "local"}, row
        for one in of.values():
            assert one.keys() - {"area_at_flip"} == NUMBERS - {"area_at_flip"} | {"flips"}
            for number in one.values():
                assert number["low"] <= number["value"] <= number["high"]
    # Only the first method is compared with the published number of steps.
    for part, rows in (("agreement", ROWS), ("repeatability", ROWS), ("against_paper", ROWS[:1])):
        assert numbers[part].keys() - {"n"} == set(rows)
        assert all(-1 <= numbers[part][row]["value"] <= 1 for row in rows)
    assert numbers["repeatability"]["n"] == numbers["against_paper"]["n"] == 4
    assert "anatomy" not in numbers


def test_the_settings_are_those_of_the_preset(reported):
    settings = reported[0]["settings"]
    assert settings.keys() == set(ROWS)
    for row, found in settings.items():
        options = json.loads(json.dumps(presets.preset("quick", row.split("-")[0])))
        assert options.items() <= found.items()
        assert not {"kind", "infill", "seed", "answer"} & found.keys()
    assert settings["fido-ssr"] == settings["fido-sdr"]


def refuse(*words, **options):
    raise AssertionError("maps were looked for again")


def test_a_second_report_looks_for_nothing(reported, monkeypatch):
    report, cache = reported
    monkeypatch.setattr(masks, "find_maps", refuse)
    again = masks_report(F, INFILLS, IMAGES[:4], cache=cache, key="toy Window")
    assert without_time(again) == without_time(report)


@pytest.fixture
def fake(monkeypatch):
    """Maps at no cost, of the window and some noise; returns the list of (row, infill, speed, seed, n) asked for."""
    heard = []

    def find(f, infill, x, sign, row, speed, seed=0):
        heard.append((row, infill.name, speed, seed, len(x)))
        rng = np.random.default_rng([len(row), len(infill.name), len(speed), seed])
        maps = window_maps(len(x)).maps * 0.5 + 0.4 * rng.random((len(x), 32, 32), dtype=np.float32)
        return Maps(maps, maps > 0.5)

    monkeypatch.setattr(masks, "find_maps", find)
    return heard


def run(cache, images=IMAGES[:4], key="toy", rows=("bbmp",), **more):
    return masks_report(F, INFILLS, images, cache=cache, key=key, rows=rows, **more)


def test_what_is_looked_for(fake, tmp_path):
    run(tmp_path, seed=2)
    assert fake == [
        ("bbmp", "mean", "quick", 2, 4),
        ("bbmp", "local", "quick", 2, 4),
        ("bbmp", "local", "quick", 3, 4),  # again, with another seed
        ("bbmp", "local", "paper", 2, 4),  # and with the published number of steps
    ]
    assert len(list(tmp_path.iterdir())) == 4


def test_at_the_papers_speed_there_is_nothing_to_compare_with(fake, tmp_path):
    report = run(tmp_path, speed="paper")
    assert [pace for _, _, pace, _, _ in fake] == ["paper"] * 3
    assert report["against_paper"] == {"n": 4}
    assert report["preset"] == "paper"


def test_the_same_again_is_free(fake, tmp_path):
    first = run(tmp_path)
    fake.clear()
    assert without_time(run(tmp_path)) == without_time(first)
    assert fake == []


@pytest.mark.parametrize("change", [{"key": "toy Other"}, {"images": IMAGES[1:5]}, {"seed": 7}, {"speed": "paper"}])
def test_something_else_is_looked_for_anew(fake, tmp_path, change):
    run(tmp_path)
    before = len(fake)
    fake.clear()
    run(tmp_path, **change)
    # The paper's speed was already looked for once, to compare with.
    assert len(fake) == (2 if "speed" in change else before)


def test_one_pixel_of_one_picture_is_another_picture(fake, tmp_path):
    run(tmp_path)
    changed = IMAGES[:4].copy()
    changed[2, 0, 5, 5] += 1
    fake.clear()
    run(tmp_path, changed)
    assert len(fake) == 4


def test_other_steps_are_other_maps(fake, tmp_path, monkeypatch):
    run(tmp_path)
    fake.clear()
    more = {s: {m: o | {"steps": 4} for m, o in methods.items()} for s, methods in presets.PRESETS.items()}
    monkeypatch.setattr(presets, "PRESETS", more)
    run(tmp_path)
    assert len(fake) == 4


def test_an_interrupted_run_goes_on(fake, tmp_path, monkeypatch):
    whole = run(tmp_path / "whole", rows=("bbmp", "fido-ssr"))
    all_of_it = len(fake)
    fake.clear()
    find = masks.find_maps

    def interrupted(*words):
        if len(fake) == 5:
            raise KeyboardInterrupt
        return find(*words)

    with monkeypatch.context() as patch:
        patch.setattr(masks, "find_maps", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "cache", rows=("bbmp", "fido-ssr"))
    assert len(fake) == 5
    fake.clear()
    resumed = run(tmp_path / "cache", rows=("bbmp", "fido-ssr"))
    assert len(fake) == all_of_it - 5 > 0
    assert without_time(resumed) == without_time(whole)


def test_many_pictures_are_taken_in_batches(fake, tmp_path):
    images = np.tile(IMAGES, (4, 1, 1, 1))[:18].copy()
    images[:, 0, 0, 0] = np.arange(18)
    report = run(tmp_path, images)
    assert (masks.BATCH, masks.CHECKED) == (16, 8)
    assert [n for *_, n in fake] == [16, 2, 16, 2, 8, 8]
    assert report["n"] == 18
    assert report["repeatability"]["n"] == report["against_paper"]["n"] == 8


def test_a_map_with_itself_agrees(monkeypatch, tmp_path):
    monkeypatch.setattr(masks, "find_maps", lambda f, infill, x, *more: window_maps(len(x)))
    report = run(tmp_path)
    for part in ("agreement", "repeatability", "against_paper"):
        assert report[part]["bbmp"] == {"value": 1, "low": 1, "high": 1}
    assert report["cells"]["bbmp"]["mean"]["succeeds"]["value"] == 1
    assert report["cells"]["bbmp"]["mean"]["area"]["value"] == 64 / 1024
    assert report["cells"]["bbmp"]["mean"]["flips"]["value"] == 1
    assert report["cells"]["bbmp"]["mean"]["area_at_flip"]["n"] == 4


def test_where_the_answer_never_falls_no_share_is_given(monkeypatch, tmp_path):
    monkeypatch.setattr(masks, "find_maps", lambda f, infill, x, *more: window_maps(len(x)))
    never = WindowBox(threshold=2.0)
    one = masks_report(never, INFILLS, IMAGES[:3], cache=tmp_path, key="", rows=("bbmp",))["cells"]["bbmp"]["mean"]
    assert one["flips"]["value"] == 0
    assert "area_at_flip" not in one


def test_answers_are_counted(fake, tmp_path):
    images = IMAGES[:4].copy()
    images[0] = 40  # f sees nothing in it
    assert run(tmp_path, images)["answers_present"] == 3


def test_where_a_region_is_known(monkeypatch, tmp_path):
    def find(f, infill, x, sign, row, speed, seed=0):
        found = window_maps(len(x))
        if len(x) == 3:
            found.regions[2] = False
        return found

    monkeypatch.setattr(masks, "find_maps", find)
    anatomy = np.zeros((3, 32, 32), dtype=bool)
    anatomy[:, :12] = True  # half of the window
    anatomy[0, :16] = True  # all of it
    report = run(tmp_path, anatomy=("upper", IMAGES[2:5], anatomy))
    assert report["anatomy"] == {"name": "upper", "n": 3, "area": pytest.approx((0.5 + 0.375 + 0.375) / 3, abs=1e-4)}
    for name in INFILLS:
        inside = report["cells"]["bbmp"][name]["inside"]
        assert (inside["value"], inside["low"], inside["high"], inside["n"]) == (0.75, 0.5, 1, 2)


def test_where_no_method_has_a_region_nothing_is_inside(monkeypatch, tmp_path):
    none = Maps(np.zeros((4, 32, 32), np.float32), np.zeros((4, 32, 32), dtype=bool))
    monkeypatch.setattr(masks, "find_maps", lambda *words: none)
    report = run(tmp_path, anatomy=("upper", IMAGES[:4], np.ones((4, 32, 32), dtype=bool)))
    json.dumps(report, allow_nan=False)
    assert "inside" not in report["cells"]["bbmp"]["mean"]


def test_the_learned_infill_is_the_reference_where_there_is_one(fake, tmp_path):
    with_ca = INFILLS | {"ca": toy_infill("ca")}
    report = masks_report(F, with_ca, IMAGES[:2], cache=tmp_path, key="", rows=("bbmp",))
    assert report["reference_infill"] == "ca"
    assert [name for _, name, *_ in fake] == ["mean", "local", "ca", "ca", "ca"]


@pytest.mark.parametrize("speed", ["quick", "paper"])
@pytest.mark.parametrize("known", [False, True])
def test_progress_is_told(fake, tmp_path, speed, known):
    heard = []
    anatomy = ("upper", IMAGES[2:5], np.ones((3, 32, 32), dtype=bool)) if known else None
    for _ in range(2):  # the second time from the cache
        heard.clear()
        run(tmp_path, speed=speed, anatomy=anatomy, progress=lambda i, n: heard.append((i, n)))
        done = [i for i, _ in heard]
        assert done == sorted(set(done))
        assert {n for _, n in heard} == {done[-1]}


def test_progress_of_several_methods(fake, tmp_path):
    heard = []
    run(tmp_path, rows=ROWS, progress=lambda i, n: heard.append((i, n)))
    assert heard[-1][0] == heard[-1][1]
    assert len(heard) == len(fake)
