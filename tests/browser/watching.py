"""What a careful eye sees on a page, asked of the browser."""

from __future__ import annotations

from importlib.resources import files

from playwright.sync_api import Page

# Relative luminance and contrast as WCAG 2 defines them.
_CONTRAST = """
() => {
	const parse = (text) => {
		const found = text.match(/[\\d.]+/g);
		return found ? found.map(Number) : [0, 0, 0, 0];
	};
	const light = ([r, g, b]) => {
		const [x, y, z] = [r, g, b].map((v) => v / 255)
			.map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
		return 0.2126 * x + 0.7152 * y + 0.0722 * z;
	};
	const backgrounds = (element) => {
		for (let e = element; e; e = e.parentElement) {
			const style = getComputedStyle(e);
			const gradient = style.backgroundImage.match(/rgba?\\([^)]*\\)/g);
			if (gradient) return gradient.map(parse);
			const colour = parse(style.backgroundColor);
			if (colour.length === 3 || colour[3] === 1) return [colour];
		}
		return [parse(getComputedStyle(document.body).backgroundColor)];
	};
	const faint = [];
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walker.nextNode()) {
		const element = walker.currentNode.parentElement;
		const text = walker.currentNode.textContent.trim();
		if (!text || !element.checkVisibility()) continue;
		if (element.closest(".unseen, .skip, :disabled")) continue;
		const covered = document.querySelector(".modal-overlay");
		if (covered && !element.closest(".modal-overlay, header")) continue;
		const style = getComputedStyle(element);
		const colour = light(parse(style.color));
		for (const background of backgrounds(element)) {
			const behind = light(background);
			const [high, low] = colour > behind ? [colour, behind] : [behind, colour];
			const ratio = (high + 0.05) / (low + 0.05);
			const large = parseFloat(style.fontSize) >= 24;
			if (ratio < (large ? 3 : 4.5)) faint.push(`${text.slice(0, 30)}: ${ratio.toFixed(2)}`);
		}
	}
	return faint;
}
"""

_SMALL_TARGETS = """
() => [...document.querySelectorAll("button, a.btn, nav a, input, select, summary")]
	.filter((element) => element.checkVisibility() && !element.classList.contains("unseen"))
	.filter((element) => element.type !== "hidden" && !element.closest(".choices, .flag, .remover"))
	.map((element) => [element.textContent.trim() || element.name, element.getBoundingClientRect()])
	.filter(([, box]) => box.height < 24 || box.width < 24)
	.map(([name, box]) => `${name}: ${box.width}x${box.height}`)
"""

_NAMELESS = """
() => [...document.querySelectorAll("input, select")]
	.filter((element) => element.type !== "hidden" && element.checkVisibility())
	.filter((element) => !element.labels.length && !element.getAttribute("aria-label"))
	.map((element) => element.name)
"""


def faint_texts(page: Page) -> list[str]:
    """Texts with less contrast than WCAG AA asks for."""
    found: list[str] = page.evaluate(_CONTRAST)
    return found


def small_targets(page: Page) -> list[str]:
    """Things to press that are smaller than 24 pixels."""
    found: list[str] = page.evaluate(_SMALL_TARGETS)
    return found


def unlabelled_fields(page: Page) -> list[str]:
    """Fields a screen reader has no name for."""
    found: list[str] = page.evaluate(_NAMELESS)
    return found


def overflow(page: Page) -> int:
    """Pixels the page is wider than the window."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return max(0, wide)


_AXE = files("axe_playwright_python").joinpath("axe.min.js")
_SERIOUS = ("moderate", "serious", "critical")
_BY_AXE = """
async (serious) => {
	const found = await axe.run(document, { resultTypes: ["violations"] });
	return found.violations
		.filter((broken) => serious.includes(broken.impact))
		.flatMap((broken) => broken.nodes.map((node) => `${broken.id}: ${node.html}`));
}
"""


def barriers(page: Page) -> list[str]:
    """What axe-core finds that keeps somebody from using the page."""
    # Not as a script tag, which the page's content policy forbids.
    page.evaluate(_AXE.read_text(encoding="utf-8"))
    found: list[str] = page.evaluate(_BY_AXE, _SERIOUS)
    return found


_CHATTER = """
() => [...document.querySelectorAll("[data-ago], [data-since], [data-expires]")]
	.filter((element) => element.closest("[aria-live=polite], [role=status], [role=alert]"))
	.map((element) => element.outerHTML)
"""


def chatter(page: Page) -> list[str]:
    """What counts seconds where a screen reader says every change."""
    found: list[str] = page.evaluate(_CHATTER)
    return found


_HEADER = """
() => {
	const header = document.querySelector("header");
	const hidden = [...header.querySelectorAll(".nav a")].filter((link) => {
		const box = link.getBoundingClientRect();
		return box.left < 0 || box.right > innerWidth || link.scrollWidth > link.clientWidth;
	});
	const height = header.offsetHeight;
	const stays = height + (parseFloat(getComputedStyle(header).top) || 0);
	return [
		...hidden.map((link) => `out of sight: ${link.textContent}`),
		...(height > 3 * 34 ? [`${height} px`] : []),
		...(stays > 40 ? [`${stays} px stay`] : []),
	];
}
"""


def tall_header(page: Page) -> list[str]:
    """A menu not seen at a glance, or a header that leaves a phone too little of the page."""
    found: list[str] = page.evaluate(_HEADER)
    return found
