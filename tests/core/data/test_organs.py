"""Organ masks brought into the frame a network sees: the mask takes the same way as its picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.organs import organ_masks
from core.data.packed import training_image
from core.data.table import LabelledTable
from core.errors import UserError


def picture(height: int = 60, width: int = 60) -> np.ndarray:
    """Grain, with a bright block in rows 30 to 45 and columns 12 to 33: what the mask marks."""
    pixels = np.random.default_rng(0).integers(40, 120, (height, width)).astype(np.uint8)
    pixels[30:45, 12:33] = 240
    return pixels


def block(height: int = 60, width: int = 60) -> np.ndarray:
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[30:45, 12:33] = 255
    return mask


def bordered(pixels: np.ndarray, *edges: int) -> np.ndarray:
    """With a black border: top, right, bottom, left."""
    top, right, bottom, left = edges
    return np.pad(pixels, ((top, bottom), (left, right)))


def save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def places(tmp_path):
    """(folder of pictures, folder of masks), both empty."""
    for name in ("pictures", "masks"):
        (tmp_path / name).mkdir()
    return tmp_path / "pictures", tmp_path / "masks"


def table(folder: Path, *files: str) -> LabelledTable:
    return LabelledTable(folder, files, {"file": files})


def listing(masks: Path, *rows: str, header: str = "file,heart") -> None:
    (masks / "masks.csv").write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")


def test_a_mask_is_taken_to_the_networks_size(places):
    pictures, masks = places
    save(picture(), pictures / "a.png")
    save(block(), masks / "a-heart.png")
    listing(masks, "a.png,a-heart.png")
    found = organ_masks(table(pictures, "a.png"), masks, "heart", 20)
    assert found.keys() == {0}
    expected = np.zeros((20, 20), dtype=bool)
    expected[10:15, 4:11] = True
    np.testing.assert_array_equal(found[0], expected)


@pytest.mark.parametrize("edges", [(10, 0, 0, 0), (0, 20, 0, 0), (12, 9, 3, 18), (8, 8, 8, 8)])
def test_a_border_around_the_picture_moves_the_mask_with_it(places, edges):
    pictures, masks = places
    save(picture(), pictures / "a.png")
    save(block(), masks / "a.png")
    save(bordered(picture(), *edges), pictures / "b.png")
    save(bordered(block(), *edges), masks / "b.png")
    listing(masks, "a.png,a.png", "b.png,b.png")
    found = organ_masks(table(pictures, "a.png", "b.png"), masks, "heart", 20)
    np.testing.assert_array_equal(found[0], found[1])
    # What the network sees of the picture is bright where the mask is.
    for name, mask in zip(("a.png", "b.png"), found.values(), strict=True):
        seen = training_image(pictures / name, "chest", 20)[0]
        assert seen[mask].min() > seen[~mask].max()


@pytest.mark.parametrize("shape", [(60, 120), (120, 60)])
def test_a_long_picture_is_cut_with_its_mask(places, shape):
    pictures, masks = places
    height, width = shape
    save(np.roll(picture(height, width), (height - 60) // 2, 0), pictures / "a.png")
    save(np.roll(block(height, width), (height - 60) // 2, 0), masks / "a.png")
    listing(masks, "a.png,a.png")
    (mask,) = organ_masks(table(pictures, "a.png"), masks, "heart", 32).values()
    seen = training_image(pictures / "a.png", "chest", 32)[0]
    assert mask.any()
    assert seen[mask].mean() > seen[~mask].mean() + 0.3


def test_a_mask_may_be_smaller_than_its_picture(places):
    pictures, masks = places
    save(bordered(picture(), 0, 0, 0, 20), pictures / "a.png")
    save(np.array(Image.fromarray(bordered(block(), 0, 0, 0, 20)).resize((40, 30), 0)), masks / "a.png")
    listing(masks, "a.png,a.png")
    (mask,) = organ_masks(table(pictures, "a.png"), masks, "heart", 20).values()
    expected = np.zeros((20, 20), dtype=bool)
    expected[10:15, 4:11] = True
    assert (mask != expected).sum() <= 7  # half a pixel along the edge


def test_a_bilevel_mask(places):
    pictures, masks = places
    save(picture(), pictures / "a.png")
    Image.fromarray(block() > 0).save(masks / "a.png")
    listing(masks, "a.png,a.png")
    assert organ_masks(table(pictures, "a.png"), masks, "heart", 20)[0].sum() == 35


def test_rows_without_a_heart_are_skipped(places):
    pictures, masks = places
    for name in ("a.png", "b.png", "c.png", "d.png"):
        save(picture(), pictures / name)
    save(block(), masks / "m.png")
    listing(masks, "b.png,m.png,1", "c.png,,0", "d.png,m.png,0", "elsewhere.png,gone.png,0", header="file,heart,more")
    rows = table(pictures, "a.png", "b.png", "c.png", "d.png")
    assert organ_masks(rows, masks, "heart", 20).keys() == {1, 3}
    assert organ_masks(table(pictures, "a.png", "c.png"), masks, "heart", 20) == {}


def test_a_byte_order_mark_is_no_part_of_a_name(places):
    pictures, masks = places
    save(picture(), pictures / "a.png")
    save(block(), masks / "m.png")
    (masks / "masks.csv").write_text("\ufefffile,heart\r\na.png,m.png\r\n", encoding="utf-8")
    assert organ_masks(table(pictures, "a.png"), masks, "heart", 20).keys() == {0}


def test_each_organ_has_its_column(places):
    pictures, masks = places
    for name in ("a.png", "b.png"):
        save(picture(), pictures / name)
    save(block(), masks / "h.png")
    save(255 - block(), masks / "l.png")
    listing(masks, "a.png,h.png,l.png", "b.png,,l.png", header="file,heart,lungs")
    rows = table(pictures, "a.png", "b.png")
    hearts, lungs = (organ_masks(rows, masks, organ, 20) for organ in ("heart", "lungs"))
    assert hearts.keys() == {0}
    assert lungs.keys() == {0, 1}
    np.testing.assert_array_equal(hearts[0], ~lungs[0])
    assert hearts[0].sum() == 35


@pytest.mark.parametrize("top", [1, 255])
def test_a_mask_of_ones_is_one_of_255(places, top):
    pictures, masks = places
    save(picture(), pictures / "a.png")
    save(block() // 255 * np.uint8(top), masks / "m.png")
    listing(masks, "a.png,m.png")
    assert organ_masks(table(pictures, "a.png"), masks, "heart", 20)[0].sum() == 35


def test_an_empty_mask_says_that_the_organ_is_nowhere(places):
    pictures, masks = places
    save(picture(), pictures / "a.png")
    save(np.zeros((60, 60), np.uint8), masks / "m.png")
    listing(masks, "a.png,m.png")
    assert organ_masks(table(pictures, "a.png"), masks, "heart", 20)[0].sum() == 0


# Mistakes


def test_no_listing(places):
    with pytest.raises(UserError, match=r"There is no .*masks\.csv; it should list"):
        organ_masks(table(places[0], "a.png"), places[1], "heart", 20)


def test_no_folder(tmp_path):
    with pytest.raises(UserError, match=r"masks\.csv"):
        organ_masks(table(tmp_path, "a.png"), tmp_path / "nowhere", "heart", 20)


def test_a_mask_that_is_not_there(places):
    pictures, masks = places
    save(picture(), pictures / "a.png")
    listing(masks, "a.png,gone.png")
    with pytest.raises(UserError, match=r"names gone\.png, which is not in"):
        organ_masks(table(pictures, "a.png"), masks, "heart", 20)


def test_a_mask_that_is_no_picture(places):
    pictures, masks = places
    save(picture(), pictures / "a.png")
    (masks / "m.png").write_text("nothing to see")
    listing(masks, "a.png,m.png")
    with pytest.raises(UserError, match=r"m\.png"):
        organ_masks(table(pictures, "a.png"), masks, "heart", 20)


@pytest.mark.parametrize("text", ["file,lungs\na.png,m.png\n", "picture,heart\na.png,m.png\n", "file,heart\n", ""])
def test_a_listing_without_its_columns_or_rows(places, text):
    (places[1] / "masks.csv").write_text(text)
    with pytest.raises(UserError, match=r"masks\.csv needs the columns 'file' and 'heart' and at least one row"):
        organ_masks(table(places[0], "a.png"), places[1], "heart", 20)


def test_a_listing_in_another_encoding(places):
    (places[1] / "masks.csv").write_bytes("file,heart\nä.png,m.png\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"masks\.csv is not a CSV file in UTF-8"):
        organ_masks(table(places[0], "a.png"), places[1], "heart", 20)
