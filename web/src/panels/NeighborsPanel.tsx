// Who calls a function, and what it calls: two trees, with the function between them. Each is a flamegraph (callers
// grow upwards) or, for who reads or listens, a table.

import { useComputed, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { exact, milliseconds, percentOf, visible } from "../lib/format";
import type { Neighbors } from "../lib/protocol";
import { modeOf, type Scope } from "../model/scope";
import { scopeTotal, waitsOf } from "../model/top";
import { keep, recall } from "../lib/keep";
import type { Expansion } from "../model/expansion";
import type { SnapshotTree } from "../model/snapshot_tree";
import { askedOf, checkAnswer, useDetails, useStale } from "./details";
import { FlameView } from "./FlameView";
import { useApp, useFollow } from "./hooks";
import { TreeRows } from "./TreeRows";

const INTERVAL_MS = 1000;
const MOST_NODES = 4000;
const LEAST_SHARE = 0.001;

export function NeighborsPanel() {
    const app = useApp();
    const { state } = app;
    const details = useDetails();
    const asked = useComputed(() => askedOf(app));
    const [stale, answered] = useStale(asked);
    useFollow(
        "Profiler.neighbors",
        () =>
            asked.value && {
                ...asked.value,
                ...modeOf(state.scope.value),
                view: app.view.value,
                max_nodes: MOST_NODES,
                min_share: LEAST_SHARE,
            },
        INTERVAL_MS,
        (answer) => {
            answered();
            const { function_on_cpu_ns: on, function_off_cpu: off, strings } = answer;
            details.neighbors.set(answer);
            details.callers.fill(answer.callers_tree, strings, on, off);
            details.callees.fill(answer.callees_tree, strings, on, off);
            checkAnswer(app, answer);
        },
        (error) => {
            answered();
            details.neighbors.fail(error.message);
            if (error.kind === "not_found") {
                checkAnswer(app, null);
            }
        },
    );
    const asRows = useSignal(recall("neighbors.rows") === "on");
    void details.neighbors.version.value;
    const answer = details.neighbors.value;
    // Another function or another scope: rows may stand in another order.
    const counted = useRef("");
    const now = JSON.stringify([state.scope.value, answer?.function_name, answer?.binary, answer?.base_address]);
    if (counted.current !== now) {
        counted.current = now;
        details.callersExpansion.reorder();
        details.calleesExpansion.reorder();
    }
    if (answer === null) {
        return <div class="rows-empty">{details.neighbors.trouble || "…"}</div>;
    }
    const half = (which: "callers" | "callees", tree: SnapshotTree, expansion: Expansion) => (
        <Half which={which} tree={tree} expansion={expansion} name={answer.function_name} asRows={asRows.value} />
    );
    return (
        <div class={`neighbors ${stale ? "stale" : ""}`} aria-busy={stale}>
            {half("callers", details.callers, details.callersExpansion)}
            <div class="between">
                <Between answer={answer} scope={state.scope.value} />
                <span class="spring" />
                <button
                    type="button"
                    aria-pressed={asRows.value}
                    onClick={() => {
                        asRows.value = !asRows.value;
                        keep("neighbors.rows", asRows.value ? "on" : "off");
                    }}
                >
                    as tables
                </button>
            </div>
            {half("callees", details.callees, details.calleesExpansion)}
        </div>
    );
}

interface HalfProps {
    readonly which: "callers" | "callees";
    readonly tree: SnapshotTree;
    readonly expansion: Expansion;
    readonly name: string;
    readonly asRows: boolean;
}

function Half({ which, tree, expansion, name, asRows }: HalfProps) {
    const app = useApp();
    const title = which === "callers" ? "Callers" : "Callees";
    return (
        <div class="tree-pane">
            <h3>{title}</h3>
            {asRows ? (
                <TreeRows
                    label={title}
                    tree={tree}
                    expansion={expansion}
                    below={which}
                    empty={which === "callers" ? "Nobody calls it." : "It calls nothing that was seen."}
                />
            ) : (
                <FlameView
                    id={which}
                    label={`${title} of ${visible(name)}`}
                    rootLabel={name}
                    tree={tree}
                    direction={which === "callers" ? "flame" : "icicle"}
                    onChoose={(frame) => app.choose(frame)}
                />
            )}
        </div>
    );
}

function Between({ answer, scope }: { answer: Neighbors; scope: Scope }) {
    const weigh = (on: number, off: Neighbors["function_off_cpu"]) => scopeTotal(scope, on, off);
    const all = weigh(answer.total_on_cpu_ns, answer.total_off_cpu);
    const total = weigh(answer.function_on_cpu_ns, answer.function_off_cpu);
    const own = weigh(answer.own_on_cpu_ns, answer.own_off_cpu);
    const waits = waitsOf(answer.function_off_cpu, scope.reason);
    const recursive =
        scope.mode === "on_cpu"
            ? answer.recursive_on_cpu_ns
            : scope.mode === "off_cpu"
              ? answer.recursive_off_cpu_ns
              : answer.recursive_on_cpu_ns + answer.recursive_off_cpu_ns;
    const ways = answer.recursion.slice(0, 3).map((each) => visible(each.function_name));
    return (
        <>
            <strong>
                <bdi>{visible(answer.function_name)}</bdi>
            </strong>
            <span>
                {percentOf(total, all)} total, {milliseconds(total)} ms
            </span>
            <span>
                {percentOf(own, all)} self, {milliseconds(own)} ms
            </span>
            <span>{exact(answer.function_samples)} samples</span>
            {waits > 0 && <span>{exact(answer.function_off_cpu_intervals)} waits</span>}
            {recursive > 0 && (
                <span title={answer.recursion.map((each) => visible(each.function_name)).join("\n")}>
                    recursion: {percentOf(recursive, total)} of it, by way of {ways.join(", ")}
                </span>
            )}
        </>
    );
}
