// What is looked at, kept in the address: each step that a person took is an entry of the browser's history, anything
// else (a tab, a sort, a word that is searched for) changes the entry that is there.
//
//     entry 0 ── zoom ──► entry 1 ── drop malloc ──► entry 2        [ and Back: one to the left
//     state {i: 0}        {i: 1, kind: "zoom"}       {i: 2, kind: "drill"}   ] and Forward: to the right
//
// A step back brings back what was counted and how far it was zoomed, not how the page looked at that time.

import { batch, computed, effect, untracked } from "@preact/signals";
import { shorten } from "../lib/format";
import type { Symbol } from "../lib/protocol";
import type { App } from "./app";
import type { FrameId } from "./frames";
import { decodeLink, encodeLink, encodeSteps, PLAIN, type Link } from "./link";
import { WHOLE } from "./scope";

export type StepKind = "zoom" | "drill" | "other";

interface EntryState {
    readonly i: number;
    /** What the step to this entry was. */
    readonly kind: StepKind;
}

/** The browser's history: what is needed of it. */
export interface HistoryPort {
    hash(): string;
    state(): unknown;
    push(state: EntryState, hash: string): void;
    replace(state: EntryState, hash: string): void;
    go(delta: number): void;
    /** Called when the browser went somewhere else within this page. */
    onGo(handler: () => void): void;
}

export function browserHistory(): HistoryPort {
    const at = (hash: string) => `${location.pathname}${location.search}${hash === "" ? "" : `#${hash}`}`;
    return {
        hash: () => location.hash,
        state: () => history.state as unknown,
        push: (state, hash) => history.pushState(state, "", at(hash)),
        replace: (state, hash) => history.replaceState(state, "", at(hash)),
        go: (delta) => history.go(delta),
        onGo: (handler) => window.addEventListener("popstate", handler),
    };
}

const THROTTLE_MS = 250; // browsers refuse to be told more often than about 100 times in 30 s

function readEntry(state: unknown): EntryState | null {
    const entry = state as Partial<EntryState> | null;
    const isEntry = typeof entry === "object" && entry !== null && Number.isInteger(entry.i) && Number(entry.i) >= 0;
    return isEntry ? { i: entry.i as number, kind: entry.kind ?? "other" } : null;
}

export function linkOf(app: App): Link {
    const { state } = app;
    return {
        scope: state.scope.value,
        zoom: state.zoom.value.map((frame) => app.symbol(frame)),
        inverted: state.inverted.value,
        direction: state.direction.value,
        order: state.order.value,
        colour: state.colour.value,
        query: state.query.value,
        tab: state.tab.value,
        topSort: state.topSort.value,
        chosen: state.chosen.value === null ? null : app.symbol(state.chosen.value),
    };
}

// A function that no answer has named yet gets its number now: the answer will find it.
function frameOf(app: App, symbol: Symbol): FrameId {
    return app.frames.expect(symbol.function_name, symbol.binary ?? "");
}

function applySteps(app: App, link: Link): void {
    const { mode, reason } = link.scope;
    app.state.scope.value = app.fixed === "" ? link.scope : { ...app.state.scope.value, mode, reason };
    app.state.zoom.value = link.zoom.map((symbol) => frameOf(app, symbol));
    app.state.inverted.value = link.inverted;
}

function applyLooks(app: App, link: Link): void {
    const { state } = app;
    state.direction.value = link.direction;
    state.order.value = link.order;
    state.colour.value = link.colour;
    state.query.value = link.query;
    state.tab.value = link.tab;
    state.topSort.value = link.topSort;
    state.chosen.value = link.chosen === null ? null : frameOf(app, link.chosen);
}

// The parts of a link in which steps are told apart.
interface Marks {
    readonly scope: string;
    readonly drills: string;
    readonly zoom: string;
}

function marksOf({ scope, zoom, inverted }: Link): Marks {
    const { exclude, only, focus } = scope;
    return {
        scope: encodeSteps({ scope, zoom: [], inverted: false }),
        drills: encodeSteps({ scope: { ...WHOLE, exclude, only, focus }, zoom: [], inverted: false }),
        zoom: encodeSteps({ scope: WHOLE, zoom, inverted }),
    };
}

export class History {
    private at = 0;
    private top = 0;
    private kind: StepKind = "other";
    private marks: Marks = marksOf(PLAIN);
    private isStep = false; // a person is changing the scope
    private hasPushed = false; // just now: what changes along with it is the same step
    private going = false; // the browser is on its way to another entry
    private timer: ReturnType<typeof setTimeout> | null = null;

    constructor(
        private readonly app: App,
        private readonly port: HistoryPort,
    ) {}

    /** Reads the address, and keeps it from now on. */
    start(): void {
        const entry = readEntry(this.port.state());
        this.at = this.top = entry?.i ?? 0;
        this.kind = entry?.kind ?? "other";
        this.read(true);
        this.app.onScopeStep = () => {
            this.isStep = true;
            queueMicrotask(() => (this.isStep = false));
        };
        this.port.onGo(() => this.arrive());
        const link = computed(() => encodeLink(linkOf(this.app)));
        effect(() => {
            link.value;
            if (!this.app.state.dragging.value) {
                untracked(() => this.note());
            }
        });
        this.write(); // so that this entry is known as one of ours
    }

    /** What the newest step was: the one that back() takes back; null: there is none. */
    lastStep(): StepKind | null {
        return this.at > 0 ? this.kind : null;
    }

    back(): void {
        this.go(-1);
    }

    forward(): void {
        this.go(1);
    }

    private go(delta: number): void {
        if (!this.going && this.at + delta >= 0 && this.at + delta <= this.top) {
            this.going = true;
            this.flush();
            this.port.go(delta);
        }
    }

    private arrive(): void {
        this.going = false;
        this.cancel();
        const entry = readEntry(this.port.state());
        if (entry === null) {
            this.top = ++this.at; // somebody edited the address
            this.kind = "other";
            this.read(true);
            this.write();
        } else {
            this.at = entry.i;
            this.top = Math.max(this.top, this.at);
            this.kind = entry.kind;
            this.read(false);
        }
    }

    private read(whole: boolean): void {
        const { link, ignored } = decodeLink(this.port.hash());
        batch(() => {
            applySteps(this.app, link);
            if (whole) {
                applyLooks(this.app, link);
            }
            this.marks = marksOf(linkOf(this.app));
        });
        if (ignored.length > 0) {
            const parts = ignored.slice(0, 8).map((key) => shorten(key, 40)).join(", ");
            this.app.messages.complain(`Not everything in the address makes sense. Left out: ${parts}`);
        }
    }

    // Something in the address is to change.
    private note(): void {
        const before = this.marks;
        const now = marksOf(linkOf(this.app));
        const isZoom = now.zoom !== before.zoom;
        this.marks = now;
        if (!isZoom && !(this.isStep && now.scope !== before.scope)) {
            this.timer ??= setTimeout(() => this.flush(), THROTTLE_MS);
            return;
        }
        this.cancel();
        this.kind = now.drills !== before.drills ? "drill" : now.scope !== before.scope ? "other" : "zoom";
        if (this.hasPushed) {
            this.write();
            return;
        }
        this.top = ++this.at;
        this.hasPushed = true;
        queueMicrotask(() => (this.hasPushed = false));
        this.port.push({ i: this.at, kind: this.kind }, encodeLink(linkOf(this.app)));
    }

    private cancel(): void {
        if (this.timer !== null) {
            clearTimeout(this.timer);
            this.timer = null;
        }
    }

    private flush(): void {
        if (this.timer !== null) {
            this.cancel();
            this.write();
        }
    }

    private write(): void {
        this.port.replace({ i: this.at, kind: this.kind }, encodeLink(linkOf(this.app)));
    }
}
