// A line between two panes that can be moved: by dragging, by arrows, by Home and End. Enter hides the pane that it
// belongs to, and shows it again; a double click brings back the usual size.

import { MEASURES, type MeasureName, type Pane } from "../model/layout";
import { useShell } from "./shell";

interface Props {
    readonly name: MeasureName;
    readonly label: string;
    /** Of the line itself. */
    readonly orientation: "horizontal" | "vertical";
    /** The pane grows when the line goes up, or to the left. */
    readonly backwards?: boolean;
    readonly pane: Pane;
}

export function Splitter({ name, label, orientation, backwards = false, pane }: Props) {
    const { layout } = useShell();
    const { least, most, step, unit } = MEASURES[name];
    const size = layout.sizes.value[name];
    const sign = backwards ? -1 : 1;
    const keys = orientation === "vertical" ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];

    const handleKey = (event: KeyboardEvent) => {
        const at = keys.indexOf(event.key);
        if (at >= 0) {
            layout.resize(name, size + (at === 0 ? -1 : 1) * sign * step * (event.shiftKey ? 5 : 1));
        } else if (event.key === "Home" || event.key === "End") {
            layout.resize(name, event.key === "Home" ? least : most);
        } else if (event.key === "Enter") {
            layout.toggle(pane);
        } else {
            return;
        }
        event.preventDefault();
    };

    const handleDown = (event: PointerEvent) => {
        if (event.button !== 0) {
            return;
        }
        const line = event.currentTarget as HTMLElement;
        const box = (line.parentElement as HTMLElement).getBoundingClientRect();
        const along = (e: PointerEvent) => (orientation === "vertical" ? e.clientX : e.clientY);
        const whole = orientation === "vertical" ? box.width : box.height;
        const scale = unit === "%" ? 100 / Math.max(1, whole) : 1;
        const start = along(event);
        const move = (e: PointerEvent) => layout.resize(name, size + (along(e) - start) * sign * scale);
        const end = () => {
            line.removeEventListener("pointermove", move);
            line.removeEventListener("lostpointercapture", end);
        };
        line.setPointerCapture(event.pointerId);
        line.addEventListener("pointermove", move);
        line.addEventListener("lostpointercapture", end);
    };

    return (
        <div
            class={`splitter ${orientation}`}
            role="separator"
            tabIndex={0}
            aria-label={label}
            aria-orientation={orientation}
            aria-valuenow={Math.round(size)}
            aria-valuemin={least}
            aria-valuemax={most}
            aria-valuetext={`${Math.round(size)} ${unit}`}
            title={`${label}: drag, or arrow keys; Enter hides, double click resets`}
            onKeyDown={handleKey}
            onPointerDown={handleDown}
            onDblClick={() => layout.reset(name)}
        />
    );
}
