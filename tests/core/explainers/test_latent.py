"""What sweeps on an autoencoder's manifold have in common."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from toys import BrightnessBox, LinearAutoencoder, ToySubject, prepared_disc

from core.errors import UserError
from core.explainers.latent import LatentConfig, explain_latent
from core.explainers.latent_shift import LatentShift, LatentShiftConfig
from core.explainers.xgem import Xgem, XgemConfig

F = BrightnessBox(gain=10, threshold=0.35)
LINEAR = LinearAutoencoder()
METHODS = [Xgem(LINEAR, XgemConfig(steps=30)), LatentShift(LINEAR, LatentShiftConfig(change=9.0))]
by_name = pytest.mark.parametrize("method", METHODS, ids=lambda m: m.head)


def sweep(method, *, witness=None, **config):
    return explain_latent(method, ToySubject(None, F, witness), prepared_disc(), "Large", LatentConfig(**config))


@by_name
def test_with_nothing_asked_it_is_the_reconstruction_and_says_so(method):
    result = sweep(method, requests=(0.1, 0.9))
    x = torch.from_numpy(prepared_disc().tensor)[None]
    still = LINEAR.decode(LINEAR.embed(x))
    np.testing.assert_allclose(result.frames[result.origin], still[0], atol=1e-6)
    assert result.requested[result.origin] == result.query == pytest.approx(float(F.posterior(x)[0]))
    assert result.achieved[result.origin] == pytest.approx(float(F.posterior(still)[0]), abs=1e-6)
    assert result.distance[result.origin] == pytest.approx(float((still - x).abs().mean()), abs=1e-6)
    assert not result.exact
    assert result.to_dict()["exact"] is False
    stop = result.provenance.stop
    assert "the autoencoder's reconstruction and not the upload" in stop
    assert f"f says {result.achieved[result.origin]:.2f} in place of {result.query:.2f}" in stop
    assert f"mean change {result.distance[result.origin]:.3f}" in stop


@by_name
def test_what_is_achieved_is_measured_on_the_frames(method):
    witness = BrightnessBox(gain=5, threshold=0.3)
    result = sweep(method, witness=witness, requests=(0.1, 0.5, 0.9))
    frames = torch.from_numpy(result.frames)
    np.testing.assert_allclose(result.achieved, F.posterior(frames), atol=1e-6)
    np.testing.assert_allclose(result.witness, witness.posterior(frames), atol=1e-6)
    np.testing.assert_allclose(result.residual, frames - torch.from_numpy(prepared_disc().tensor), atol=1e-6)
    assert not result.displacement.any()
    assert result.reached.tolist() == (np.abs(result.achieved - result.requested) <= 0.02).tolist()


@by_name
def test_shapes_and_json(method):
    result = sweep(method, requests=(0.1, 0.9), view_side=48, seed=7)
    assert result.frames.shape == (3, 1, 32, 32)
    assert result.displacement.shape == (3, 2, 32, 32)
    assert result.views.shape == (3, 48, 48)
    numbers = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert numbers["method"] == numbers["head"] == method.head
    assert numbers["seed"] == 7
    assert len(numbers["achieved"]) == 3


@by_name
def test_nothing_but_the_query_may_be_asked(method):
    query = sweep(method).query
    result = sweep(method, requests=(query,))
    assert result.requested.tolist() == [query]
    assert result.provenance.stop.startswith("finished: every request was met")


@by_name
def test_requests_must_lie_inside(method):
    with pytest.raises(UserError, match="strictly between 0 and 1"):
        sweep(method, requests=(0.5, 1.0))


@by_name
def test_what_is_missed_is_counted_without_the_reconstruction(method):
    stiff = type(method)(LINEAR, XgemConfig(fidelity=1e6) if method.head == "xgem" else LatentShiftConfig(change=1e-4))
    result = sweep(stiff, requests=(0.01, 0.99))
    assert "2 of 2 requests were missed by more than 0.02" in result.provenance.stop


@by_name
def test_the_embedding_is_the_code(method):
    x = torch.from_numpy(prepared_disc().tensor)[None]
    assert torch.equal(method.embed(x), LINEAR.embed(x))


@by_name
def test_the_way_back_asks_every_picture_for_the_querys_answer(method):
    z = torch.tensor([[1.0, 0.5, 0.2]])
    x = LINEAR.decode(z)  # on the manifold, so that nothing is lost
    query = F.posterior(x)
    change, achieved = method.sweep(F, x, torch.tensor([0.2, 0.8]))
    back = method.back(F, change.x, torch.as_tensor(achieved), query)
    assert back.shape == change.x.shape
    if method.head == "latent-shift":  # the same line to and fro
        torch.testing.assert_close(back, x.expand_as(back), atol=2e-3, rtol=0)
    away = (change.x - x).abs().mean((1, 2, 3))
    assert ((back - x).abs().mean((1, 2, 3)) < away).all()
