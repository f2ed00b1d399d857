"""The page for those who do not see it, do not point, or see it in another way: names, keyboard, contrast, width."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.page.seen import Seen, seen

CONTROLS = frozenset({"button", "link", "radio", "searchbox", "textbox", "checkbox", "DisclosureTriangle", "combobox"})
LANDMARKS = frozenset({"banner", "navigation", "main", "contentinfo", "search", "status"})
MOST_TABS = 120

FOCUSABLE = """[...document.querySelectorAll("a[href], button, input, summary, [tabindex]")].filter((each) =>
  each.tabIndex >= 0 && each.checkVisibility() && !each.closest("dialog:not([open])")
  && !(each.type === "radio" && !each.checked)).length"""

FOCUSED = """(() => {
  const at = document.activeElement;
  if (at === document.body) return null;
  at.dataset.reached = "yes";
  const shown = at.type === "radio" ? at.nextElementSibling : at;
  const style = getComputedStyle(shown);
  const box = shown.getBoundingClientRect();
  return {
    what: `${at.tagName} ${at.id} ${at.textContent.slice(0, 30)}`,
    outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    shown: box.width > 0 && box.height > 0 && box.bottom > 0 && box.right > 0,
  };
})()"""

REACHED = 'document.querySelectorAll("[data-reached]").length'

CONTRAST = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((n) => top[n] * top[3] + below[n] * (1 - top[3])).concat(1);
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    const text = walk.currentNode.textContent.trim();
    if (!text || !node.checkVisibility() || node.closest(".hidden-text, .skip")) continue;
    const style = getComputedStyle(node);
    const below = ground(node);
    const ink = over(rgba(node instanceof SVGElement ? style.fill : style.color), below);
    const [high, low] = [light(ink), light(below)].sort((a, b) => b - a);
    found.push({ text: text.slice(0, 40), ratio: (high + 0.05) / (low + 0.05) });
  }
  return found;
})()"""


async def filled(at: Seen) -> None:
    """Some certificates, one failure, one session that waits."""
    await at.ca.submit(3)
    await at.until_figure("certificates", "3")
    await at.ca.submit(1, scheduled="False")
    await at.until_figure("waiting", "1")
    await at.page.until('document.querySelectorAll("#session-rows tr").length === 4')
    await at.page.until('Boolean(document.querySelector("#plot-throughput .area-issued"))')


@pytest.mark.anyio
async def test_everything_has_a_name(tmp_path: Path) -> None:
    """Each control, plot and table has a name, the landmarks are there, headings are in order, rows have headers."""
    async with seen(tmp_path) as at:
        await filled(at)
        nodes = await at.page.accessible()
        assert [node for node in nodes if node["role"] in CONTROLS and not node["name"].strip()] == []
        roles = {node["role"] for node in nodes}
        assert roles >= LANDMARKS
        pictures = [node for node in nodes if node["role"] == "image"]
        assert [picture["name"] for picture in pictures] == ["Throughput", "Sessions in the queues"]
        assert all("The last ten minutes" in picture["description"] for picture in pictures)
        tables = [node["name"] for node in nodes if node["role"] == "table"]
        assert [name.partition(",")[0] for name in tables] == ["Sessions: Newest", "The next to expire"]
        levels = [node["properties"]["level"] for node in nodes if node["role"] == "heading"]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert len([node for node in nodes if node["role"] == "rowheader"]) == 7
        assert await at.page.evaluate("document.documentElement.lang") == "en"
        await at.page.evaluate('document.querySelector("#session-rows button").click()')
        await at.page.until('Boolean(document.querySelector("#detail .challenge"))')
        dialog = [node["name"] for node in await at.page.accessible() if node["role"] == "dialog"]
        assert len(dialog) == 1
        assert dialog[0].startswith("Session ")


@pytest.mark.anyio
async def test_the_keyboard_reaches_everything(tmp_path: Path) -> None:
    """Tab comes to each control once, shows where it is, begins with the skip link, and arrows walk the timeline."""
    async with seen(tmp_path) as at:
        await filled(at)
        await at.page.evaluate('document.getElementById("pause").click()')
        expected = await at.page.evaluate(FOCUSABLE)
        await at.page.press("Tab")
        first = await at.page.evaluate(FOCUSED)
        assert "Skip to the figures" in first["what"]
        for _ in range(MOST_TABS):
            await at.page.press("Tab")
            focused = await at.page.evaluate(FOCUSED)
            if focused is None:
                break
            assert focused["outline"], focused
            assert focused["shown"], focused
        assert await at.page.evaluate(REACHED) == expected
        await at.page.evaluate("""document.querySelector('#timeline [tabindex="0"]').focus()""")
        await at.page.press("End")
        last = "document.activeElement === document.getElementById('timeline').lastElementChild"
        assert await at.page.evaluate(last)
        await at.page.press("Enter")
        await at.page.until('document.activeElement.ariaPressed === "true"')
        await at.page.evaluate('document.getElementById("show-newest").focus()')
        await at.page.press("ArrowRight")
        assert await at.page.evaluate('document.getElementById("show-at-work").checked')


@pytest.mark.anyio
async def test_texts_stand_out_from_their_ground(tmp_path: Path) -> None:
    """Every visible text has a contrast of 4.5 to 1 or more, in both schemes (WCAG 2.2, 1.4.3)."""
    async with seen(tmp_path) as at:
        await filled(at)
        await too_faint(at, dark=False)
        await too_faint(at, dark=True)
        await at.page.evaluate('document.querySelector("#session-rows button").click()')
        await at.page.until('Boolean(document.querySelector("#detail .challenge"))')
        await too_faint(at, dark=False)
        await too_faint(at, dark=True)


async def too_faint(at: Seen, *, dark: bool) -> None:
    """Measure what is seen in this scheme."""
    await at.page.look(dark=dark)
    assert await at.page.evaluate('matchMedia("(prefers-color-scheme: dark)").matches') is dark
    measured = await at.page.evaluate(CONTRAST)
    assert len(measured) > 80
    assert [each for each in measured if each["ratio"] < 4.5] == []


@pytest.mark.anyio
async def test_a_phone_has_no_sideways_page_and_nothing_moves(tmp_path: Path) -> None:
    """At 360 pixels the page is no wider than the window, and with reduced motion nothing is animated."""
    async with seen(tmp_path, width=360, height=740) as at:
        await filled(at)
        assert await at.page.evaluate("document.documentElement.scrollWidth") == 360
        moving = """[...document.querySelectorAll("*")].filter((each) => {
          const style = getComputedStyle(each);
          return style.animationName !== "none" || style.transitionDuration.split(", ").some((one) => one !== "0s");
        }).length"""
        assert await at.page.evaluate(moving) == 0
        await at.page.look(width=360, height=740, still=False)
        assert await at.page.evaluate(moving) > 0
