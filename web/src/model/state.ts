// What the page knows and shows, as signals.
//
//     conn   how it is connected                    from the transport
//     run    what is looked at, how it is going     from the server
//     scope  which part of it                       chips, the address bar; drives every question
//     view   how it is drawn                        the address bar; no question depends on it but for `tab`
//     hold   what stands still                      nowhere else
//
// Zoom is part of `view` and changes what is drawn; scope changes what is counted. They are kept, shown and named apart.

import { computed, signal } from "@preact/signals";
import type { Health, RunSummary } from "../lib/protocol";
import type { TransportState } from "../lib/transport";
import type { FrameId } from "./frames";
import { WHOLE, type Scope } from "./scope";

export type Connection = TransportState | "file";
export type Order = "name" | "heavy";
export type Direction = "icicle" | "flame";
export type Colour = "module" | "self" | "reason" | "language";
export type Tab = "code" | "neighbors" | "intervals" | "cfg" | "tree";
export type Theme = "auto" | "light" | "dark";

export interface Query {
    readonly text: string;
    readonly regex: boolean;
    readonly matchCase: boolean;
}

export interface TopSort {
    readonly by: "self" | "total" | "samples" | "name" | "binary";
    readonly descending: boolean;
}

export class State {
    readonly connection = signal<Connection>("connecting");
    /** Of the run that is looked at; null: there is none yet. */
    readonly run = signal<RunSummary | null>(null);
    /** Another run than at first is the current one of the server: questions without a run are about this one. */
    readonly followedRun = signal<number | null>(null);
    /** Why there is nothing to see, in the server's words; "" when there is. */
    readonly trouble = signal("");
    /** Of the newest answer about the scope. */
    readonly health = signal<Health | null>(null);

    readonly scope = signal<Scope>(WHOLE);

    /** A hand is moving the range: panels follow, and when it lets go, that is one step. */
    readonly dragging = signal(false);

    readonly zoom = signal<readonly FrameId[]>([]);
    readonly selection = signal<readonly FrameId[] | null>(null);
    /** The function that the details are about; null: none was chosen. */
    readonly chosen = signal<FrameId | null>(null);
    readonly order = signal<Order>("name");
    readonly direction = signal<Direction>("icicle");
    readonly inverted = signal(false);
    readonly colour = signal<Colour>("module");
    readonly query = signal<Query>({ text: "", regex: false, matchCase: false });
    readonly tab = signal<Tab>("code");
    readonly topSort = signal<TopSort>({ by: "self", descending: true });
    readonly theme = signal<Theme>("auto");

    readonly frozen = signal(false);
    /** When it was frozen, by performance.now(). */
    readonly frozenAt = signal(0);

    readonly recording = computed(() => this.run.value?.state === "recording");
    /** Where the timeline ends, which alone is about all of the run, whatever range is chosen; 0: not known yet. */
    readonly edgeNs = signal(0);
    /** Where the run ends at the moment, in ns from its start. */
    readonly endNs = computed(() => this.edgeNs.value || (this.run.value?.duration_ns ?? 0));
}
