"""Face verification accuracy: is the changed face still the same person to a network that recognises faces?

The network is dlib's (Davis King, a ResNet of 29 layers, 99.1 % on LFW by its author; CC0), not the paper's VGGFace2
net, so figures are not comparable with the paper's one to one. Its distance is Euclidean between 128-vectors.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from core.images.faces import model_file

# dlib's own. On small, tightly cut faces a larger one tells pairs apart better, but it would also forgive a knob more.
THRESHOLD = 0.6


@cache
def _networks() -> tuple[Any, Any]:
    import dlib

    return (
        dlib.shape_predictor(model_file("shape_predictor_5_face_landmarks.dat")),
        dlib.face_recognition_model_v1(model_file("dlib_face_recognition_resnet_model_v1.dat")),
    )


def describe_face(pixels: np.ndarray, landmarks_from: np.ndarray | None = None) -> np.ndarray:
    """[128] description of an aligned face. pixels: [H, W, 3] uint8.

    landmarks_from: a picture of the same framing whose landmarks are used, so that both pictures of a pair are
    cut alike; by default the picture itself.
    """
    import dlib

    predictor, recogniser = _networks()
    reference = np.ascontiguousarray(pixels if landmarks_from is None else landmarks_from)
    height, width = reference.shape[:2]
    # The aligned frame's face, as dlib's detector would box it.
    box = dlib.rectangle(int(0.18 * width), int(0.37 * height), int(0.82 * width), int(0.95 * height))
    shape = predictor(reference, box)
    return np.asarray(recogniser.compute_face_descriptor(np.ascontiguousarray(pixels), shape))


def same_person(a: np.ndarray, b: np.ndarray, threshold: float = THRESHOLD) -> bool:
    """Whether two descriptions, [128] each, are within the verification threshold."""
    return bool(np.linalg.norm(a - b) < threshold)
