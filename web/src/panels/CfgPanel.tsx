// The control flow of a function as a picture: basic blocks with their heat, and the ways between them.
//
// The layout is made once per graph. Numbers that change colour blocks; nothing moves.

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { exact, percentOf, visible } from "../lib/format";
import type { LayoutInput, LayoutOutput } from "../lib/parts";
import type { CfgBlock } from "../lib/protocol";
import type { App } from "../model/app";
import { roundedPath, type EdgeKind, type Graph } from "../model/cfg";
import { layOut, layoutAtHand } from "./CfgLayout";
import { askedOf, checkAnswer, openTab, useDetails } from "./details";
import { useApp, useFollow } from "./hooks";

const INTERVAL_MS = 1000;
const MOST_LINES = 20_000;
const CHAR = 6.7; // px of a character of 11 px in the monospace font
const LINE = 15;
const MOST_CHARS = 44;
const PAD = 7;

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

interface Block {
    readonly id: number;
    readonly lines: readonly string[];
    readonly isLoopHead: boolean;
}

interface Picture {
    readonly blocks: readonly Block[];
    readonly kinds: readonly EdgeKind[];
    readonly input: LayoutInput;
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
function useGraph(app: App): { graph: Graph; texts: readonly string[] | null } {
    const { graph } = useDetails();
    const asked = useComputed(() => askedOf(app));
    const texts = useSignal<{ listing: number; lines: readonly string[] | null } | null>(null);
    useFollow(
        "Profiler.cfg",
        () => asked.value && { ...asked.value, view: app.view.value },
        INTERVAL_MS,
        (answer) => {
            if (!graph.apply(answer)) {
                graph.fail("stax-server sent changes of a graph that it did not send before");
            } else if (answer.inlined_host === undefined) {
                checkAnswer(app, answer);
            }
        },
        (error) => {
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
    return { graph, texts: now === null ? null : now.lines };
}

export function CfgPanel() {
    const app = useApp();
    const { graph, texts } = useGraph(app);
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
        <div class="cfg">
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
                <Picture app={app} graph={graph} picture={picture} layout={output} />
            )}
        </div>
    );
}

interface PictureProps {
    readonly app: App;
    readonly graph: Graph;
    readonly picture: Picture;
    readonly layout: LayoutOutput;
}

interface Place {
    readonly x: number;
    readonly y: number;
    readonly scale: number;
}

const LEAST_SCALE = 0.05;
const MOST_SCALE = 3;

/** Zooms by a factor around a point of the pane. */
function zoomed(place: Place, factor: number, x: number, y: number): Place {
    const scale = Math.min(MOST_SCALE, Math.max(LEAST_SCALE, place.scale * factor));
    const by = scale / place.scale;
    return { scale, x: x - (x - place.x) * by, y: y - (y - place.y) * by };
}

function Picture({ app, graph, picture, layout }: PictureProps) {
    const svg = useRef<SVGSVGElement>(null);
    const place = useSignal<Place>({ x: 0, y: 0, scale: 1 });
    const current = useSignal(0);
    const drag = useRef<{ x: number; y: number; moved: boolean } | null>(null);
    const { wanted } = useDetails();
    const heat = graph.heat;
    const total = graph.head?.function_samples ?? 0;

    const fit = () => {
        const { clientWidth: width, clientHeight: height } = svg.current as SVGSVGElement;
        const scale = Math.min(1, Math.max(LEAST_SCALE, Math.min(width / layout.width, height / layout.height)));
        place.value = { scale, x: (width - layout.width * scale) / 2, y: Math.max(0, (height - layout.height * scale) / 2) };
    };
    const reveal = (i: number) => {
        const { clientWidth: width, clientHeight: height } = svg.current as SVGSVGElement;
        const { scale } = place.value;
        const [x, y] = [layout.x[i] * scale + place.value.x, layout.y[i] * scale + place.value.y];
        if (x < 40 || y < 30 || x > width - 40 || y > height - 30) {
            place.value = { scale, x: width / 2 - layout.x[i] * scale, y: height / 2 - layout.y[i] * scale };
        }
    };
    const focusOn = (i: number) => {
        current.value = Math.max(0, Math.min(picture.blocks.length - 1, i));
        reveal(current.value);
        queueMicrotask(() => svg.current?.querySelector<SVGGElement>('[data-current="true"]')?.focus());
    };
    const goToCode = (i: number) => {
        wanted.value = graph.blocks[picture.blocks[i].id].address;
        openTab(app, "code");
    };
    // A new graph begins at its hottest block, as large as can be read.
    useEffect(() => {
        const hottest = graph.heat.hottest(1)[0];
        const at = Math.max(0, picture.blocks.findIndex((block) => block.id === hottest));
        fit();
        current.value = at;
        if (place.value.scale < 0.6) {
            const { clientWidth: width, clientHeight: height } = svg.current as SVGSVGElement;
            place.value = { scale: 0.8, x: width / 2 - layout.x[at] * 0.8, y: height / 2 - layout.y[at] * 0.8 };
        }
    }, [layout]);
    useEffect(() => {
        app.actions.add([
            { id: "cfg.fit", label: "Control flow: all of it", place: "code", keys: [], run: fit },
        ]);
    }, []);

    const onKeyDown = (event: KeyboardEvent) => {
        if (event.ctrlKey || event.metaKey || event.altKey) {
            return;
        }
        const { clientWidth: width, clientHeight: height } = svg.current as SVGSVGElement;
        const pan = (x: number, y: number) => (place.value = { ...place.value, x: place.value.x + x, y: place.value.y + y });
        const zoom = (by: number) => (place.value = zoomed(place.value, by, width / 2, height / 2));
        const act: Record<string, () => void> = {
            ArrowLeft: () => pan(60, 0),
            ArrowRight: () => pan(-60, 0),
            ArrowUp: () => pan(0, 60),
            ArrowDown: () => pan(0, -60),
            "+": () => zoom(1.25),
            "=": () => zoom(1.25),
            "-": () => zoom(0.8),
            "0": fit,
            j: () => focusOn(current.value + 1),
            k: () => focusOn(current.value - 1),
            h: () => {
                const order = graph.heat.hottest(50).map((id) => picture.blocks.findIndex((block) => block.id === id));
                const next = order[(order.indexOf(current.value) + 1) % Math.max(1, order.length)];
                focusOn(next ?? 0);
            },
            Enter: () => goToCode(current.value),
        };
        const run = act[event.key];
        if (run) {
            event.preventDefault();
            event.stopPropagation();
            run();
        }
    };
    const { x, y, scale } = place.value;
    return (
        <svg
            ref={svg}
            class="cfg-picture"
            role="group"
            aria-label="Control flow"
            tabindex={-1}
            onKeyDown={onKeyDown}
            onWheel={(event) => {
                event.preventDefault();
                const box = (svg.current as SVGSVGElement).getBoundingClientRect();
                if (event.ctrlKey) {
                    const by = Math.exp(-event.deltaY / 300);
                    place.value = zoomed(place.value, by, event.clientX - box.left, event.clientY - box.top);
                } else {
                    place.value = { scale, x: x - event.deltaX, y: y - event.deltaY };
                }
            }}
            onPointerDown={(event) => (drag.current = { x: event.clientX - x, y: event.clientY - y, moved: false })}
            onPointerMove={(event) => {
                if (drag.current === null || event.buttons === 0) {
                    drag.current = null;
                    return;
                }
                const to = { scale, x: event.clientX - drag.current.x, y: event.clientY - drag.current.y };
                drag.current.moved ||= Math.hypot(to.x - x, to.y - y) > 3;
                if (drag.current.moved) {
                    place.value = to;
                }
            }}
        >
            <defs>
                <marker id="cfg-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
                    <path d="M0,0L8,4L0,8z" fill="context-stroke" />
                </marker>
            </defs>
            <g transform={`translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(${scale.toFixed(4)})`}>
                <Edges picture={picture} layout={layout} />
                {picture.blocks.map((block, i) => (
                    <BlockView
                        key={block.id}
                        graph={graph}
                        block={block}
                        left={layout.x[i] - picture.input.width[i] / 2}
                        top={layout.y[i] - picture.input.height[i] / 2}
                        width={picture.input.width[i]}
                        height={picture.input.height[i]}
                        isCurrent={i === current.value}
                        self={percentOf(heat.selfSamples[block.id], total)}
                        share={total > 0 ? heat.selfSamples[block.id] / total : 0}
                        onOpen={() => {
                            current.value = i;
                            if (!drag.current?.moved) {
                                goToCode(i);
                            }
                            drag.current = null;
                        }}
                    />
                ))}
            </g>
        </svg>
    );
}

function Edges({ picture, layout }: { picture: Picture; layout: LayoutOutput }) {
    return (
        <>
            {layout.points.map((points, i) => (
                <path key={i} class={`edge e-${picture.kinds[i]}`} d={roundedPath(points, 10)} marker-end="url(#cfg-tip)" />
            ))}
        </>
    );
}

interface BlockViewProps {
    readonly graph: Graph;
    readonly block: Block;
    readonly left: number;
    readonly top: number;
    readonly width: number;
    readonly height: number;
    readonly isCurrent: boolean;
    readonly self: string;
    readonly share: number;
    readonly onOpen: () => void;
}

function BlockView({ graph, block, left, top, width, height, isCurrent, self, share, onOpen }: BlockViewProps) {
    const of = graph.blocks[block.id];
    const below = graph.heat.totalSamples[block.id] - graph.heat.selfSamples[block.id];
    const name = `B${block.id}`;
    const head = `${name}${block.isLoopHead ? " ↻" : ""}`;
    const end = of.end.replace(/_/g, " ");
    return (
        <g
            class={`block ${block.isLoopHead ? "loop" : ""}`}
            role="button"
            tabindex={isCurrent ? 0 : -1}
            data-current={isCurrent}
            aria-label={`${name}, ${self}, ${block.isLoopHead ? "head of a loop, " : ""}${end}`}
            transform={`translate(${left} ${top})`}
            onClick={onOpen}
        >
            <title>
                {`${name}: ${exact(graph.heat.selfSamples[block.id])} samples, ${exact(below)} below; ${end}`}
                {of.target_name === undefined ? "" : ` to ${visible(of.target_name)}`}
                {of.calls === undefined ? "" : `; calls ${of.calls.slice(0, 20).map(visible).join(", ")}`}
            </title>
            <rect class="paper" width={width} height={height} rx="4" />
            <rect class="heat" width={width} height={height} rx="4" style={{ opacity: Math.min(0.55, share * 1.5).toFixed(3) }} />
            <text x={PAD} y={LINE} class="head">
                {head}
            </text>
            <text x={width - PAD} y={LINE} class="share">
                {share > 0 ? self : ""}
            </text>
            {block.lines.map((line, i) => (
                <text key={i} x={PAD} y={(i + 2) * LINE + 2} class={of.source_header && i === 0 ? "place" : ""}>
                    {line}
                </text>
            ))}
        </g>
    );
}
