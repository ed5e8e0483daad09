"""Bias check, evidence and organ outlines in a real browser."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from browsing import NEEDED, WAIT

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = [*NEEDED, pytest.mark.slow]
PLOT = '[data-testid="stPlotlyChart"] .main-svg'
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


@pytest.fixture
def see(visit):
    """An address once something on it is drawn; afterwards nothing was fetched from elsewhere and nothing failed."""
    pages = []

    def go(query: str, wait_for: str, **options):
        page = visit(query, **options)
        page.locator(wait_for).first.wait_for(timeout=WAIT)
        page.get_by_text("not a medical device").first.wait_for(timeout=WAIT)
        page.wait_for_timeout(1500)
        pages.append(page)
        return page

    yield go
    for page in pages:
        assert page.faults == []
        assert page.strangers == []


def tall(page) -> None:
    """Show the whole page, so that the picture of the test's end has all of it."""
    page.set_viewport_size({"width": 1280, "height": 2600})
    page.wait_for_timeout(1500)


def inside(page, selector: str, width: int = 1280) -> None:
    """Nothing of that kind sticks out of the window."""
    for box in page.locator(selector).evaluate_all("all => all.map((n) => n.getBoundingClientRect().toJSON())"):
        assert box["left"] >= 0
        assert box["right"] <= width + 1


def background(page) -> int:
    """How light the page is, 0 to 765."""
    colour = page.locator('[data-testid="stApp"]').evaluate("n => getComputedStyle(n).backgroundColor")
    return sum(int(n) for n in re.findall(r"\d+", colour)[:3])


@SCHEMES
def test_two_rows_of_frames_with_the_oracles_answers(see, scheme):
    page = see("bias?sample=drawn", PLOT, scheme=scheme)
    images = page.locator('[data-testid="stImage"]')
    expect(images).to_have_count(14, timeout=WAIT)
    tops = images.locator("img").evaluate_all("all => all.map((n) => n.getBoundingClientRect())")
    assert len({round(box["y"]) for box in tops}) == 2, "one row a classifier"
    assert all(box["width"] > 100 for box in tops)
    captions = [text.replace("\u00a0", " ") for text in images.all_inner_texts()]
    assert all(re.search(r"cardiomegaly [\d.]+ %.*\s+male [<>\s]*[\d.]+ %", text) for text in captions)
    assert [text.strip().split("male ")[1] for text in captions][6::7] == ["99.9 %", "0.7 %"]
    assert (background(page) < 200) is (scheme == "dark")
    inside(page, '[data-testid="stImage"], [data-testid="stPlotlyChart"], [data-testid="stSelectbox"]')
    tall(page)


@SCHEMES
def test_what_was_measured(see, scheme):
    page = see("bias?sample=drawn&view=measured", PLOT, scheme=scheme)
    assert page.get_by_text("What was not tested may still be there.").count() == 1
    assert page.locator('[data-testid="stDataFrame"]').count() == 1
    cells = page.locator(".heatmaplayer text, .heatmap-label text, text").filter(has_text="93%")
    assert cells.count() >= 1
    inside(page, '[data-testid="stDataFrame"], [data-testid="stPlotlyChart"]')
    tall(page)


def test_a_cohort_is_audited(see, tmp_path):
    """Upload, audit, progress, and the result without a further click."""
    import fake

    file = tmp_path / "cohort.zip"
    rows = ["file,sex"]
    with zipfile.ZipFile(file, "w") as handle:
        for i in range(2):
            film = fake.chest(0.2, side=64)
            film[fake.MARK] = 0.95 if i % 2 else 0.2
            handle.writestr(f"{i}.png", fake.png(film))
            rows.append(f"{i}.png,{i % 2}")
        handle.writestr("labels.csv", io.StringIO("\n".join([*rows, "gone.png,1"])).getvalue())
    page = see("bias?sample=drawn&view=cohort", '[data-testid="stFileUploaderDropzone"]')
    page.locator('input[type="file"]').set_input_files(file, timeout=WAIT)
    page.get_by_role("button", name="Audit 3 pictures").click(timeout=WAIT)
    page.get_by_role("button", name="Numbers (JSON)").wait_for(timeout=3 * WAIT)
    page.get_by_text("1 picture could not be measured").first.wait_for(timeout=WAIT)
    expect(page.locator('[data-testid="stProgress"]')).to_have_count(0)
    inside(page, '[data-testid="stMultiSelect"] [data-baseweb="tag"], [data-testid="stDataFrame"]')
    tall(page)


@SCHEMES
def test_the_evidence_is_drawn(see, scheme):
    page = see("evidence", "text=What do the losses do?", scheme=scheme)
    tall(page)
    charts = page.locator('[data-testid="stPlotlyChart"]')
    expect(charts).to_have_count(6, timeout=WAIT)
    expect(charts.locator(".main-svg .xtitle, .main-svg .xaxislayer-above")).not_to_have_count(0, timeout=WAIT)
    page.wait_for_timeout(1500)
    sizes = charts.evaluate_all("all => all.map((n) => [n.clientWidth, n.querySelectorAll('path').length])")
    assert all(width > 200 and paths > 4 for width, paths in sizes)
    assert page.locator('[data-testid="stDataFrame"]').count() >= 4
    if scheme == "dark":
        page.get_by_role("radio", name="heart area").click()
        page.locator(".g-ytitle", has_text="heart area / chest width²").first.wait_for(timeout=WAIT)
    assert page.locator(".legendtext").filter(has_text="the knob: |most − least|").count() == 1
    inside(page, '[data-testid="stPlotlyChart"], [data-testid="stDataFrame"]')


# --- organs on the knob ----------------------------------------------------------------------------------------------


def lines(page) -> dict[str, str]:
    """What is drawn over the pictures: panel and kind -> path."""
    found = page.locator(".organ").evaluate_all(
        "all => all.map((n) => [n.closest('.panel').dataset.panel + ' ' + [...n.classList].join(' '),"
        " n.getAttribute('d') ?? ''])"
    )
    return dict(found)


@SCHEMES
def test_organs_are_outlined_by_a_key(see, scheme):
    """O draws heart and lungs on both panels and the former heart on the changed one; O again takes them away."""
    page = see("?sample=drawn&mode=calibrated", ".knob[data-ready]", scheme=scheme)
    button = page.locator('[data-do="organs"]')
    assert button.is_visible()
    assert button.get_attribute("aria-pressed") == "false"
    assert set(lines(page).values()) == {""}
    assert "Cardiothoracic ratio 0.47, heart area" in page.locator('p[data-show="organs"]').inner_text()
    page.keyboard.press("o")
    page.wait_for_timeout(300)
    assert button.get_attribute("aria-pressed") == "true"
    start = lines(page)
    assert set(start) == {
        "original organ lungs", "original organ heart", "changed organ heart was", "changed organ lungs",
        "changed organ heart",
    }  # fmt: skip
    assert all(d.startswith("M") and d.endswith("Z") for d in start.values())
    assert start["original organ lungs"].count("M") == 2
    assert start["original organ heart"] == start["changed organ heart"] == start["changed organ heart was"]
    page.locator('input[data-set="frame"]').focus()
    page.keyboard.press("End")
    page.wait_for_timeout(400)
    end = lines(page)
    assert end["original organ heart"] == start["original organ heart"]
    assert end["changed organ heart was"] == start["original organ heart"]
    assert end["changed organ heart"] != start["changed organ heart"]
    assert page.locator('[data-show="layers"]').inner_text() == "dashed: the heart before"
    assert "0.47 → 0.85" in page.locator('p[data-show="organs"]').inner_text()
    dashes = page.locator(".organ.was").evaluate("n => getComputedStyle(n).strokeDasharray")
    assert dashes != "none"
    film = page.locator('[data-panel="original"] canvas').bounding_box()
    drawn = page.locator('[data-panel="original"] .organ.heart').bounding_box()
    middle = (drawn["x"] + drawn["width"] / 2 - film["x"]) / film["width"]
    assert middle == pytest.approx(0.56, abs=0.05), "the drawn heart is right of the middle"
    page.keyboard.press("O")
    page.wait_for_timeout(300)
    assert set(lines(page).values()) == {""}
    button.click()
    page.wait_for_timeout(300)
    assert lines(page) == end
