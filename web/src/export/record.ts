// Takes a picture of a run: asks what the panels ask at the moment, and what they would ask for next, one question
// after the other.

import type { Method, Params } from "../lib/client";
import { questionKey, type Picture } from "../lib/picture";
import type { LiveTreeParams, RunSummary, TopParams, View } from "../lib/protocol";
import type { App } from "../model/app";
import { linkOf } from "../model/history";
import { encodeLink } from "../model/link";
import type { Mode } from "../model/scope";

const NODES = 50_000;
const NODES_INVERTED = 20_000;
const FUNCTIONS = 1000; // of the top table
const CLOSE_FUNCTIONS = 20; // with code, callers and callees
const WOKEN = 12; // threads with wakers
const WAITS = 1000;
const BUCKETS = 2000;
const STRIPS = 20;
/** A file that browsers still open without complaint. */
const MOST_BYTES = 96 << 20;

const MODES: readonly Mode[] = ["on_cpu", "off_cpu", "wall"];

interface Question {
    readonly method: Method;
    readonly params: { view?: View } & object;
}

function question<M extends Method>(method: M, params: Params<M> & object): Question {
    return { method, params };
}

function trees(app: App, asked: readonly Question[]): Question[] {
    const now = asked.find((one) => one.method === "Live.tree")?.params as LiveTreeParams | undefined;
    const { zoom: _, min_share: __, ...about } = now ?? { view: app.view.value };
    return [false, true].flatMap((callers) =>
        MODES.map((mode) => {
            const { reason, ...rest } = about;
            const only = mode === about.mode && reason !== undefined ? { reason } : {};
            const max_nodes = callers ? NODES_INVERTED : NODES;
            return question("Live.tree", { ...rest, ...only, mode, callers, max_nodes });
        }),
    );
}

function tops(app: App): Question[] {
    const sorts: readonly NonNullable<TopParams["sort"]>[] = ["self", "total"];
    const view = app.view.value;
    return MODES.flatMap((mode) => sorts.map((sort) => question("Live.top", { view, mode, sort, limit: FUNCTIONS })));
}

function details(app: App): Question[] {
    const view = app.view.value;
    const { tables, state } = app;
    const frames = [...new Set([...(state.chosen.value === null ? [] : [state.chosen.value]), ...tables.top.order.map((row) => row.frame)])];
    const mode = state.scope.value.mode;
    return frames.slice(0, CLOSE_FUNCTIONS).flatMap((frame) => {
        const asked = tables.asked(frame);
        return asked === null
            ? []
            : [
                  question("Profiler.annotated", { ...asked, view }),
                  question("Profiler.neighbors", { ...asked, view, mode }),
                  question("Profiler.cfg", { ...asked, view }),
              ];
    });
}

function threads(app: App): Question[] {
    const { tid, ...everybody } = app.view.value;
    const tids = (app.threads.value?.threads ?? []).map((thread) => thread.tid);
    const woken = [...new Set([...(tid === undefined ? [] : [tid]), ...tids])].slice(0, WOKEN);
    return [
        question("Profiler.threads", { view: everybody }),
        ...woken.map((one) => question("Profiler.wakers", { view: everybody, tid: one, limit: 100 })),
        question("Live.timeline", { view: everybody, buckets: BUCKETS, threads: STRIPS }),
        question("Live.timeline", { view: app.view.value, buckets: BUCKETS, threads: 0 }),
        question("Profiler.intervals", { view: app.view.value, limit: WAITS }),
    ];
}

/** What goes into a picture, each question once: the larger ones first, then what the panels ask. */
function questions(app: App): Question[] {
    const asked = app.client.questions() as Question[];
    const total = question("Profiler.total_on_cpu_ns", { view: {} });
    const all = [total, ...trees(app, asked), ...tops(app), ...asked, ...threads(app), ...details(app)];
    const byKey = new Map<string, Question>();
    for (const one of all) {
        const key = questionKey(one.method, one.params);
        if (!byKey.has(key)) {
            byKey.set(key, one);
        }
    }
    return [...byKey.values()];
}

// All of them about the same time, though the run goes on.
function pinned(one: Question, run: RunSummary): object {
    const view: View = { ...one.params.view, run: run.id };
    if (run.state === "recording" && view.time_range === undefined) {
        view.time_range = { start_ns: 0, end_ns: run.duration_ns };
    }
    return { ...one.params, view };
}

export async function takePicture(app: App, onProgress: (share: number) => void): Promise<Picture> {
    const run = app.state.run.value;
    const status = app.status.value;
    if (run === null || status === null) {
        throw new Error("there is no run to take a picture of");
    }
    const answers: Record<string, unknown> = {};
    const all = questions(app);
    let bytes = 0;
    for (const [i, one] of all.entries()) {
        onProgress(i / all.length);
        try {
            const answer = await app.client.call(one.method, pinned(one, run) as Params<Method>);
            bytes += JSON.stringify(answer).length;
            if (bytes > MOST_BYTES) {
                throw new RangeError("the picture is too large for a file: narrow the scope");
            }
            answers[questionKey(one.method, one.params)] = answer;
        } catch (error) {
            if (error instanceof RangeError || !app.client.canAsk()) {
                throw error;
            } // else one that has no answer: a function without code. The file says that it is not there.
        }
    }
    return {
        format: "stax-picture",
        version: 1,
        run: { ...run, state: "stopped", stop_reason: run.stop_reason ?? "snapshot" },
        status: { ...status, active: [] },
        takenUnixMs: Date.now(),
        link: encodeLink(linkOf(app)),
        answers,
    };
}
