// The control flow of a function as a picture: basic blocks with their heat, and the ways between them.
//
// The layout is made once per graph. Numbers that change colour blocks; nothing moves.

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { exact, visible } from "../lib/format";
import type { LayoutInput, LayoutOutput } from "../lib/parts";
import type { CfgBlock } from "../lib/protocol";
import type { App } from "../model/app";
import type { Graph } from "../model/cfg";
import { layOut, layoutAtHand } from "./CfgLayout";
import { CfgPicture, LINE, PAD, type Block, type Picture } from "./CfgPicture";
import { askedOf, checkAnswer, useDetails, useStale } from "./details";
import { useApp, useFollow } from "./hooks";

const INTERVAL_MS = 1000;
const MOST_LINES = 20_000;
const CHAR = 6.7; // px of a character of 11 px in the monospace font
const MOST_CHARS = 44;

/** What is written in a block; the numbers above it are not part of it, so that it keeps its size. */
function linesOf(block: CfgBlock, texts: readonly string[] | null): string[] {
    const lines: string[] = [];
    const header = block.source_header;
    if (header !== undefined && header.line > 0) {
        const place = `${header.file.split("/").pop() ?? ""}:${header.line}`;
        lines.push(`${place} ${header.text?.trim() ?? ""}`);
    }
    const n = block.n_instructions;
    if (texts !== null && n > 0) {
        lines.push(texts[block.first_line] ?? "");
        if (n > 2) {
            lines.push(`… ${n - 2} more`);
        }
        if (n > 1) {
            lines.push(texts[block.first_line + n - 1] ?? "");
        }
    } else {
        lines.push(`${n} instructions`);
    }
    return lines.map((line) => {
        const text = visible(line.slice(0, 4 * MOST_CHARS));
        return text.length > MOST_CHARS ? `${text.slice(0, MOST_CHARS - 1)}…` : text;
    });
}

function pictureOf(graph: Graph, texts: readonly string[] | null): Picture {
    const { shape } = graph;
    const blocks = shape.blocks.map((id, i) => ({
        id,
        lines: linesOf(graph.blocks[id], texts),
        isLoopHead: shape.isLoopHead[i],
    }));
    const chars = (block: Block) => Math.max(24, ...block.lines.map((line) => line.length));
    return {
        blocks,
        kinds: shape.kind,
        input: {
            width: blocks.map((block) => Math.ceil(chars(block) * CHAR) + 2 * PAD),
            height: blocks.map((block) => (block.lines.length + 1) * LINE + 2 * PAD),
            from: shape.from,
            to: shape.to,
        },
    };
}

/** Follows Profiler.cfg, and asks once per listing what its instructions look like. */
function useGraph(app: App): { graph: Graph; texts: readonly string[] | null; stale: boolean } {
    const { graph } = useDetails();
    const asked = useComputed(() => askedOf(app));
    const [stale, answered] = useStale(asked);
    const texts = useSignal<{ listing: number; lines: readonly string[] | null } | null>(null);
    useFollow(
        "Profiler.cfg",
        () => asked.value && { ...asked.value, view: app.view.value },
        INTERVAL_MS,
        (answer) => {
            answered();
            if (!graph.apply(answer)) {
                graph.fail("stax-server sent changes of a graph that it did not send before");
            } else if (answer.inlined_host === undefined) {
                checkAnswer(app, answer);
            }
        },
        (error) => {
            answered();
            graph.fail(error.message);
            if (error.kind === "not_found") {
                checkAnswer(app, null);
            }
        },
    );
    useSignalEffect(() => {
        const listing = graph.listing.value;
        const head = graph.head;
        if (head === null) {
            return;
        }
        const params = { view: app.view.peek(), address: head.base_address, source: false, limit: MOST_LINES };
        const take = (lines: readonly string[] | null) => {
            if (graph.listing.peek() === listing) {
                texts.value = { listing, lines };
            }
        };
        app.client.call("Profiler.annotated", params).then(
            (answer) => take(answer.lines?.map((line) => line.text) ?? null),
            () => take(null),
        );
    });
    const now = texts.value?.listing === graph.listing.value ? texts.value : null;
    return { graph, texts: now === null ? null : now.lines, stale };
}

export function CfgPanel() {
    const app = useApp();
    const { graph, texts, stale } = useGraph(app);
    const layout = useSignal<{ input: LayoutInput; output: LayoutOutput } | null>(null);
    const trouble = useSignal("");
    const made = useRef<{ key: string; picture: Picture } | null>(null);
    void graph.version.value;
    // The picture is what it was until there are other blocks, or their texts have come.
    const key = `${graph.listing.value} ${texts === null}`;
    if (made.current?.key !== key) {
        made.current = { key, picture: pictureOf(graph, texts) };
    }
    const picture = made.current.picture;
    useEffect(() => {
        if (picture.blocks.length > 0) {
            layOut(picture.input).then(
                (output) => {
                    trouble.value = "";
                    layout.value = { input: picture.input, output };
                },
                (error: unknown) => (trouble.value = error instanceof Error ? error.message : String(error)),
            );
        }
    }, [picture]);
    const output = layoutAtHand(picture.input) ?? (layout.value?.input === picture.input ? layout.value.output : null);
    if (graph.head === null || picture.blocks.length === 0) {
        const nothing = graph.head === null ? "…" : "There is no code to be had of this function.";
        return <div class="rows-empty">{graph.trouble.value || nothing}</div>;
    }
    return (
        <div class={`cfg ${stale ? "stale" : ""}`} aria-busy={stale}>
            <div class="notes">
                <span class="dim">
                    {graph.shape.leftOut > 0
                        ? `the hottest ${exact(picture.blocks.length)} of ${exact(graph.blocks.length)} blocks`
                        : `${exact(picture.blocks.length)} blocks`}
                    {graph.head.n_unknown > 0 && `, ${exact(graph.head.n_unknown)} jumps lead nobody knows where to`}
                    {graph.head.unplaced_samples > 0 && `, ${exact(graph.head.unplaced_samples)} samples are in none`}
                </span>
                <span class="spring" />
                <span class="dim cfg-legend">
                    <i class="e-taken" /> taken <i class="e-next" /> else, next <i class="e-jump" /> jump{" "}
                    <i class="e-back" /> back <i class="e-switch" /> switch
                </span>
            </div>
            {output === null ? (
                <div class="rows-empty">{trouble.value || "laying out…"}</div>
            ) : (
                <CfgPicture app={app} graph={graph} picture={picture} layout={output} />
            )}
        </div>
    );
}
