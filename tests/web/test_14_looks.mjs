// Group 14: light, dark, forced colours, less motion, colour blindness.

import assert from "node:assert/strict";
import { at, boxes, eventually, flame, frames, group } from "./harness.mjs";

const test = group(import.meta.url);
const program = { nodes: 600, waitsPerSecond: 400 };

const background = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
const lightness = (rgb) => rgb.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;

/** The colour of the canvas in the middle of a box, by way of a picture of the page. */
async function pixelsDiffer(page, box) {
    const clip = { x: Math.floor(box.x) + 1, y: Math.floor(box.y) + 1, width: Math.max(2, Math.min(40, Math.floor(box.width) - 2)), height: Math.max(2, Math.floor(box.height) - 2) };
    return (await page.screenshot({ clip })).toString("base64");
}

test("dark and light, as the system or as chosen", { program }, async ({ page }) => {
    await flame(page, 20);
    assert.ok(lightness(await background(page)) > 200);
    const box = (await boxes(page)).find((one) => one.path.length === 1);
    const light = await pixelsDiffer(page, box);
    await page.emulateMedia({ colorScheme: "dark" });
    await eventually(async () => lightness(await background(page)) < 80, "dark");
    await frames(page);
    await eventually(async () => (await pixelsDiffer(page, box)) !== light, "the canvas, too");
});

test("text can be read in both themes", { program }, async ({ page }) => {
    await flame(page, 20);
    for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        await frames(page);
        const worst = await page.evaluate(() => {
            const channels = (text) => text.match(/[\d.]+/g).map(Number);
            const linear = (part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
            const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
            const backgroundOf = (element) => {
                for (let at = element; at; at = at.parentElement) {
                    const [r, g, b, a = 1] = channels(getComputedStyle(at).backgroundColor);
                    if (a > 0.9) {
                        return [r, g, b];
                    }
                }
                return [255, 255, 255];
            };
            let least = { contrast: 99, text: "" };
            for (const element of document.querySelectorAll("button, td, th, h1, h2, span, p, label")) {
                const own = Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.data.trim() !== "");
                if (!own || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || element.closest(":disabled, [aria-disabled=true]")) {
                    continue;
                }
                const [a, b] = [luminance(channels(getComputedStyle(element).color)), luminance(backgroundOf(element))];
                const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
                if (contrast < least.contrast) {
                    least = { contrast, text: element.outerHTML.slice(0, 150) };
                }
            }
            return least;
        });
        assert.ok(worst.contrast >= 3.9, `${colorScheme}: ${JSON.stringify(worst)}`);
    }
});

test("reasons can be told apart", { program }, async ({ page }) => {
    await flame(page, 20);
    await at.reasons(page).waitFor();
    for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        const names = ["idle", "lock", "semaphore", "ipc", "io_read", "io_write", "readiness", "sleep", "connect", "other"];
        const colours = await page.evaluate((all) => all.map((name) => getComputedStyle(document.documentElement).getPropertyValue(`--reason-${name}`).trim()), names);
        assert.equal(new Set(colours).size, 10, `${colorScheme}: ${colours}`);
        for (const deficiency of ["protanopia", "deuteranopia", "tritanopia"]) {
            const least = leastDifference(colours.map((text) => seenWith(deficiency, rgbOf(text))));
            assert.ok(least >= 10, `${colorScheme}, ${deficiency}: ${least}`);
        }
    }
});

test("forced colours and less motion", { program }, async ({ page }) => {
    await flame(page, 20);
    await page.emulateMedia({ forcedColors: "active", reducedMotion: "reduce" });
    await frames(page);
    const found = await flame(page, 20);
    const box = found.find((one) => one.path.length === 1);
    await page.mouse.dblclick(box.x + box.width / 2, box.y + box.height / 2);
    await frames(page);
    const zoomed = (await boxes(page)).find((one) => one.path.join() === box.path.join());
    assert.ok(zoomed.width > box.width, "without motion it is there at once");
});

test("as small as 1024 by 640, and narrower", { program, context: { viewport: { width: 1024, height: 640 } } }, async ({ page }) => {
    await flame(page, 10);
    const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok((await overflow()) <= 0);
    assert.ok((await at.flame(page).boundingBox()).height > 80);
    await page.setViewportSize({ width: 700, height: 900 });
    await frames(page);
    await page.getByRole("tablist", { name: "Panels" }).waitFor();
    assert.ok((await overflow()) <= 0);
});

// ---- colours, as people with a colour deficiency see them (Machado, Oliveira, Fernandes 2009; severity 1) ----

const MATRICES = {
    protanopia: [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
    deuteranopia: [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
    tritanopia: [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039],
};

function rgbOf(text) {
    return [1, 3, 5].map((i) => Number.parseInt(text.slice(i, i + 2), 16) / 255);
}

const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);

function seenWith(deficiency, rgb) {
    const m = MATRICES[deficiency];
    const [r, g, b] = rgb.map(linear);
    return [0, 3, 6].map((i) => Math.min(1, Math.max(0, m[i] * r + m[i + 1] * g + m[i + 2] * b)));
}

// CIE L*a*b* of linear RGB; distances in it are near enough to what is seen for a bound like this.
function lab([r, g, b]) {
    const f = (t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
    const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047);
    const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
    const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883);
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

function leastDifference(colours) {
    const all = colours.map(lab);
    let least = Infinity;
    all.forEach((a, i) => all.slice(i + 1).forEach((b) => (least = Math.min(least, Math.hypot(...a.map((part, k) => part - b[k]))))));
    return least;
}
