"""Weights on disk: safetensors, half precision, and no code from a file."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import nn

from core.errors import UserError
from core.weights import read_weights, save_weights


def make() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 20), nn.BatchNorm1d(20))


def test_there_and_back(tmp_path):
    module = make()
    save_weights(module, tmp_path / "deep" / "w.safetensors", {"a": [1, 2], "ä": "ü"})
    state, config = read_weights(tmp_path / "deep" / "w.safetensors")
    assert config == {"a": [1, 2], "ä": "ü"}
    assert state.keys() == module.state_dict().keys()
    for name, tensor in module.state_dict().items():
        assert state[name].dtype == tensor.dtype, name
        torch.testing.assert_close(state[name], tensor, atol=0, rtol=1e-3)


def test_only_large_tensors_are_halved(tmp_path):
    module = make()
    save_weights(module, tmp_path / "w.safetensors", {})
    state, _ = read_weights(tmp_path / "w.safetensors")
    assert torch.equal(state["0.bias"], module[0].bias)  # 20 numbers: exact
    assert torch.equal(state["0.weight"], module[0].weight.half().float())  # 400 numbers: rounded
    assert not torch.equal(state["0.weight"], module[0].weight)


def test_half_the_size(tmp_path):
    module = nn.Linear(200, 200)
    save_weights(module, tmp_path / "half.safetensors", {})
    save_weights(module, tmp_path / "full.safetensors", {}, half=False)
    small, large = ((tmp_path / f"{n}.safetensors").stat().st_size for n in ("half", "full"))
    assert small < 0.55 * large
    assert torch.equal(read_weights(tmp_path / "full.safetensors")[0]["weight"], module.weight)


def test_nothing_half_written_is_left(tmp_path):
    save_weights(make(), tmp_path / "w.safetensors", {})
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no checkpoint at .*nothing\.safetensors"):
        read_weights(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\x00\x00\x00\x00\x00\x00\x00{}notjson", b"\xff" * 64])
def test_garbage_is_refused_with_a_sentence(tmp_path, content):
    (tmp_path / "bad.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.safetensors is not a readable safetensors checkpoint"):
        read_weights(tmp_path / "bad.safetensors")


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemError('a checkpoint ran code')",)


def test_a_pickle_is_not_run(tmp_path):
    (tmp_path / "bomb.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UserError):
        read_weights(tmp_path / "bomb.safetensors")
    torch.save({"weight": torch.ones(2)}, tmp_path / "torch.safetensors")
    with pytest.raises(UserError):
        read_weights(tmp_path / "torch.safetensors")
