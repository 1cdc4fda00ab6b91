// Where the blocks of a control-flow graph stand. Runs in the page, or, where the graph is large, in a worker: then a
// message is a graph, and the answer is its layout.

import { Graph, layout as place } from "@dagrejs/dagre";
import { registerPart, type LayoutInput, type LayoutOutput } from "../lib/parts";

function layout(input: LayoutInput): LayoutOutput {
    const graph = new Graph({ multigraph: true });
    graph.setGraph({ rankdir: "TB", nodesep: 24, ranksep: 34, edgesep: 12, marginx: 12, marginy: 12 });
    input.width.forEach((width, i) => graph.setNode(String(i), { width, height: input.height[i] }));
    input.from.forEach((from, i) => graph.setEdge(String(from), String(input.to[i]), {}, String(i)));
    place(graph);
    const blocks = input.width.map((_, i) => graph.node(String(i)) as { x: number; y: number });
    const size = graph.graph() as { width?: number; height?: number };
    return {
        width: size.width ?? 0,
        height: size.height ?? 0,
        x: blocks.map((block) => block.x),
        y: blocks.map((block) => block.y),
        points: input.from.map((from, i) => {
            const edge = graph.edge(String(from), String(input.to[i]), String(i)) as {
                points?: { x: number; y: number }[];
            };
            return (edge.points ?? []).flatMap((point) => [point.x, point.y]);
        }),
    };
}

registerPart("layout", { layout });

if (typeof document === "undefined") {
    const worker = globalThis as unknown as {
        onmessage: (event: MessageEvent<LayoutInput>) => void;
        postMessage(answer: LayoutOutput): void;
    };
    worker.onmessage = (event) => worker.postMessage(layout(event.data));
}
