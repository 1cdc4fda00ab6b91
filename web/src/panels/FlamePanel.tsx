// The flamegraph of the page: what it asks, what it shows instead of nothing, and its lines of words.

import { effect, useComputed } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo } from "preact/hooks";
import type { FlameLook } from "../draw/flame_canvas";
import { hook, messageCounts } from "../lib/hook";
import type { App } from "../model/app";
import { TREE_INTERVAL_MS } from "../model/flame";
import { flameActions } from "./flame_actions";
import { FlameControl } from "./flame_control";
import { FlameHoverLine, FlameZoomLine } from "./FlameStatus";
import { FlameBox } from "./FlameView";
import { whyEmpty } from "../model/why_empty";
import { useApp } from "./hooks";
import { usePart } from "./usePart";

const WORTH_ASKING_PX = 24; // of cut boxes, in device pixels, before more detail is asked for
const MEASURES_KEPT = 1000;

export function FlamePanel() {
    const app = useApp();
    const control = useMemo(() => makeControl(app), []);
    const look = useMemo(() => () => lookOf(app), []);
    // Before the page is painted: the server works on the answer meanwhile.
    useLayoutEffect(() => {
        app.actions.add(flameActions(app, control));
        tellTests(app, control);
        return app.follow("Live.tree", app.flame.question, TREE_INTERVAL_MS, (result) => takeTimed(app, result));
    }, []);
    useEffect(
        () =>
            effect(() => {
                const { mode, reason } = app.state.scope.value;
                const tree = app.flame.shown();
                app.search.update(app.state.query.value, tree, mode, tree.whole(mode, reason));
            }),
        [],
    );
    const why = useComputed(() => whyEmpty(app));
    return (
        <section class="flame-main" aria-label="Flamegraph">
            <div class="flame-picture">
                <FlameBox label="Flamegraph" control={control} look={look} id="flame" />
                {why.value !== "" && (
                    <div class="flame-empty" role="status">
                        {why.value}
                    </div>
                )}
            </div>
            <FlameHoverLine control={control} look={look} />
            <FlameZoomLine control={control} />
            {control.menu.value !== null && <Menu control={control} />}
        </section>
    );
}

function Menu({ control }: { readonly control: FlameControl }) {
    const FlameMenu = usePart("dialogs")?.FlameMenu;
    return FlameMenu ? <FlameMenu control={control} /> : null;
}

function makeControl(app: App): FlameControl {
    const control = new FlameControl({
        zoom: app.state.zoom,
        selection: app.state.selection,
        tree: () => app.flame.shown(),
        choose: (frame) => app.choose(frame),
        more: (parent) => {
            control.zoomTo(parent);
            if (!app.flame.showMore(parent)) {
                app.state.trouble.value = "this is all that one answer can hold: focus on a function, or drop some";
            }
        },
    });
    control.onDrawn = () => drawn(app, control);
    return control;
}

function lookOf(app: App): FlameLook {
    const { state, flame, search } = app;
    const scope = state.scope.value;
    const tree = flame.shown();
    search.version.value;
    return {
        tree,
        mode: scope.mode,
        whole: tree.whole(scope.mode, scope.reason),
        order: state.order.value,
        direction: state.direction.value,
        colour: state.colour.value,
        zoom: state.zoom.value,
        selection: state.selection.value,
        matches: search.matches,
        rootLabel: flame.rootLabel(),
    };
}

function drawn(app: App, control: FlameControl): void {
    const { renderer } = control;
    if (renderer === null) {
        return;
    }
    app.begun.value = true;
    app.flame.drawnOrder = renderer.drawnOrder;
    if (renderer.zoomNode !== 0 && renderer.layout.residuePx >= WORTH_ASKING_PX) {
        app.flame.wantDetail(app.flame.shown().path(renderer.zoomNode));
    } else {
        app.flame.forgetDetail();
    }
    measure(app, renderer.drawMs);
}

// --- how long an update takes ---------------------------------------------------------------------------------------

let workMs: number | null = null; // of the update that is not drawn yet; the clock is too coarse for small ones
let measures = 0;

// Reading the text, merging it into the tree, telling who looks at it.
function takeTimed(app: App, result: Parameters<App["flame"]["take"]>[0]): void {
    const start = performance.now();
    app.flame.take(result);
    workMs = (workMs ?? 0) + performance.now() - start + app.client.parseMs;
}

// An entry as long as the work, without the wait for the frame in between.
function measure(app: App, drawMs: number): void {
    if (workMs === null) {
        return;
    }
    const end = performance.now();
    performance.measure("stax.update", { start: Math.max(0, end - workMs - drawMs), end, detail: app.tree.n });
    workMs = null;
    if (++measures > MEASURES_KEPT) {
        measures = 0;
        performance.clearMeasures("stax.update"); // or they would pile up for hours
    }
}

function tellTests(app: App, control: FlameControl): void {
    hook.boxes = () => control.renderer?.screenBoxes() ?? [];
    hook.hitAt = (x, y) => control.renderer?.boxAtPage(x, y) ?? null;
    hook.stats = () => ({
        messages: messageCounts(),
        nodes: app.tree.n,
        paints: control.renderer?.paints ?? 0,
        overlayPaints: control.renderer?.overlayPaints ?? 0,
        boxesPainted: control.renderer?.boxesPainted ?? 0,
        matched: app.search.matchedPct.peek(),
        matchedSelf: app.search.selfPct.peek(),
    });
}
