// What is under the pointer, or selected, in words; where the picture is zoomed to; what it leaves out.

import { useComputed } from "@preact/signals";
import { RESIDUE, RUN } from "../draw/flame_layout";
import type { FlameLook } from "../draw/flame_canvas";
import { reasonCode } from "../draw/reasons";
import { count, exact, percent, percentOf, plural, shorten, time, visible } from "../lib/format";
import type { Health, Truncated } from "../lib/protocol";
import { KIND_NAMES, type FrameId } from "../model/frames";
import { REASONS } from "../model/scope";
import type { NodeId } from "../model/tree";
import { TEXT_EVERY_MS, useAtMostEvery } from "./at_most";
import type { FlameControl } from "./flame_control";
import { useApp } from "./hooks";

const NAME_AT_MOST = 160;
const CRUMBS = 6;
const CRUMB_AT_MOST = 28;
const NOTEWORTHY_PCT = 1;
const REASONS_SHOWN = 3;
const HINT = "click selects · double-click zooms · right-click for more · ? for the keys";

interface LineProps {
    readonly control: FlameControl;
    look(): FlameLook;
}

/** One line about the box under the pointer, else about the selected one. */
export function FlameHoverLine({ control, look }: LineProps) {
    const tick = useAtMostEvery(TEXT_EVERY_MS, control.drawn);
    const text = useComputed(() => {
        tick.value;
        const target = control.hover.value;
        const selected = control.selectedNode.value;
        const now = look();
        if (now.tree.n === 0) {
            return { name: "", rest: "" };
        }
        if (target !== null && target.node < now.tree.n && target.kind === RESIDUE) {
            return describeResidue(now, target.node, target.count, control.state.more !== null);
        }
        if (target !== null && target.node < now.tree.n && target.kind === RUN) {
            const name = `${count(target.count)} functions too narrow to be drawn`;
            return { name, rest: "zoom in to see them" };
        }
        const node = target?.node ?? selected ?? control.renderer?.zoomNode ?? 0;
        return describeNode(now, Math.min(node, now.tree.n - 1));
    });
    return (
        <div class="flame-line flame-hover">
            <strong>{text.value.name}</strong>
            <span>{text.value.rest}</span>
        </div>
    );
}

function describeResidue(look: FlameLook, parent: NodeId, n: number, hasMore: boolean): { name: string; rest: string } {
    const { tree, mode, whole } = look;
    const ns = tree.residue(parent, mode);
    return {
        name: `${plural(n, tree.inverted ? "small caller" : "small callee")} of ${nameOf(look, parent)}`,
        rest: `${time(ns)} ${percentOf(ns, whole)}${hasMore ? " · click for more detail" : ""}`,
    };
}

function nameOf(look: FlameLook, node: NodeId): string {
    const { tree } = look;
    return node === 0 ? look.rootLabel : shorten(tree.frames.name[tree.frame[node]], NAME_AT_MOST);
}

function describeNode(look: FlameLook, node: NodeId): { name: string; rest: string } {
    const { tree, mode, whole } = look;
    const { frames } = tree;
    const frame = tree.frame[node];
    const total = tree.weight(node, mode);
    const self = tree.selfWeight(node, mode);
    const parts = [
        `${time(total)} ${percentOf(total, whole)}`,
        `${tree.inverted ? "stacks that begin here" : "self"} ${time(self)} ${percentOf(self, whole)}`,
        mode === "off_cpu" ? plural(tree.intervals[node], "wait") : plural(tree.samples[node], "sample"),
    ];
    if (mode === "wall") {
        parts.push(`on CPU ${time(tree.on[node])}`, `waiting ${time(tree.off[node])}`);
    }
    if (mode !== "on_cpu") {
        parts.push(...describeWaits(tree.reasons(node)));
    }
    if (node !== 0) {
        const language = frames.language[frame];
        const kind = KIND_NAMES[frames.kind[frame]] ?? "";
        parts.push([kind, language, frames.inlined[frame] ? "inlined" : ""].filter((word) => word !== "").join(", "));
    }
    const binary = node === 0 || frames.binary[frame] === "" ? "" : ` [${shorten(frames.binary[frame], 40)}]`;
    return { name: `${nameOf(look, node)}${binary}`, rest: parts.filter((part) => part !== "").join(" · ") };
}

function describeWaits(reasons: readonly number[]): string[] {
    return reasons
        .map((ns, reason) => ({ ns, reason }))
        .filter(({ ns }) => ns > 0)
        .sort((a, b) => b.ns - a.ns)
        .slice(0, REASONS_SHOWN)
        .map(({ ns, reason }) => `${reasonCode(reason)} ${REASONS[reason].label} ${time(ns)}`);
}

/** Zoom, functions that are shown differently, and what to know about the picture. Always there: nothing moves. */
export function FlameZoomLine({ control }: { readonly control: FlameControl }) {
    const app = useApp();
    const { zoom } = app.state;
    const tick = useAtMostEvery(TEXT_EVERY_MS, control.drawn);
    const missing = useComputed(() => {
        tick.value;
        return describeMissing(
            (frame) => shorten(app.frames.name[frame] ?? "", CRUMB_AT_MOST),
            control.renderer?.missing() ?? [],
        );
    });
    const path = zoom.value;
    return (
        <div class="flame-line flame-zoom">
            {path.length > 0 && <Crumbs path={path} control={control} />}
            <Transforms />
            {missing.value !== "" && <span class="flame-note">{missing.value}</span>}
            <HealthNotes />
            {path.length === 0 && <span class="flame-hint">{HINT}</span>}
        </div>
    );
}

function describeMissing(
    name: (frame: FrameId) => string,
    paths: readonly { path: readonly FrameId[]; found: number }[],
): string {
    const at = paths.findIndex(({ path, found }) => found < path.length);
    if (at < 0) {
        return "";
    }
    const { path, found } = paths[at];
    const shown = found === 0 ? "everything" : `its caller ${name(path[found - 1])}`;
    return `${name(path[path.length - 1])} is not in this scope: ${at === 0 ? "showing" : "selected is"} ${shown}`;
}

function Crumbs({ path, control }: { readonly path: readonly FrameId[]; readonly control: FlameControl }) {
    const app = useApp();
    const first = Math.max(0, path.length - CRUMBS);
    return (
        <nav class="flame-crumbs" aria-label="Zoom">
            <span class="flame-word">zoom</span>
            {first > 0 && <span aria-hidden="true">…</span>}
            {path.slice(first).map((frame, i) => (
                <button
                    key={first + i}
                    title={visible(app.frames.name[frame] ?? "")}
                    aria-current={first + i === path.length - 1}
                    onClick={() => control.zoomTo(path.slice(0, first + i + 1))}
                >
                    {shorten(app.frames.name[frame] ?? "", CRUMB_AT_MOST)}
                </button>
            ))}
            <button class="flame-reset" title="Show all of the tree again (0)" onClick={() => control.zoomTo([])}>
                reset zoom
            </button>
        </nav>
    );
}

function Transforms() {
    const app = useApp();
    const { merged, collapsed } = app.flame;
    const chip = (frame: FrameId, word: string) => (
        <button
            key={`${word} ${frame}`}
            class="flame-transform"
            title={`${visible(app.frames.name[frame])}: show it as it is again`}
            onClick={() => app.flame.undoTransform(frame)}
        >
            {word} {shorten(app.frames.name[frame], CRUMB_AT_MOST)} <span aria-hidden="true">×</span>
        </button>
    );
    return (
        <>
            {[...merged.value].map((frame) => chip(frame, "merged"))}
            {[...collapsed.value].map((frame) => chip(frame, "recursion of"))}
        </>
    );
}

/** Why stacks lack callers, and what can be done about it. */
const TRUNCATED: Record<keyof Truncated, string> = {
    no_unwind_info: "code without unwinding information: build it with -fno-omit-frame-pointer",
    copy_too_short: "their stacks are long: longer copies are taken from now on",
    unreadable: "their callers are on another stack",
    bad_unwind_info: "the unwinding information of a binary is wrong",
    lost: "return addresses lead to where no code is",
    too_deep: "they are deeper than what is kept",
    not_loaded: "unwinding information was still being read: that passes",
    not_copied: "there were too many stacks to copy: record at a lower frequency",
};

function HealthNotes() {
    const health = useApp().state.health.value;
    if (health === null) {
        return null;
    }
    return (
        <>
            {notesOf(health).map((note) => (
                <span key={note} class="flame-note" title={note}>
                    {note}
                </span>
            ))}
        </>
    );
}

function notesOf(health: Health): string[] {
    const notes: string[] = [];
    if (health.truncated_pct > NOTEWORTHY_PCT) {
        const reasons = Object.keys(TRUNCATED) as (keyof Truncated)[];
        const most = reasons.reduce((a, b) => (health.truncated[b] > health.truncated[a] ? b : a));
        notes.push(`${percent(health.truncated_pct / 100)} of stacks lack callers: ${TRUNCATED[most]}`);
    }
    if (health.unresolved_pct > NOTEWORTHY_PCT) {
        notes.push(`${percent(health.unresolved_pct / 100)} of samples have no name: stax diagnose says why`);
    }
    if (health.lost_samples > 0) {
        notes.push(`${exact(health.lost_samples)} samples were lost`);
    }
    return notes;
}
