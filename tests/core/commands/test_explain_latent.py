"""`contralens train autoencoder`, and `contralens explain xgem|latent-shift` with what it wrote."""

from __future__ import annotations

import json
import shutil

import pytest
from toys import STUDY, shaken

from core.networks.autoencoder import Autoencoder, AutoencoderConfig
from core.networks.store import load_autoencoder, save_autoencoder
from core.studies import open_study

METHODS = ("xgem", "latent-shift")


@pytest.fixture
def manifold(study_folder, contralens, tmp_path, monkeypatch):
    """The toy study with a random autoencoder, in place of the toy."""
    shutil.copytree(study_folder / "toy", tmp_path / "checkpoints" / "toy")
    folder = tmp_path / "checkpoints" / "toy"
    (folder / "study.toml").write_text(STUDY + '\n[autoencoder]\nfile = "autoencoder.safetensors"\n')
    save_autoencoder(shaken(Autoencoder(AutoencoderConfig(32, 1, 8, 4)), 0.1), folder / "autoencoder.safetensors")
    monkeypatch.setenv("CONTRALENS_CHECKPOINTS", str(folder.parent))
    return folder


def words(method, image, *more):
    few = ("--steps", 3) if method == "xgem" else ()
    return ("explain", method, image, "--study", "toy", *few, *more)


@pytest.mark.parametrize("method", METHODS)
def test_explain(method, manifold, contralens, image, tmp_path):
    code, out, _ = contralens(*words(method, image, "--out", tmp_path / "o"))
    assert code == 0
    assert out.startswith("Large: f = 0.")
    assert "<- its reconstruction" in out
    assert "not a medical device" in out
    written = {p.name: p.read_bytes()[:4] for p in (tmp_path / "o").iterdir()}
    assert written["sweep.gif"] == b"GIF8"
    assert written["sweep.webp"] == b"RIFF"
    assert written["sweep.png"] == written["strip.png"] == written["most.png"] == b"\x89PNG"
    assert json.loads((tmp_path / "o" / "sweep.json").read_text())["method"] == method


@pytest.mark.parametrize("method", METHODS)
def test_as_json(method, manifold, contralens, image):
    numbers = json.loads(contralens(*words(method, image, "--target", "Bright", "--json"))[1])
    assert (numbers["method"], numbers["target"], numbers["exact"]) == (method, "Bright", False)
    assert len(numbers["requested"]) == len(numbers["achieved"])


def test_options_reach_latent_shift(manifold, contralens, image):
    code, out, _ = contralens(*words("latent-shift", image, "--form", "residual", "--change", 0.5))
    assert code == 0
    assert "<- the picture itself" in out


def test_options_reach_xgem(manifold, contralens, image):
    numbers = [
        json.loads(contralens("explain", "xgem", image, "--study", "toy", "--json", *more)[1])
        for more in (("--steps", 3, "--fidelity", 0), ("--steps", 3, "--fidelity", 1e9))
    ]
    assert max(numbers[0]["distance"]) != max(numbers[1]["distance"])


@pytest.mark.parametrize("method", METHODS)
def test_mistakes(method, manifold, mistake, image):
    assert "no target 'Small'" in mistake(*words(method, image, "--target", "Small"))


def test_mistakes_in_options(manifold, mistake, image):
    assert "no form 'gif'" in mistake(*words("latent-shift", image, "--form", "gif"))
    assert "above 0" in mistake(*words("latent-shift", image, "--change", 0))
    assert "fidelity of 0 or more" in mistake(*words("xgem", image, "--fidelity", -1))


@pytest.mark.parametrize("method", METHODS)
def test_a_study_without_an_autoencoder_says_how_to_train_one(method, mistake, image):
    line = mistake(*words(method, image))
    assert "Toy discs has no autoencoder" in line
    assert "contralens train autoencoder --study toy --data DIR --labels CSV --out DIR" in line


def test_it_is_loaded_once(manifold):
    study = open_study("toy")
    assert study.autoencoder() is study.autoencoder()
    assert not study.autoencoder().training


def test_a_setting_without_a_file(manifold, mistake, image):
    (manifold / "study.toml").write_text(STUDY + '\n[autoencoder]\nname = "vae"\n')
    assert "lacks 'file' in [autoencoder]" in mistake(*words("xgem", image))


# train


def training(table, out, *more):
    return (
        "train", "autoencoder", "--study", "toy", *table, "--out", out, "--base", 8, "--latent", 4, "--options",
        '{"batch": 4}', "--device", "cpu", *more,
    )  # fmt: skip


def test_train_one_go_on_install_and_use_it(manifold, contralens, table, image, tmp_path):
    code, out, _ = contralens(*training(table, tmp_path / "o", "--steps", 2))
    assert code == 0
    assert out.startswith("finished after 2 steps")
    assert "of 4 latent numbers in use" in out
    code, out, _ = contralens(*training(table, tmp_path / "o", "--steps", 3, "--resume"))
    assert code == 0
    assert out.startswith("finished after 3 steps")
    network = load_autoencoder(tmp_path / "o" / "autoencoder.safetensors")
    assert network.config == AutoencoderConfig(32, 1, 8, 4)
    assert json.loads((tmp_path / "o" / "training.json").read_text())["val"]["latent"] == 4
    (tmp_path / "o" / "autoencoder.safetensors").replace(manifold / "autoencoder.safetensors")
    assert contralens(*words("latent-shift", image, "--json"))[0] == 0


def test_train_mistakes(mistake, table, tmp_path):
    out = tmp_path / "o"
    assert "--minutes M or --steps N" in mistake(*training(table, out))
    assert "split 'train'" in mistake(*training(table, out, "--steps", 1, "--where", "split=val"))
    for options in ('{"nonsense": 1}', "not json", "[1]"):
        assert "--options" in mistake(*training(table, out, "--steps", 1, "--options", options))
