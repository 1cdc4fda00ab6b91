// How large the panes are and which of them are shown. Sizes never follow what is in a pane: nothing moves while
// numbers stream in. Remembered by the browser, not part of a link.

import { effect, signal } from "@preact/signals";
import { keep, recall } from "../lib/keep";

export const PANES = ["timeline", "flame", "side", "top", "detail"] as const;
export type Pane = (typeof PANES)[number];

export const PANE_NAMES: Record<Pane, string> = {
    timeline: "Timeline",
    flame: "Flamegraph",
    side: "Waits and wakers",
    top: "Functions",
    detail: "Details",
};

export interface Measure {
    readonly usual: number;
    readonly least: number;
    readonly most: number;
    /** Of one press of an arrow key. */
    readonly step: number;
    readonly unit: "px" | "%";
}

/** What separators move. */
export const MEASURES = {
    timeline: { usual: 148, least: 60, most: 420, step: 8, unit: "px" },
    upper: { usual: 56, least: 20, most: 85, step: 2, unit: "%" },
    side: { usual: 300, least: 200, most: 560, step: 10, unit: "px" },
    top: { usual: 42, least: 20, most: 75, step: 2, unit: "%" },
} as const satisfies Record<string, Measure>;
export type MeasureName = keyof typeof MEASURES;

const KEY = "layout";
/** Below it, panes stand behind tabs rather than side by side. */
export const NARROW_PX = 900;

function isPane(value: unknown): value is Pane {
    return PANES.some((pane) => pane === value);
}

export class Layout {
    readonly sizes = signal<Readonly<Record<MeasureName, number>>>(usualSizes());
    readonly hidden = signal<readonly Pane[]>([]);
    /** Which one is shown where there is room for one. */
    readonly tab = signal<Pane>("flame");
    readonly narrow = signal(false);

    start(): void {
        this.read(recall(KEY));
        effect(() => keep(KEY, JSON.stringify({ sizes: this.sizes.value, hidden: this.hidden.value })));
        const narrow = window.matchMedia(`(max-width: ${NARROW_PX - 1}px)`);
        this.narrow.value = narrow.matches;
        narrow.addEventListener("change", () => (this.narrow.value = narrow.matches));
    }

    isShown(pane: Pane): boolean {
        if (this.narrow.value && pane !== "timeline") {
            return this.tab.value === pane;
        }
        return !this.hidden.value.includes(pane);
    }

    toggle(pane: Pane): void {
        const hidden = this.hidden.value;
        this.hidden.value = hidden.includes(pane) ? hidden.filter((one) => one !== pane) : [...hidden, pane];
    }

    show(pane: Pane): void {
        if (this.narrow.value && pane !== "timeline") {
            this.tab.value = pane;
        } else if (this.hidden.value.includes(pane)) {
            this.toggle(pane);
        }
    }

    resize(name: MeasureName, size: number): void {
        const { least, most } = MEASURES[name];
        this.sizes.value = { ...this.sizes.value, [name]: Math.min(most, Math.max(least, size)) };
    }

    reset(name: MeasureName): void {
        this.resize(name, MEASURES[name].usual);
    }

    resetAll(): void {
        this.sizes.value = usualSizes();
        this.hidden.value = [];
    }

    // Whatever is in there: an older page may have written it.
    private read(text: string | null): void {
        try {
            const kept = JSON.parse(text ?? "{}") as { sizes?: Record<string, unknown>; hidden?: unknown };
            for (const name of Object.keys(MEASURES) as MeasureName[]) {
                const size = kept.sizes?.[name];
                if (typeof size === "number" && Number.isFinite(size)) {
                    this.resize(name, size);
                }
            }
            this.hidden.value = Array.isArray(kept.hidden) ? kept.hidden.filter(isPane) : [];
        } catch {
            this.resetAll();
        }
    }
}

function usualSizes(): Record<MeasureName, number> {
    const names = Object.keys(MEASURES) as MeasureName[];
    return Object.fromEntries(names.map((name) => [name, MEASURES[name].usual])) as Record<MeasureName, number>;
}
