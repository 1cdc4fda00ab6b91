// Group 7: search highlights, says how much it found, walks through it, and becomes a filter when told to.

import assert from "node:assert/strict";
import { at, boxes, eventually, flame, group, scope, shown, stats } from "./harness.mjs";

const test = group(import.meta.url);
const usual = { program: { nodes: 600 } };

/** Time of stacks with such a function on them: each stack counts once, however often it is there. */
function share(mock, accept) {
    const { world } = mock;
    const self = world.selfOf({});
    let all = 0;
    let found = 0;
    let foundSelf = 0;
    self.on.forEach((ns, node) => {
        all += ns;
        let on = false;
        for (let i = node; i !== 0; i = world.parent[i]) {
            on ||= accept(world.functions[world.function[i]]);
        }
        found += on ? ns : 0;
        foundSelf += node > 0 && accept(world.functions[world.function[node]]) ? ns : 0;
    });
    return { found: found / all, foundSelf: foundSelf / all };
}

async function assertFound(page, mock, accept) {
    const truth = share(mock, accept);
    await eventually(async () => Math.abs(((await stats(page)).matched ?? -1) - truth.found) < 1e-6,
        `${truth.found} of all is found`);
    assert.ok(Math.abs((await stats(page)).matchedSelf - truth.foundSelf) < 1e-6, "in the functions themselves");
    for (const box of await boxes(page)) {
        if (box.path.length > 0 && !box.residue) {
            assert.equal(box.matched, accept({ name: box.name, binary: box.binary }), box.name);
        }
    }
}

test("part of a name, however often it is on a stack", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await page.keyboard.press("/");
    await page.keyboard.type("parse");
    assert.equal(await at.search(page).inputValue(), "parse");
    await assertFound(page, mock, (one) => one.name.includes("parse"));
    await eventually(async () => /\d+(\.\d+)?\s*%/.test(await page.locator("body").innerText()), "it is said");
});

test("an expression, and one that is none", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await at.search(page).fill("^(decode|hash)_.*r$");
    await page.getByRole("button", { name: /regular expression/i }).or(page.getByRole("checkbox", { name: /regular expression/i })).first().click();
    await assertFound(page, mock, (one) => /^(decode|hash)_.*r$/i.test(one.name));
    await at.search(page).fill("^(decode");
    await eventually(async () => (await at.search(page).getAttribute("aria-invalid")) === "true", "it says so");
    assert.ok((await boxes(page)).length > 10, "the picture stays");
});

test("from one to the next", usual, async ({ page }) => {
    await flame(page, 20);
    await at.search(page).fill("table");
    await at.search(page).press("Enter");
    const first = await eventually(async () => (await shown(page)).selection, "one is selected");
    assert.match(first.at(-1), /table/);
    await at.search(page).press("Enter");
    const second = await eventually(async () => {
        const { selection } = await shown(page);
        return selection.join() !== first.join() ? selection : null;
    }, "another one");
    assert.match(second.at(-1), /table/);
    await at.search(page).press("Shift+Enter");
    await eventually(async () => (await shown(page)).selection.join() === first.join(), "back");
    await at.search(page).press("Escape");
    await eventually(async () => (await stats(page)).matched === null, "nothing is sought");
});

test("keep what was found", usual, async ({ page, mock }) => {
    await flame(page, 20);
    await at.search(page).fill("parse_table");
    const truth = share(mock, (one) => one.name.includes("parse_table"));
    await eventually(async () => Math.abs(((await stats(page)).matched ?? -1) - truth.found) < 1e-6);
    await page.getByRole("button", { name: /^keep/i }).click();
    await eventually(async () => (await scope(page)).only.length > 0, "only those");
    assert.ok((await scope(page)).only.every((one) => one.function_name.includes("parse_table")));
    await at.chips(page).getByRole("button", { name: /^Remove/ }).first().waitFor();
    const view = { only_symbols: (await scope(page)).only };
    await eventually(async () => {
        const root = (await boxes(page)).find((box) => box.path.length === 0 && !box.residue);
        return root?.weight === mock.ask("Live.tree", { view }).total_on_cpu_ns;
    }, "the flamegraph is about those");
});
