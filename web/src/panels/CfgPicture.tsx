// The graph as it is drawn: blocks with their heat, and the ways between them.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { exact, percentOf, visible } from "../lib/format";
import type { LayoutInput, LayoutOutput } from "../lib/parts";
import type { App } from "../model/app";
import { roundedPath, type EdgeKind, type Graph } from "../model/cfg";
import { CfgView } from "./CfgView";
import { openTab, useDetails } from "./details";

export const LINE = 15; // px
export const PAD = 7;
const HOTTEST = 50; // blocks that `h` goes through
const STEP = 60; // px

export interface Block {
    readonly id: number;
    readonly lines: readonly string[];
    readonly isLoopHead: boolean;
}

export interface Picture {
    readonly blocks: readonly Block[];
    readonly kinds: readonly EdgeKind[];
    readonly input: LayoutInput;
}

interface PictureProps {
    readonly app: App;
    readonly graph: Graph;
    readonly picture: Picture;
    readonly layout: LayoutOutput;
}

/** The block behind the one that is looked at, by heat. */
function nextHottest(graph: Graph, picture: Picture, current: number): number {
    const order = graph.heat.hottest(HOTTEST).map((id) => picture.blocks.findIndex((block) => block.id === id));
    const shown = order.filter((i) => i >= 0);
    return shown[(shown.indexOf(current) + 1) % Math.max(1, shown.length)] ?? 0;
}

export function CfgPicture({ app, graph, picture, layout }: PictureProps) {
    const svg = useRef<SVGSVGElement>(null);
    const view = useMemo(() => new CfgView(() => svg.current), []);
    const current = useSignal(0);
    const { wanted } = useDetails();
    void graph.version.value; // heat changes within the same graph: no property says so
    const heat = graph.heat;
    const total = graph.head?.function_samples ?? 0;

    const focusOn = (i: number) => {
        current.value = Math.max(0, Math.min(picture.blocks.length - 1, i));
        view.reveal(layout.x[current.value], layout.y[current.value]);
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
        current.value = at;
        view.begin(layout, layout.x[at], layout.y[at]);
    }, [layout]);
    useEffect(() => {
        const enabled = () => svg.current !== null;
        const add = (id: string, what: string, key: string, run: () => void) => ({
            id: `cfg.${id}`,
            label: `Control flow: ${what}`,
            place: "code" as const,
            keys: [key],
            enabled,
            run,
        });
        app.actions.add([
            add("fit", "all of it", "0", () => view.fit(layout)),
            add("closer", "closer", "+", () => view.zoom(1.25)),
            add("farther", "farther", "-", () => view.zoom(0.8)),
        ]);
    }, [layout]);

    const onKeyDown = (event: KeyboardEvent) => {
        const act: Record<string, () => void> = {
            ArrowLeft: () => view.pan(STEP, 0),
            ArrowRight: () => view.pan(-STEP, 0),
            ArrowUp: () => view.pan(0, STEP),
            ArrowDown: () => view.pan(0, -STEP),
            "+": () => view.zoom(1.25),
            "=": () => view.zoom(1.25),
            "-": () => view.zoom(0.8),
            "0": () => view.fit(layout),
            KeyJ: () => focusOn(current.value + 1),
            KeyK: () => focusOn(current.value - 1),
            KeyH: () => focusOn(nextHottest(graph, picture, current.value)),
            Enter: () => goToCode(current.value),
        };
        const run = act[event.code.startsWith("Key") ? event.code : event.key];
        if (run && !event.ctrlKey && !event.metaKey && !event.altKey) {
            event.preventDefault();
            event.stopPropagation();
            run();
        }
    };
    const { x, y, scale } = view.place.value;
    return (
        <svg
            ref={svg}
            class="cfg-picture"
            role="group"
            aria-label="Control flow"
            tabindex={-1}
            onKeyDown={onKeyDown}
            onWheel={(event) => view.wheel(event)}
            onPointerDown={(event) => view.down(event)}
            onPointerMove={(event) => view.move(event)}
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
                            if (!view.dragged) {
                                goToCode(i);
                            }
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
                <path
                    key={i}
                    class={`edge e-${picture.kinds[i]}`}
                    d={roundedPath(points, 10)}
                    marker-end="url(#cfg-tip)"
                />
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
    const opacity = Math.min(0.55, share * 1.5).toFixed(3);
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
            <rect class="heat" width={width} height={height} rx="4" style={{ opacity }} />
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
