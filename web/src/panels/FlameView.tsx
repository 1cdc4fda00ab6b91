// A flamegraph as a part of any panel.
//
// FlameBox is the bare one: a look, and what controls it. FlameView is for a tree that is shown beside other things
// (callers, callees): it keeps its own zoom and selection.

import { effect, signal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { FlameRenderer, type FlameLook } from "../draw/flame_canvas";
import { look as theme } from "../lib/theme";
import type { FrameId } from "../model/frames";
import type { Direction } from "../model/state";
import type { TreeColumns } from "../model/tree";
import { activeFlame, FlameControl } from "./flame_control";
import { FlameMirror } from "./FlameMirror";
import { FlameHoverLine } from "./FlameStatus";
import { useApp } from "./hooks";

interface BoxProps {
    readonly label: string;
    readonly control: FlameControl;
    /** Reads signals; is asked again when those change. */
    look(): FlameLook;
    /** Numbers of nodes mean something only together with this: which tree, which epoch. */
    readonly id: string;
}

export function FlameBox({ label, control, look, id }: BoxProps) {
    const host = useRef<HTMLDivElement>(null);
    const shown = useRef<FlameLook | null>(null);
    useEffect(() => {
        const renderer = new FlameRenderer(host.current as HTMLElement, control.events);
        control.renderer = renderer;
        return () => {
            control.renderer = null;
            activeFlame.value = activeFlame.peek() === control ? null : activeFlame.peek();
            renderer.dispose();
        };
    }, [control]);
    // At once, not after the next rendering: a key may ask what the one before has selected.
    useEffect(
        () =>
            effect(() => {
                const next = look();
                const before = shown.current;
                const isData =
                    before === null ||
                    (before.zoom === next.zoom && before.order === next.order && before.direction === next.direction);
                shown.current = next;
                control.renderer?.set(next, isData);
            }),
        [control],
    );
    useEffect(
        () =>
            effect(() => {
                theme.value;
                control.renderer?.restyle();
            }),
        [control],
    );
    return (
        <div
            class="flame-box"
            ref={host}
            role="application"
            aria-roledescription="flamegraph"
            aria-label={label}
            aria-activedescendant={`${id}-selected`}
            tabIndex={0}
            data-place="flame"
            onFocusIn={() => (activeFlame.value = control)}
        >
            <FlameMirror control={control} id={id} look={look} />
        </div>
    );
}

export interface FlameViewProps {
    readonly tree: TreeColumns;
    /** For who cannot see it: "Callers of decode". */
    readonly label: string;
    /** What the root is called. */
    readonly rootLabel: string;
    /** Must be one of a kind on the page. */
    readonly id: string;
    readonly direction?: Direction;
    onChoose(frame: FrameId): void;
}

/** Zoom and selection are its own; mode, order and colours are those of the page. */
export function FlameView({ tree, label, rootLabel, id, direction = "icicle", onChoose }: FlameViewProps) {
    const app = useApp();
    const choose = useRef(onChoose);
    choose.current = onChoose;
    const control = useMemo(
        () =>
            new FlameControl({
                zoom: signal<readonly FrameId[]>([]),
                selection: signal<readonly FrameId[] | null>(null),
                tree: () => tree,
                choose: (frame) => choose.current(frame),
                more: null,
            }),
        [tree],
    );
    const name = useMemo(() => signal(rootLabel), []);
    name.value = rootLabel;
    const look = () => {
        const { scope, order, colour } = app.state;
        const { mode, reason } = scope.value;
        tree.version.value;
        app.search.version.value;
        return {
            tree,
            mode,
            whole: tree.whole(mode, reason),
            order: order.value,
            direction,
            colour: colour.value,
            zoom: control.state.zoom.value,
            selection: control.state.selection.value,
            matches: app.search.matches,
            rootLabel: name.value,
        };
    };
    return (
        <div class="flame-view">
            <FlameBox label={label} control={control} look={look} id={id} />
            <FlameHoverLine control={control} look={look} />
        </div>
    );
}
