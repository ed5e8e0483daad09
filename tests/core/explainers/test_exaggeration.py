"""The knob on toys of which every answer is known: what a sweep holds, and what calibrated mode can and cannot do."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from toys import BrightnessBox, TintNetwork, ToySubject, prepared_disc, shaken, small_config

from core.errors import UserError
from core.explainers.exaggeration import REQUESTS, ExaggerationConfig, explain, sweep_batch
from core.networks.exaggerator import Exaggerator

# f of the 0.6 disc; the tint moves f's log-odds by gain * slope = 0.5 a bin.
F = BrightnessBox(gain=10, threshold=0.35)


def subject(network=None, f=F, **more) -> ToySubject:
    return ToySubject(network or TintNetwork(slope=0.05), f, **more)


def sweep(network=None, f=F, *, picture=None, witness=None, **config):
    toy = subject(network, f, other=witness)
    return explain(toy, picture or prepared_disc(), "Large", ExaggerationConfig(**config))


def test_requests_are_sorted_and_hold_the_query():
    result = sweep(requests=(0.9, 0.1, 0.5, 0.1))
    query = float(F.posterior(torch.from_numpy(prepared_disc().tensor)[None])[0])
    assert result.query == query
    assert result.requested.tolist() == sorted([0.1, 0.5, 0.9, query])
    assert result.requested[result.origin] == query
    assert result.delta[result.origin] == 0


def test_a_request_beside_the_query_gives_way_to_it():
    query = float(F.posterior(torch.from_numpy(prepared_disc().tensor)[None])[0])
    assert sweep(requests=(0.1, query + 0.004)).requested.tolist() == pytest.approx([0.1, query])


def test_the_default_requests_span_the_range():
    assert REQUESTS[0] == 0.01
    assert REQUESTS[-1] == 0.99
    assert (np.diff(REQUESTS) > 0).all()
    assert 20 <= len(sweep().requested) <= 22


@pytest.mark.parametrize("head", ["residual", "morph"])
@pytest.mark.parametrize("mode", ["direct", "calibrated"])
def test_frame_zero_is_the_query_itself(head, mode):
    network, picture = shaken(Exaggerator(small_config(head)), 0.1), prepared_disc()
    result = sweep(network, picture=picture, mode=mode)
    assert np.array_equal(result.frames[result.origin], picture.tensor)
    assert result.achieved[result.origin] == pytest.approx(result.query, abs=1e-6)
    assert result.distance[result.origin] == 0
    assert not result.residual[result.origin].any()
    assert not result.displacement[result.origin].any()


@pytest.mark.parametrize("mode", ["direct", "calibrated"])
@pytest.mark.parametrize("threshold", [-0.8, 1.6, -5.0, 5.0])
def test_frame_zero_is_the_query_even_where_f_is_certain(mode, threshold):
    # At log-odds beyond +-17 a float32 probability is exactly 0 or 1, and its log-odds infinite.
    network = shaken(Exaggerator(small_config("residual")), 0.1)
    result = sweep(network, BrightnessBox(gain=10, threshold=threshold), mode=mode)
    assert result.requested[result.origin] == result.query
    assert np.array_equal(result.frames[result.origin], prepared_disc().tensor)
    assert result.achieved[result.origin] == pytest.approx(result.query, abs=1e-6)


def test_what_is_achieved_is_measured_on_the_frames():
    network = shaken(Exaggerator(small_config("morph")), 0.2)
    result = sweep(network, requests=(0.05, 0.5, 0.95))
    frames = torch.from_numpy(result.frames)
    np.testing.assert_allclose(result.achieved, F.posterior(frames), atol=1e-6)
    x = prepared_disc().tensor[None]
    np.testing.assert_allclose(result.distance, np.abs(result.frames - x).mean((1, 2, 3)), atol=1e-6)


def test_shapes_and_facts():
    result = sweep(requests=(0.2, 0.8), view_side=48, seed=7)
    k = 3
    assert result.frames.shape == (k, 1, 32, 32)
    assert result.displacement.shape == (k, 2, 32, 32)
    assert result.residual.shape == (k, 1, 32, 32)
    assert result.views.shape == (k, 48, 48)
    assert result.views.dtype == np.uint8
    assert (result.study, result.target, result.mode, result.digest) == ("toy", "Large", "calibrated", "ab" * 32)
    assert result.reached.tolist() == (np.abs(result.achieved - result.requested) <= 0.02).tolist()
    assert result.provenance.seed == 7
    assert result.provenance.device == "cpu"
    assert result.provenance.seconds > 0
    assert {"torch", "python", "contralens"} <= result.provenance.versions.keys()


def test_the_view_of_the_query_is_untouched():
    picture = prepared_disc(view=96)
    result = sweep(picture=picture)
    assert np.array_equal(result.views[result.origin], np.rint(picture.view * 255).astype(np.uint8))


def test_a_result_cannot_be_edited():
    with pytest.raises(dataclasses.FrozenInstanceError):
        sweep(requests=(0.5,)).query = 0.1


def test_the_numbers_go_into_json_and_the_pixels_do_not():
    result = sweep(requests=(0.2, 0.8), witness=BrightnessBox(gain=5, threshold=0.35))
    text = json.dumps(result.to_dict(), allow_nan=False)
    numbers = json.loads(text)
    assert len(text) < 3000
    assert not {"frames", "views", "displacement", "residual"} & numbers.keys()
    for name in ("requested", "achieved", "delta", "distance", "witness", "reached"):
        assert len(numbers[name]) == 3, name
    assert numbers["method"] == "exaggeration"
    assert numbers["requested"][numbers["origin"]] == pytest.approx(numbers["query"])
    assert "not a medical device" in numbers["notice"]
    assert {"stop", "seed", "seconds", "device", "versions"} <= numbers.keys()


def test_the_witness_is_asked_about_the_same_frames():
    witness = BrightnessBox(gain=5, threshold=0.3)
    result = sweep(requests=(0.2, 0.8), witness=witness)
    np.testing.assert_allclose(result.witness, witness.posterior(torch.from_numpy(result.frames)), atol=1e-6)
    assert sweep(requests=(0.2,)).witness is None
    assert sweep(requests=(0.2,)).to_dict()["witness"] is None


# Direct and calibrated


def test_the_direct_mode_asks_for_the_request_itself():
    # log-odds move by .5 a bin, and .1 of probability is one bin: f(x_d) is known by hand.
    result = sweep(requests=(0.2, 0.9), mode="direct")
    logit = np.log(result.query / (1 - result.query))
    expected = 1 / (1 + np.exp(-(logit + 0.5 * 10 * result.delta)))
    np.testing.assert_allclose(result.achieved, expected, atol=1e-4)


@pytest.mark.parametrize("slope", [0.05, 0.08, 0.2])
def test_the_calibrated_mode_hits_what_can_be_hit(slope):
    # The grid of conditions reaches two bins beyond 0 to 9, so even slope .05 spans 6 log-odds.
    wanted = (0.3, 0.5, 0.7, 0.8) if slope == 0.05 else REQUESTS[1:-1]
    direct = sweep(TintNetwork(slope), mode="direct", requests=wanted)
    result = sweep(TintNetwork(slope), mode="calibrated", requests=wanted)
    assert np.abs(result.achieved - result.requested).max() < 0.005
    assert np.abs(direct.achieved - direct.requested).max() > 0.02
    assert result.reached.all()
    assert result.provenance.stop == "finished: every request was met"


def test_the_calibrated_mode_works_downhill_too():
    result = sweep(TintNetwork(slope=-0.1), mode="calibrated", requests=(0.2, 0.5, 0.8))
    assert np.abs(result.achieved - result.requested).max() < 0.005


def test_what_cannot_be_reached_is_said():
    # At most +-.1 of brightness, so one unit of log-odds either way.
    result = sweep(TintNetwork(slope=0.2, limit=0.1), mode="calibrated", requests=(0.01, 0.5, 0.99))
    logit = np.log(result.query / (1 - result.query))
    low, high = (1 / (1 + np.exp(-(logit + s))) for s in (-1, 1))
    assert not result.reached[0]
    assert not result.reached[-1]
    assert result.achieved.min() == pytest.approx(low, abs=1e-3)
    assert result.achieved.max() == pytest.approx(high, abs=1e-3)
    assert "2 of 3 requests lie beyond what this generator can do" in result.provenance.stop
    assert f"between {low:.2f} and {high:.2f}" in result.provenance.stop


def test_direct_misses_point_to_the_calibrated_mode():
    stop = sweep(TintNetwork(slope=0.01), requests=(0.05, 0.95), mode="direct").provenance.stop
    assert "2 of 2 requests were missed by more than 0.02" in stop
    assert "calibrated" in stop


def test_a_network_that_does_nothing_is_a_result_too():
    for mode in ("direct", "calibrated"):
        result = sweep(TintNetwork(slope=0.0), mode=mode, requests=(0.1, 0.9))
        np.testing.assert_allclose(result.achieved, result.query, atol=1e-6)
        assert "2 of 2" in result.provenance.stop


def test_a_batch_of_requests_is_each_request(discs):
    network, x = shaken(Exaggerator(small_config("morph")), 0.2), discs.x[:1]
    goal = torch.tensor([0.1, 0.4, 0.9])
    change, achieved = sweep_batch(network, F, x, goal, "direct")
    for k in range(3):
        one, answer = sweep_batch(network, F, x, goal[k : k + 1], "direct")
        torch.testing.assert_close(change.x[k : k + 1], one.x, atol=1e-5, rtol=0)
        assert achieved[k] == pytest.approx(answer[0], abs=1e-5)


# A user's mistakes


@pytest.mark.parametrize(
    "requests", [(), (0.0, 0.5), (0.5, 1.0), (-0.1,), (1.2,), (0.5, float("nan"))], ids=lambda r: str(r)
)
def test_requests_must_lie_inside(requests):
    with pytest.raises(UserError, match="strictly between 0 and 1"):
        sweep(requests=requests)


def test_an_unknown_mode_names_the_modes():
    with pytest.raises(UserError, match="no mode 'magic'; choose one of direct, calibrated"):
        sweep(mode="magic")
