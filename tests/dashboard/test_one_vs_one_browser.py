"""The one-against-one page in a real browser: the panel is drawn, keys change how, and a click chooses a map."""

from __future__ import annotations

import pytest
from browsing import NEEDED, WAIT

pytestmark = [*NEEDED, pytest.mark.slow]


@pytest.fixture
def panel(visit):
    """The page with its panel drawn and the server at rest."""
    page = visit("one_vs_one?sample=drawn")
    page.locator(".panel-grid[data-ready]").wait_for(timeout=WAIT)
    page.get_by_text("Integrated Gradients against GANMEX").wait_for(timeout=WAIT)
    page.wait_for_timeout(600)
    yield page
    assert page.faults == []
    assert page.strangers == []


def drawn(page, selector: str) -> list[str]:
    """What is on these canvases now."""
    return page.locator(selector).evaluate_all("all => all.map((c) => c.toDataURL())")


def pressed(page) -> dict[str, str]:
    """Which of the two buttons are down."""
    buttons = page.locator(".panel-grid [data-do]")
    return dict(buttons.evaluate_all("all => all.map((b) => [b.dataset.do, b.getAttribute('aria-pressed')])"))


def test_the_panel(panel):
    maps, baselines = "[data-cell] canvas", "[data-baseline]"
    assert panel.locator("[data-cell]").count() == 20
    assert panel.locator(baselines).count() == 4
    assert panel.locator(".tile.none").count() == 3, "what needs training pictures says so"
    assert len(set(drawn(panel, baselines))) == 4
    blank = panel.evaluate("Object.assign(document.createElement('canvas'), {width: 64, height: 64}).toDataURL()")
    assert blank not in drawn(panel, f"{maps}, {baselines}")

    over, pictures = drawn(panel, maps), drawn(panel, baselines)
    assert pressed(panel) == {"overlay": "true", "hide": "false"}
    panel.keyboard.press("o")
    panel.wait_for_timeout(250)
    alone = drawn(panel, maps)
    assert pressed(panel) == {"overlay": "false", "hide": "false"}
    panel.keyboard.press("m")
    panel.wait_for_timeout(250)
    none = drawn(panel, maps)
    assert pressed(panel) == {"overlay": "false", "hide": "true"}
    assert len(set(none)) == 1, "the picture alone is the same everywhere"
    assert all(a != b != c != a for a, b, c in zip(over, alone, none, strict=True))
    assert drawn(panel, baselines) == pictures, "baselines stay as they are"
    panel.keyboard.press("M")
    panel.locator("[data-do=overlay]").click()
    panel.wait_for_timeout(250)
    assert drawn(panel, maps) == over

    assert panel.locator("[data-cell].on").get_attribute("data-cell") == "ganmex|ig"
    panel.locator('[data-cell="zero|occlusion"]').click()
    panel.get_by_text("Occlusion against zero").wait_for(timeout=WAIT)
    panel.wait_for_timeout(600)
    assert panel.locator("[data-cell].on").get_attribute("data-cell") == "zero|occlusion"
    assert panel.locator('[data-cell][aria-current="true"]').count() == 1
    panel.locator('[data-cell="max|eg"]').focus()
    panel.keyboard.press("Enter")
    panel.get_by_text("Expected Gradients against max").wait_for(timeout=WAIT)
    panel.wait_for_timeout(600)
    assert drawn(panel, maps) == over
    edge = panel.locator(".panel-grid").evaluate(
        "m => [m.getBoundingClientRect().right, m.scrollWidth - m.clientWidth]"
    )
    assert edge[0] <= 1280
    assert edge[1] <= 1
