"""The knob in a real browser: it turns without the server, by mouse and by keyboard, and a link brings it back."""

from __future__ import annotations

import re

from browsing import NEEDED, WAIT

pytestmark = NEEDED


def ready(page):
    """The knob, its pictures unpacked and the page at rest."""
    knob = page.locator(".knob[data-ready]")
    knob.wait_for(timeout=WAIT)
    page.get_by_test_id("stDownloadButton").first.wait_for(timeout=WAIT)
    page.wait_for_timeout(600)
    return knob


def pixels(page, panel: str) -> str:
    """The film of one panel, as it is drawn now."""
    return page.locator(f'[data-panel="{panel}"] canvas').evaluate("c => c.toDataURL()")


def test_turns_without_the_server(visit):
    """Dragging changes picture and numbers and sends nothing; the release sends one frame number and the address."""
    page = visit()
    page.locator(".st-key-sample_page_drawn button").click(timeout=WAIT)
    knob = ready(page)
    slider = page.locator('input[data-set="frame"]')
    box = slider.bounding_box()
    origin = int(knob.get_attribute("data-frame"))
    original, before = pixels(page, "original"), pixels(page, "changed")
    assert original == before, "with nothing asked for the changed picture is the original"
    page.sockets_sent.clear()
    page.sockets_received.clear()
    address = page.url
    x = box["x"] + 11 + (box["width"] - 22) * origin / 21
    mark = page.locator(".ticks .origin").bounding_box()
    assert abs(mark["x"] - x) < 1.5, "the original's mark stands where its frame is"
    page.mouse.move(x, box["y"] + 13)
    page.mouse.down()
    seen = {before}
    for step in range(1, 9):
        page.mouse.move(x + step * 35, box["y"] + 13)
        page.wait_for_timeout(80)
        seen.add(pixels(page, "changed"))
    assert len(seen) > 5
    assert int(knob.get_attribute("data-frame")) > origin + 5
    assert page.sockets_sent == []
    assert page.url == address
    assert pixels(page, "original") == original
    words = page.locator(".words").inner_text()
    page.mouse.up()
    page.wait_for_url(re.compile(r"delta=%2B0\.\d\d"), timeout=WAIT)
    page.wait_for_timeout(800)
    assert len(page.sockets_sent) == 1
    assert sum(page.sockets_received) < 50_000, "the pictures are not sent again"
    assert page.locator(".words").inner_text() == words
    assert page.strangers == []
    assert page.faults == []


def test_keys(visit):
    """An arrow key is one frame, Home and End are the ends, D switches the overlay, I the inversion."""
    page = visit("?sample=drawn&mode=direct")
    knob = ready(page)
    slider = page.locator('input[data-set="frame"]')
    start = int(knob.get_attribute("data-frame"))
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(200)
    assert int(knob.get_attribute("data-frame")) == start + 1
    page.keyboard.press("End")
    page.wait_for_timeout(200)
    assert int(knob.get_attribute("data-frame")) == 21
    assert "asked for 99" in slider.get_attribute("aria-valuetext")
    assert "not reached" in page.locator(".words").inner_text()
    plain = pixels(page, "changed")
    page.keyboard.press("d")
    page.wait_for_timeout(200)
    assert pixels(page, "changed") != plain
    page.keyboard.press("d")
    page.wait_for_timeout(200)
    assert pixels(page, "changed") == plain
    page.keyboard.press("i")
    page.wait_for_timeout(200)
    assert "Shown inverted" in page.locator('[data-show="window"]').inner_text()


def test_zoom_is_linked(visit):
    """The wheel zooms all panels; double click brings them back."""
    page = visit("?sample=drawn")
    ready(page)
    films = page.locator(".film")
    start = [films.nth(i).evaluate("f => f.style.transform") for i in range(3)]
    page.locator('[data-panel="original"]').hover()
    page.mouse.wheel(0, -400)
    page.wait_for_timeout(200)
    zoomed = [films.nth(i).evaluate("f => f.style.transform") for i in range(3)]
    assert zoomed[0] != start[0]
    assert len(set(zoomed)) == 1
    page.locator('[data-panel="changed"]').dblclick()
    page.wait_for_timeout(200)
    assert [films.nth(i).evaluate("f => f.style.transform") for i in range(3)] == start


def test_link_brings_it_back(visit):
    """Study, sample, target, mode and delta of an address are what is on the screen; in the dark theme too."""
    page = visit("?study=fake&sample=drawn&target=Cardiomegaly&mode=calibrated&delta=-0.10", scheme="dark")
    ready(page)
    assert page.locator('[data-show="delta"]').inner_text().replace("−", "-") in {"δ = -0.07", "δ = -0.12"}
    assert "reached" in page.locator('[data-show="achieved"]').inner_text()
    assert "mode=calibrated" in page.url
    assert page.locator(".knob").evaluate("k => k.classList.contains('dark')")


def test_an_upload_and_the_way_over_the_card_and_back(visit, tmp_path):
    """A file without an extension is read; picture and delta are still there after a look at the card."""
    import fake

    file = tmp_path / "IM000001"
    file.write_bytes(fake.png(fake.chest(0.25)))
    page = visit()
    page.locator('input[type="file"]').set_input_files(file, timeout=WAIT)
    knob = ready(page)
    assert "sample=" not in page.url
    page.locator('input[data-set="frame"]').focus()
    page.keyboard.press("End")
    page.wait_for_url(re.compile(r"delta=%2B0\.77"), timeout=WAIT)
    page.get_by_role("button", name="Model card").click()
    page.get_by_role("link", name="Card and all measurements").click()
    page.get_by_text("Reliability").first.wait_for(timeout=WAIT)
    page.get_by_role("link", name="δ knob").click()
    ready(page)
    assert knob.get_attribute("data-frame") == "21"
    page.get_by_text("Inspect the upload").click()
    page.locator(".viewer[data-ready]").wait_for(timeout=WAIT)
    assert page.faults == []


def test_fits_the_screen(visit):
    """At 1280 x 900 pictures, slider and curve are on the screen together, without scrolling."""
    page = visit("?sample=drawn")
    ready(page)
    for selector in (".films", ".track", ".curve"):
        box = page.locator(selector).bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 900
        assert box["x"] + box["width"] <= 1280
