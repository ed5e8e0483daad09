"""What mask explainers share: which answer, what is hidden, and the sentence a result ends with."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from toys import ToySubject, WindowBox, prepared_window

from core.classifiers.multiclass import OneClass
from core.errors import UserError
from core.explainers.fido import FidoConfig
from core.explainers.masking import (
    DESTROYING,
    SAMPLES,
    SUFFICIENT,
    Found,
    at_threshold,
    begin,
    finish,
    hidden_of,
    measure,
    says,
    sign_of,
)
from core.explainers.results import MaskResult


class Constant:
    """f of a picture is its mean, so that every answer can be dialled."""

    def posterior(self, x):
        return x.mean((1, 2, 3))

    def logit(self, x):
        return torch.logit(self.posterior(x))


def window_mask(inside: float = 1.0, outside: float = 0.0) -> torch.Tensor:
    mask = torch.full((1, 1, 32, 32), outside)
    mask[..., 8:16, 12:20] = inside
    return mask


def result_of(mask, kind, *, f=None, answer="predicted", infill="mean", threshold=0.5, **more) -> MaskResult:
    """The finished result of a mask that no one had to search for."""
    toy = ToySubject(None, f or WindowBox())
    config = FidoConfig(infill=infill, answer=answer, steps=3)
    work = begin(toy, prepared_window(), "Window", "fido", kind, config)
    return finish(work, Found(mask, torch.tensor([[3.0], [2.0], [1.0]])), threshold=threshold, **more)


# Which answer


def test_the_predicted_answer_is_what_f_says_of_each():
    x = torch.stack([torch.full((1, 4, 4), v) for v in (0.2, 0.5, 0.9)])
    assert sign_of(Constant(), x, "predicted").tolist() == [-1, 1, 1]


def test_of_many_classes_the_likeliest_is_the_answer_even_below_one_half():
    f = OneClass(lambda x: torch.tensor([[0.2, 0.1, 0.0], [0.0, 0.1, 0.2]]), 0)
    x = torch.zeros(2, 1, 4, 4)
    assert (f.posterior(x) < 0.5).all()
    assert says(f, x).tolist() == [True, False]
    assert sign_of(f, x, "predicted").tolist() == [1, -1]


@pytest.mark.parametrize(("answer", "sign"), [("present", 1), ("absent", -1)])
def test_an_answer_that_was_asked_for(answer, sign):
    assert sign_of(Constant(), torch.rand(3, 1, 4, 4), answer).tolist() == [sign] * 3


def test_an_unknown_answer_lists_the_known_ones():
    with pytest.raises(UserError, match="no answer 'maybe' to explain; choose one of predicted, present, absent"):
        sign_of(Constant(), torch.rand(1, 1, 4, 4), "maybe")


def test_what_is_hidden():
    region = torch.tensor([[[[True, False]]]])
    assert hidden_of(region, DESTROYING).tolist() == [[[[1, 0]]]]
    assert hidden_of(region, SUFFICIENT).tolist() == [[[[0, 1]]]]


@pytest.mark.parametrize(("infill", "count"), [("mean", 1), ("random", 5)])
def test_only_an_infill_that_varies_is_drawn_often(infill, count):
    toy = ToySubject(None, WindowBox())
    x = torch.from_numpy(prepared_window().tensor)[None]
    fills, after = measure(toy.f, toy.infill(infill), x, window_mask(), 5, seed=3)
    assert fills.shape == (1, count, 1, 32, 32)
    torch.testing.assert_close(after[0], toy.f.posterior(fills[0]))
    again, _ = measure(toy.f, toy.infill(infill), x, window_mask(), 5, seed=3)
    assert torch.equal(fills, again)


def test_a_search_without_steps_is_refused():
    toy = ToySubject(None, WindowBox())
    with pytest.raises(UserError, match="fido needs at least one step, not 0"):
        begin(toy, prepared_window(), "Window", "fido", DESTROYING, FidoConfig(steps=0, infill="mean"))


# What a result holds


def test_hiding_the_window_destroys():
    result = result_of(window_mask(), DESTROYING)
    assert result.query > 0.99
    assert result.answer is True
    assert result.succeeded
    assert result.area == 64 / 1024
    assert result.after.shape == (1,)
    assert result.after[0] < 0.1
    assert result.fills.shape == (1, 1, 32, 32)
    np.testing.assert_array_equal(result.region, window_mask()[0, 0].numpy() > 0.5)
    np.testing.assert_array_equal(result.hidden, result.region)
    picture = prepared_window().tensor
    np.testing.assert_array_equal(result.fills[0][:, ~result.hidden], picture[:, ~result.hidden])
    assert (result.fills[0][:, result.hidden] == 0.25).all()
    assert result.trace.tolist() == [3, 2, 1]
    assert result.provenance.seconds > 0


def test_the_window_alone_suffices():
    result = result_of(window_mask(), SUFFICIENT)
    assert result.succeeded
    assert result.after[0] > 0.99
    np.testing.assert_array_equal(result.hidden, ~result.region)
    assert (result.fills[0][:, result.hidden] == 0.25).all()


def test_an_infill_that_varies_is_shown_in_several_samples():
    result = result_of(window_mask(), DESTROYING, infill="random")
    assert result.fills.shape == (SAMPLES, 1, 32, 32)
    assert result.after.shape == (SAMPLES,)
    assert len(set(result.after.tolist())) == SAMPLES


def test_the_absence_is_explained_as_well():
    # f of the dark picture says no; hiding the window with something brighter would say yes.
    result = result_of(window_mask(), DESTROYING, f=WindowBox(threshold=2.0))
    assert result.answer is False
    assert not result.succeeded
    assert result_of(window_mask(), SUFFICIENT, f=WindowBox(threshold=2.0)).succeeded


# Another threshold


def test_another_threshold_is_filled_and_measured_anew():
    toy, picture = ToySubject(None, WindowBox()), prepared_window()
    result = result_of(window_mask(0.6, 0.2), DESTROYING)
    assert result.area == 64 / 1024
    wide, none = (at_threshold(toy, picture, result, t) for t in (0.1, 0.7))
    assert (wide.threshold, wide.area) == (0.1, 1.0)
    assert (wide.fills == 0.25).all()
    assert (none.threshold, none.area, none.succeeded) == (0.7, 0.0, False)
    np.testing.assert_array_equal(none.fills[0], picture.tensor)
    assert none.after[0] == pytest.approx(result.query, abs=1e-6)
    back = at_threshold(toy, picture, none, 0.5)
    assert back.area == result.area
    np.testing.assert_array_equal(back.fills, result.fills)
    assert back.provenance.stop == result.provenance.stop
    assert wide.settings == result.settings
    np.testing.assert_array_equal(wide.mask, result.mask)


def test_the_same_threshold_again_draws_the_same_fills():
    toy = ToySubject(None, WindowBox())
    result = result_of(window_mask(), DESTROYING, infill="random")
    again = at_threshold(toy, prepared_window(), result, 0.5)
    np.testing.assert_array_equal(again.fills, result.fills)
    more = at_threshold(toy, prepared_window(), result, 0.5, samples=7)
    assert len(more.fills) == 7


# Sentences


def stop(mask, kind, **more) -> str:
    return result_of(mask, kind, **more).provenance.stop


def test_destroyed():
    said = stop(window_mask(), DESTROYING)
    assert said.startswith(
        "finished: hiding 6.2\u00a0% of the picture takes the classifier from >\u00a099.9\u00a0% to "
    )
    assert said.endswith("and flips the answer")


def test_not_destroyed():
    said = stop(window_mask(0, 1), DESTROYING)
    assert said.startswith(
        "finished, but the answer stands: hiding 94\u00a0% of the picture takes the classifier from >\u00a099.9"
    )


def test_destroyed_without_a_region():
    said = stop(window_mask(0, 0), DESTROYING)
    assert said.startswith("finished without a region: no region is worth to the classifier (>\u00a099.9\u00a0%)")
    assert "a smaller sparsity than 10 allows a larger one" in said


def test_sufficient():
    said = stop(window_mask(), SUFFICIENT)
    assert said == (
        "finished: 6.2\u00a0% of the picture alone suffices for the answer: filling the rest takes the classifier from "
        ">\u00a099.9\u00a0% to >\u00a099.9\u00a0%; with nothing shown the fill alone gives 0.2\u00a0%"
    )


def test_sufficient_but_so_is_nothing_at_all():
    said = stop(window_mask(), SUFFICIENT, f=WindowBox(threshold=0.1))
    assert said.startswith("finished: 6.2\u00a0% of the picture alone suffices")
    assert said.endswith("; but with nothing shown the fill alone gives this answer too (98\u00a0%): it says little")


def test_not_sufficient():
    said = stop(window_mask(0, 1), SUFFICIENT)
    assert said.startswith(
        "finished, but 94\u00a0% of the picture alone does not suffice: filling the rest takes the classifier from "
    )


def test_not_sufficient_without_a_region():
    said = stop(window_mask(0, 0), SUFFICIENT)
    assert said.startswith("finished without a region: no region is worth to the classifier (>\u00a099.9\u00a0%)")
    assert "smaller sparsity" in said


def test_sufficient_without_a_region():
    said = stop(window_mask(0, 0), SUFFICIENT, f=WindowBox(threshold=0.1))
    assert said == "finished without a region: the classifier gives this answer even with everything filled in"


# JSON


@pytest.mark.parametrize("kind", [DESTROYING, SUFFICIENT])
@pytest.mark.parametrize("infill", ["mean", "random"])
def test_a_result_is_json(kind, infill):
    result = result_of(window_mask(), kind, infill=infill, ladder=((0.1, 0.9), (0.2, 0.123456789)), note={"extra": 2})
    numbers = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert numbers["method"] == "fido"
    assert numbers["kind"] == kind
    assert numbers["picture"] == "ef" * 8
    assert numbers["ladder"] == [[0.1, 0.9], [0.2, 0.123457]]
    assert numbers["objective"] == [3, 1]
    assert numbers["settings"]["extra"] == 2
    assert numbers["settings"]["infill"] == infill
    assert len(numbers["after"]) == len(result.after)
    assert numbers["stop"] == result.provenance.stop
    assert "not a medical device" in numbers["notice"]


def test_an_answer_that_was_never_given_is_not_destroyed():
    dark = WindowBox(threshold=2.0)  # f says no
    nothing = result_of(window_mask(0, 0), DESTROYING, f=dark, answer="present")
    assert not nothing.succeeded
    hidden = result_of(window_mask(), DESTROYING, f=dark, answer="present")
    assert "flips" not in hidden.provenance.stop


def test_a_region_that_the_threshold_emptied_is_not_blamed_on_the_price():
    toy, result = ToySubject(None, WindowBox()), result_of(window_mask(0.6, 0.2), DESTROYING)
    assert "sparsity" not in at_threshold(toy, prepared_window(), result, 0.7).provenance.stop
