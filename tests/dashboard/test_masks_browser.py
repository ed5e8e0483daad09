"""The Masks page in a real browser: cells are drawn, chosen and computed; the outline follows without the server."""

from __future__ import annotations

import pytest
from browsing import NEEDED, WAIT

pytestmark = NEEDED

ADDRESS = "masks?sample=drawn&target=Cardiomegaly&speed=quick"
LARGE = '[data-canvas="large"]'


@pytest.fixture
def masks(visit):
    """The Masks page with its first column computed and the server at rest."""
    page = visit(ADDRESS)
    page.locator(".masks[data-ready]").wait_for(timeout=WAIT)
    page.locator(".cell:not(.empty)").nth(3).wait_for(timeout=WAIT)
    page.get_by_role("button", name="Compute the other 20 cells").wait_for(timeout=WAIT)
    page.get_by_role("button", name="Cancel").wait_for(state="detached", timeout=WAIT)
    page.wait_for_timeout(600)
    yield page
    assert page.faults == []
    assert page.strangers == []


def drawn(page, selector: str) -> list[str]:
    """What is on these canvases now."""
    return page.locator(selector).evaluate_all("all => all.map((c) => c.toDataURL())")


def greys(page, selector: str) -> list[int]:
    """How many values of green there are on each of these canvases; a blank one has one."""
    return page.locator(selector).evaluate_all(
        """all => all.map((c) => {
          const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
          return new Set(data.filter((_, i) => i % 4 === 1)).size;
        })"""
    )


def cell(name: str) -> str:
    return f'[data-cell="{name}"]'


def says(page, name: str) -> str:
    return page.locator(f'[data-show="{name}"]').first.inner_text()


def test_finished_cells_are_drawn_and_keys_change_how(masks):
    """Outline, heat map and no mask by O, H and M; the opacity changes the heat map alone; fills stay as they are."""
    assert masks.locator(".cell").count() == 24
    assert masks.locator(".cell.empty").count() == 20
    pictures = masks.locator(".cell canvas").count()
    assert pictures == 8
    assert min(greys(masks, ".cell canvas")) > 20
    fills = ".cell .pair canvas:nth-child(2)"
    found = {}
    for key in "ohm":
        masks.keyboard.press(key)
        masks.wait_for_timeout(250)
        found[key] = drawn(masks, ".cell .pair canvas:nth-child(1)"), drawn(masks, LARGE), drawn(masks, fills)
    for a, b in ("oh", "om", "hm"):
        assert all(x != y for x, y in zip(found[a][0], found[b][0], strict=True))
        assert found[a][1] != found[b][1]
        assert found[a][2] == found[b][2]
    pressed = masks.locator("[data-mode][aria-pressed=true]")
    assert pressed.get_attribute("data-mode") == "none"
    masks.keyboard.press("m")
    masks.wait_for_timeout(250)
    assert drawn(masks, LARGE) == found["o"][1], "M again brings the outline back"
    masks.keyboard.press("h")
    masks.locator('[data-set="opacity"]').focus()
    masks.keyboard.press("Home")
    masks.wait_for_timeout(250)
    assert drawn(masks, LARGE) not in (found["h"][1], found["m"][1])
    masks.keyboard.press("o")


def test_the_outline_is_around_the_heart(masks):
    """Orange lies in the lower middle of the large picture, and nowhere near its corners."""
    where = masks.locator(LARGE).evaluate(
        """c => {
          const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
          let n = 0, x = 0, y = 0;
          for (let i = 0; i < data.length; i += 4)
            if (data[i] === 255 && data[i + 1] === 176 && data[i + 2] === 46)
              n++, x += (i / 4) % c.width, y += Math.floor(i / 4 / c.width);
          return [n, x / n / c.width, y / n / c.height];
        }"""
    )
    assert where[0] > 200
    assert where[1] == pytest.approx(0.56, abs=0.04)
    assert where[2] == pytest.approx(0.67, abs=0.04)


def test_a_finished_cell_is_shown_large(masks):
    """A click on it: its title, its samples with their answers, the objective and what came of it in words."""
    assert says(masks, "title") == "FIDO-SSR · Contextual attention"
    assert masks.locator(".samples figure").count() == 4
    masks.locator(cell("bbmp|ca")).click()
    masks.locator(".large h3", has_text="BBMP").wait_for(timeout=WAIT)
    masks.wait_for_timeout(300)
    assert masks.locator(f'{cell("bbmp|ca")}[aria-current="true"]').count() == 1
    assert masks.locator(".cell.on").count() == 1
    assert says(masks, "stop").startswith(
        "Finished: hiding 12\u00a0% of the picture takes the classifier from 22\u00a0% to"
    )
    assert "the region filled in, 4 samples" in says(masks, "fills")
    assert min(greys(masks, f"{LARGE}, .samples canvas")) > 20
    assert masks.locator(".trace path").count() == 2
    assert masks.locator(".ladder").is_hidden()
    masks.locator(cell("extremal|ca")).focus()
    masks.keyboard.press("Enter")
    masks.locator(".large h3", has_text="Extremal").wait_for(timeout=WAIT)
    assert masks.locator(".ladder tr").count() == 1
    assert masks.evaluate("document.activeElement.shadowRoot?.activeElement?.dataset.cell") == "extremal|ca"


def test_an_empty_cell_is_computed_by_a_click(masks):
    """It says that it searches, is drawn when it is done, and is then the large one."""
    masks.locator(cell("fido-sdr|blur")).click()
    masks.locator(f"{cell('fido-sdr|blur')}.busy").wait_for(timeout=WAIT)
    masks.locator(f"{cell('fido-sdr|blur')}:not(.empty)").wait_for(timeout=WAIT)
    masks.locator(".large h3", has_text="FIDO-SDR · Blur").wait_for(timeout=WAIT)
    masks.wait_for_timeout(300)
    assert min(greys(masks, f"{cell('fido-sdr|blur')} canvas")) > 20
    assert "flipped" in masks.locator(cell("fido-sdr|blur")).inner_text()
    assert "this infill knows one answer" in says(masks, "fills")
    masks.get_by_role("button", name="Compute the other 19 cells").wait_for(timeout=WAIT)


def test_everything_is_computed_by_a_button_and_can_be_cancelled(masks):
    """Cells come one by one without a click; a cancelled cell can be clicked again."""
    masks.get_by_role("button", name="Compute the other 20 cells").click()
    masks.locator(".cell:not(.empty)").nth(6).wait_for(timeout=WAIT)
    assert says(masks, "title") == "FIDO-SSR · Contextual attention", "the large view stays"
    masks.get_by_role("button", name="Cancel").click()
    masks.get_by_role("button", name="Cancel").wait_for(state="detached", timeout=WAIT)
    masks.wait_for_timeout(1200)
    count = masks.locator(".cell:not(.empty)").count()
    assert 7 <= count < 24
    masks.locator(cell("extremal|vae")).click()
    masks.locator(f"{cell('extremal|vae')}.busy").wait_for(timeout=WAIT)
    masks.get_by_role("button", name="Cancel").click()
    masks.locator(f"{cell('extremal|vae')}.empty:not(.busy)").wait_for(timeout=WAIT)
    masks.locator(cell("extremal|vae")).click()
    masks.locator(f"{cell('extremal|vae')}:not(.empty)").wait_for(timeout=WAIT)
    masks.locator(".large h3", has_text="Extremal · VAE").wait_for(timeout=WAIT)


def test_the_threshold_is_turned_without_the_server(masks):
    """Dragging changes outline and area and sends nothing; on release the region is filled and measured anew."""
    slider = masks.locator('[data-set="threshold"]')
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    samples, stop = drawn(masks, ".samples canvas"), says(masks, "stop")
    masks.sockets_sent.clear()
    masks.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    masks.mouse.down()
    outlines, areas = set(), []
    for step in range(1, 6):
        masks.mouse.move(box["x"] + box["width"] * (0.5 - 0.08 * step), box["y"] + box["height"] / 2)
        masks.wait_for_timeout(120)
        outlines |= set(drawn(masks, LARGE))
        areas.append(says(masks, "area"))
    assert len(outlines) == 5
    assert len(set(areas)) == 5
    assert all("of the picture at this threshold" in a for a in areas)
    assert masks.sockets_sent == []
    assert drawn(masks, ".samples canvas") == samples
    held = slider.input_value()
    masks.mouse.up()
    masks.wait_for_function(
        """before => {
          const find = (root) => root.querySelector('[data-show="stop"]')
            ?? [...root.querySelectorAll("*")].map((n) => n.shadowRoot && find(n.shadowRoot)).find(Boolean);
          return find(document).textContent !== before;
        }""",
        arg=stop,
        timeout=WAIT,
    )  # fmt: skip
    masks.wait_for_timeout(300)
    assert len(masks.sockets_sent) == 1
    assert slider.input_value() == held
    assert says(masks, "threshold") == f"{float(held):.2f}"
    assert all(a != b for a, b in zip(drawn(masks, ".samples canvas"), samples, strict=True))
    masks.locator(cell("bbmp|ca")).click()
    masks.locator(".large h3", has_text="BBMP").wait_for(timeout=WAIT)
    masks.wait_for_timeout(300)
    assert says(masks, "threshold") == "0.50", "another cell has its own threshold"


def test_a_held_slider_stays_while_other_cells_come_in(masks):
    """New cells redraw the grid and leave the slider where it is held."""
    masks.get_by_role("button", name="Compute the other 20 cells").click()
    slider = masks.locator('[data-set="threshold"]')
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    masks.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    masks.mouse.down()
    masks.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2)
    masks.wait_for_timeout(150)
    held = slider.input_value()
    assert float(held) < 0.4
    before = masks.locator(".cell:not(.empty)").count()
    masks.locator(".cell:not(.empty)").nth(min(before + 3, 23)).wait_for(timeout=WAIT)
    masks.wait_for_timeout(200)
    assert slider.input_value() == held
    assert says(masks, "threshold") == f"{float(held):.2f}"
    masks.mouse.up()
    masks.locator(".cell:not(.empty)").nth(23).wait_for(timeout=WAIT)
    assert slider.input_value() == held


def test_the_grid_fits_the_width_in_both_themes(visit):
    """Nothing sticks out to the right at 1280 pixels; the dark theme is followed."""
    page = visit(ADDRESS, scheme="dark")
    page.locator(".cell:not(.empty)").nth(3).wait_for(timeout=WAIT)
    page.wait_for_timeout(600)
    assert page.locator(".masks").evaluate("m => m.classList.contains('dark')")
    edge = page.locator(".masks").evaluate("m => m.getBoundingClientRect().right")
    assert edge <= 1280
    sides = page.locator(".cell").evaluate_all("all => all.map((c) => c.getBoundingClientRect().right)")
    assert max(sides) <= edge + 1
    assert page.locator(".masks").evaluate("m => m.scrollWidth <= m.clientWidth + 1")
    assert page.faults == []
