"""Whether what is drawn is open to everybody: axe with the rules of WCAG 2.2 AA."""

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
DRAWN = """async () => {
  const ends = (one) => one.effect?.getComputedTiming().endTime !== Infinity
  for (let still = 0, frame = 0; still < 10 && frame < 600; frame += 1) {
    await new Promise(requestAnimationFrame)
    still = document.getAnimations().some(ends) ? 0 : still + 1
  }
}"""
"""Colours of the other theme are on every element: one they inherit moves on level by level."""


async def violations(page: Page) -> list[str]:
    """Return what breaks a rule on the page as it stands."""
    found = await Axe().run(page, options=RULES)
    return [
        f"{one['id']}: {node['target']} {node['html'][:120]}"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]


async def violations_in_both_themes(page: Page) -> list[str]:
    """Return what breaks a rule in light or dark."""
    found = []
    for theme in ("dark", "light"):
        await page.emulate_media(reduced_motion="reduce", color_scheme=theme)
        await page.wait_for_function(
            "(dark) => document.documentElement.classList.contains('dark') === dark",
            arg=theme == "dark",
        )
        await page.evaluate(DRAWN)
        found += [f"{theme} {one}" for one in await violations(page)]
    return found
