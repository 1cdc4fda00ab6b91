// What a server says about a World: one class per method whose answers continue each other, one function per other one.

import { addWait, mostly, NO_REASON, offCpu, REASONS, sum } from "./world.mjs";

export class Failure extends Error {
    constructor(kind, message) {
        super(message);
        this.kind = kind;
    }
}

/** Functions as they are first sent: numbers for the ones that are known, columns for the others. */
class Dictionary {
    constructor() {
        this.numbers = new Map();
        this.fresh = [];
    }

    number(one) {
        let number = this.numbers.get(one.number);
        if (number === undefined) {
            number = this.numbers.size;
            this.numbers.set(one.number, number);
            this.fresh.push(one);
        }
        return number;
    }

    take() {
        const fresh = this.fresh;
        this.fresh = [];
        return {
            first: this.numbers.size - fresh.length,
            name: fresh.map((one) => one.name),
            binary: fresh.map((one) => one.binary),
            kind: fresh.map((one) => one.kind),
            language: fresh.map((one) => one.language),
            inlined: fresh.map((one) => one.inlined),
            address: fresh.map((one) => one.address),
        };
    }
}

// ---- trees ----

/**
 * Nodes of a tree that is seen from somewhere: from the root, from a function, from the leaves. Stacks of the program
 * end in one of its nodes each; parents have smaller numbers than children.
 */
class Trie {
    constructor(world, focus, callers) {
        this.world = world;
        this.focus = focus; // numbers of functions that are the root; null: the program's own root
        this.callers = callers;
        this.parent = [0];
        this.function = [-1];
        this.children = new Map();
        this.ends = new Int32Array(world.parent.length).fill(-1);
        this.isPlain = focus === null && !callers;
        if (this.isPlain) {
            this.parent = world.parent;
            this.function = world.function;
        }
    }

    /** Where a stack ends here; -1: it has no place, since the focus is not on it. */
    endOf(node) {
        if (this.isPlain) {
            return node;
        }
        if (this.ends[node] < 0) {
            const way = this.wayOf(node);
            this.ends[node] = way === null ? -1 : way.reduce((at, callee) => this.childOf(at, callee), 0);
        }
        return this.ends[node];
    }

    // Functions from the root on. A stack that has the focus more than once: what is inside of its innermost, or
    // outside of its outermost occurrence.
    wayOf(node) {
        const stack = []; // innermost first
        for (let at = node; at !== 0; at = this.world.parent[at]) {
            stack.push(this.world.function[at]);
        }
        if (this.focus === null) {
            return stack;
        }
        const isFocus = (callee) => this.focus.has(callee);
        if (!stack.some(isFocus)) {
            return null;
        }
        return this.callers
            ? stack.slice(stack.length - stack.slice().reverse().findIndex(isFocus))
            : stack.slice(0, stack.findIndex(isFocus)).reverse();
    }

    childOf(at, callee) {
        const key = at * 8192 + callee;
        let child = this.children.get(key);
        if (child === undefined) {
            child = this.parent.length;
            this.children.set(key, child);
            this.parent.push(at);
            this.function.push(callee);
        }
        return child;
    }

    /** Numbers of a view, by node and with everything below it. */
    weigh(view, reason) {
        const self = this.world.selfOf(view, reason);
        const ends = Array.from({ length: self.on.length }, (_, node) =>
            self.samples[node] + self.intervals[node] > 0 ? this.endOf(node) : -1,
        );
        const n = this.parent.length;
        const make = () => new Float64Array(n);
        const out = {
            n, on: make(), selfOn: make(), samples: make(), selfSamples: make(),
            off: make(), selfOff: make(), intervals: make(), waits: new Map(),
        };
        ends.forEach((end, node) => {
            if (end >= 0) {
                out.selfOn[end] += self.on[node];
                out.selfSamples[end] += self.samples[node];
                out.selfOff[end] += self.off[node];
                out.intervals[end] += self.intervals[node];
                self.waits.get(node)?.forEach((ns, i) => ns > 0 && addWait(out.waits, end, i, ns));
            }
        });
        out.on.set(out.selfOn);
        out.samples.set(out.selfSamples);
        out.off.set(out.selfOff);
        for (let i = n - 1; i > 0; i--) {
            const up = this.parent[i];
            for (const column of [out.on, out.samples, out.off, out.intervals]) {
                column[up] += column[i];
            }
            out.waits.get(i)?.forEach((ns, r) => ns > 0 && addWait(out.waits, up, r, ns));
        }
        return out;
    }

    /** Which nodes of it are shown: 1 in an array by node. */
    cut(weights, weightOf, { zoomNode, minShare, maxNodes, maxDepth = Infinity, onWay }) {
        const shown = new Uint8Array(weights.n);
        const below = new Uint8Array(weights.n);
        const depth = new Uint32Array(weights.n);
        let count = 0;
        for (let i = 0; i < weights.n; i++) {
            below[i] = i === zoomNode || (i > 0 && below[this.parent[i]]) ? 1 : 0;
            depth[i] = i === 0 ? 0 : depth[this.parent[i]] + 1;
            const least = minShare * weightOf(below[i] ? zoomNode : 0);
            const isIn = i > 0 && shown[this.parent[i]] && weightOf(i) > 0 && weightOf(i) >= least && depth[i] <= maxDepth;
            shown[i] = i === 0 || onWay.has(i) || isIn ? 1 : 0;
            count += shown[i];
        }
        if (count > maxNodes) {
            const order = Array.from(shown.keys()).filter((i) => shown[i]);
            order.sort((a, b) => onWay.has(b) - onWay.has(a) || weightOf(b) - weightOf(a) || a - b);
            order.slice(maxNodes).forEach((i) => (shown[i] = 0));
        }
        return shown;
    }
}

function weightBy(weights, mode) {
    return mode === "off_cpu"
        ? (i) => weights.off[i]
        : mode === "wall"
          ? (i) => weights.on[i] + weights.off[i]
          : (i) => weights.on[i];
}

const COLUMNS = [
    "on_cpu_ns", "self_on_cpu_ns", "samples", "self_samples", "off_cpu_ns", "self_off_cpu_ns", "intervals", "cut_children",
];

class LiveTree {
    constructor(world, params) {
        this.world = world;
        this.params = params;
        this.view = params.view ?? {};
        this.mode = params.mode ?? "on_cpu";
        const focus = params.focus ? world.numbersOf([params.focus]) : null;
        this.trie = new Trie(world, focus, params.callers ?? false);
        this.dictionary = new Dictionary();
        this.number = []; // by node of the trie; undefined: not sent yet
        this.node = []; // by number
        this.sent = []; // by number: what was said last
        this.full = true;
    }

    answer() {
        const weights = this.trie.weigh(this.view, this.params.reason);
        const weightOf = weightBy(weights, this.mode);
        const zoom = this.zoom(weightOf);
        const shown = this.trie.cut(weights, weightOf, {
            zoomNode: zoom.node,
            minShare: this.world.uncut ? 0 : (this.params.min_share ?? 0),
            maxNodes: this.world.uncut ? Infinity : (this.params.max_nodes ?? 20000),
            onWay: zoom.way,
        });
        const cut = this.countCut(weights, weightOf, shown);
        const first = this.node.length;
        const nodes = this.addNodes(shown);
        const { offNs: _, ...totals } = this.world.totalsOf(this.view);
        const message = {
            ...totals,
            n_nodes: 1 + Array.from({ length: weights.n - 1 }, (_, i) => weightOf(i + 1) > 0).filter(Boolean).length,
            n_shown: sum(Array.from(shown)),
            zoom_depth: zoom.way.size,
            full: this.full,
            functions: this.dictionary.take(),
            nodes: { first, ...nodes },
            ...this.values(weights, shown, cut),
        };
        this.full = false;
        return message;
    }

    zoom(weightOf) {
        const way = new Set();
        let node = 0;
        for (const symbol of this.params.zoom ?? []) {
            const wanted = this.world.numbersOf([symbol]);
            const next = Array.from(this.trie.parent.keys()).find(
                (i) => i > 0 && this.trie.parent[i] === node && wanted.has(this.trie.function[i]) && weightOf(i) > 0,
            );
            if (next === undefined) {
                break;
            }
            node = next;
            way.add(node);
        }
        return { node, way };
    }

    countCut(weights, weightOf, shown) {
        const cut = new Uint32Array(weights.n);
        for (let i = 1; i < weights.n; i++) {
            const up = this.trie.parent[i];
            if (!shown[i] && shown[up] && weightOf(i) > 0) {
                cut[up]++;
            }
        }
        return cut;
    }

    addNodes(shown) {
        const parent = [];
        const callee = [];
        shown.forEach((isShown, i) => {
            if (isShown && this.number[i] === undefined) {
                this.number[i] = this.node.length;
                this.node.push(i);
                parent.push(i === 0 ? 0 : this.number[this.trie.parent[i]]);
                callee.push(this.functionNumber(i));
            }
        });
        return { parent, function: callee };
    }

    functionNumber(i) {
        if (i > 0) {
            return this.dictionary.number(this.world.functions[this.trie.function[i]]);
        }
        const [root] = this.trie.focus ?? [];
        return root === undefined ? 0 : this.dictionary.number(this.world.functions[root]);
    }

    values(weights, shown, cut) {
        const values = Object.fromEntries(["node", ...COLUMNS].map((name) => [name, []]));
        const waits = { node: [], reason: [], ns: [] };
        const hasWaits = this.mode !== "on_cpu";
        this.node.forEach((i, number) => {
            const now = shown[i]
                ? [weights.on[i], weights.selfOn[i], weights.samples[i], weights.selfSamples[i],
                   ...(hasWaits ? [weights.off[i], weights.selfOff[i], weights.intervals[i]] : [0, 0, 0]), cut[i]]
                : [0, 0, 0, 0, 0, 0, 0, 0];
            if (this.sent[number]?.every((value, column) => value === now[column])) {
                return;
            }
            this.sent[number] = now;
            values.node.push(number);
            COLUMNS.forEach((name, column) => {
                if (hasWaits || column < 4 || column === 7) {
                    values[name].push(now[column]);
                }
            });
            if (hasWaits && shown[i]) {
                weights.waits.get(i)?.forEach((ns, reason) => {
                    if (ns > 0) {
                        waits.node.push(number);
                        waits.reason.push(reason);
                        waits.ns.push(ns);
                    }
                });
            }
        });
        return { values, waits };
    }
}

// ---- the hottest functions ----

function functionNumbers(world, view, reason) {
    const self = world.selfOf(view, reason);
    const n = world.parent.length;
    const make = () => new Float64Array(world.functions.length);
    const out = {
        selfOn: make(), on: make(), selfSamples: make(), samples: make(),
        selfOff: make(), off: make(), selfIntervals: make(), intervals: make(), waits: new Map(), selfWaits: new Map(),
    };
    const below = { on: self.on.slice(), samples: self.samples.slice(), off: self.off.slice(), intervals: self.intervals.slice() };
    const waits = new Map(Array.from(self.waits, ([node, byReason]) => [node, byReason.slice()]));
    for (let i = n - 1; i > 0; i--) {
        const callee = world.function[i];
        out.selfOn[callee] += self.on[i];
        out.selfSamples[callee] += self.samples[i];
        out.selfOff[callee] += self.off[i];
        out.selfIntervals[callee] += self.intervals[i];
        self.waits.get(i)?.forEach((ns, r) => ns > 0 && addWait(out.selfWaits, callee, r, ns));
        if (world.outermost[i]) {
            out.on[callee] += below.on[i];
            out.samples[callee] += below.samples[i];
            out.off[callee] += below.off[i];
            out.intervals[callee] += below.intervals[i];
            waits.get(i)?.forEach((ns, r) => ns > 0 && addWait(out.waits, callee, r, ns));
        }
        const up = world.parent[i];
        for (const column of Object.values(below)) {
            column[up] += column[i];
        }
        waits.get(i)?.forEach((ns, r) => ns > 0 && addWait(waits, up, r, ns));
    }
    return out;
}

function topOrder(world, params) {
    const numbers = functionNumbers(world, params.view ?? {}, params.reason);
    const total = params.sort === "total";
    const on = total ? numbers.on : numbers.selfOn;
    const off = total ? numbers.off : numbers.selfOff;
    const mode = params.mode ?? "on_cpu";
    const weight = (i) => (mode === "off_cpu" ? off[i] : mode === "wall" ? on[i] + off[i] : on[i]);
    const has = (i) => (mode !== "off_cpu" && numbers.samples[i] > 0) || (mode !== "on_cpu" && numbers.intervals[i] > 0);
    const order = world.functions.map((one) => one.number).filter(has);
    order.sort((a, b) => weight(b) - weight(a) || (world.functions[a].name < world.functions[b].name ? -1 : 1));
    return { numbers, order, shown: order.slice(0, params.limit ?? 20) };
}

class LiveTop {
    constructor(world, params) {
        this.world = world;
        this.params = params;
        this.dictionary = new Dictionary();
        this.full = true;
    }

    answer() {
        const { numbers, order, shown } = topOrder(this.world, this.params);
        const pick = (column) => shown.map((i) => column[i]);
        const { offNs: _, ...totals } = this.world.totalsOf(this.params.view ?? {});
        const rows = {
            function: shown.map((i) => this.dictionary.number(this.world.functions[i])),
            self_on_cpu_ns: pick(numbers.selfOn),
            total_on_cpu_ns: pick(numbers.on),
            self_samples: pick(numbers.selfSamples),
            total_samples: pick(numbers.samples),
            self_off_cpu_ns: pick(numbers.selfOff),
            total_off_cpu_ns: pick(numbers.off),
            self_off_cpu_intervals: pick(numbers.selfIntervals),
            total_off_cpu_intervals: pick(numbers.intervals),
            reason: shown.map((i) => mostly(numbers.waits.get(i) ?? [])),
        };
        const message = {
            ...totals, total_runnable_ns: 0, n_functions: order.length, full: this.full,
            functions: this.dictionary.take(), rows,
        };
        this.full = false;
        return message;
    }
}

function top(world, params) {
    const { numbers, order, shown } = topOrder(world, params);
    const none = new Array(REASONS.length).fill(0);
    const { offNs: _, ...totals } = world.totalsOf(params.view ?? {});
    return {
        ...totals,
        total_runnable_ns: 0,
        n_functions: order.length,
        entries: shown.map((i) => ({
            ...naming(world.functions[i]),
            self_on_cpu_ns: numbers.selfOn[i],
            total_on_cpu_ns: numbers.on[i],
            self_samples: numbers.selfSamples[i],
            total_samples: numbers.samples[i],
            self_off_cpu: offCpu(numbers.selfWaits.get(i) ?? none),
            total_off_cpu: offCpu(numbers.waits.get(i) ?? none),
            self_off_cpu_intervals: numbers.selfIntervals[i],
            total_off_cpu_intervals: numbers.intervals[i],
        })),
    };
}

function naming(one) {
    return {
        function_name: one.name, binary: one.binary, inlined: one.inlined, address: one.address,
        language: one.language, is_main: one.kind === 0,
    };
}

// ---- time and threads ----

const FIRST_BUCKET_NS = 1e6;

class LiveTimeline {
    constructor(world, params) {
        this.world = world;
        this.params = params;
        this.size = 0;
        this.sent = 0; // buckets that are as they were sent
        this.sentThreads = new Set();
        this.full = true;
    }

    answer() {
        const view = this.params.view ?? {};
        const start = view.time_range?.start_ns ?? 0;
        const end = Math.min(view.time_range?.end_ns ?? Infinity, this.world.nowNs);
        let size = FIRST_BUCKET_NS;
        while ((end - start) / size > (this.params.buckets ?? 60)) {
            size *= 2;
        }
        if (size !== this.size) {
            this.size = size;
            this.sent = 0;
            this.sentThreads.clear();
            this.full = true;
        }
        const n = Math.max(0, Math.ceil((end - start) / size));
        const counted = this.count(view, start, n);
        const first = Math.min(this.sent, n);
        const { offNs: _, ...totals } = this.world.totalsOf(view);
        const message = {
            ...totals,
            bucket_size_ns: size,
            start_ns: start,
            recording_duration_ns: this.world.nowNs,
            full: this.full,
            n_buckets: n,
            first,
            on_cpu_ns: Array.from(counted.on.subarray(first)),
            runnable_ns: new Array(n - first).fill(0),
            waits: this.waits(counted.waits, first),
            n_threads: counted.threads.length,
            threads: this.threads(counted.threads.slice(0, this.params.threads ?? 20), first),
        };
        this.full = false;
        this.sent = Math.max(0, n - 1); // what comes now begins in the last one or later
        return message;
    }

    count(view, start, n) {
        const on = new Float64Array(n);
        const waits = Array.from({ length: n }, () => null);
        const threads = new Map();
        this.world.eachRow(view, undefined, (row, ns, isSample) => {
            const { rows } = this.world;
            const thread = rows.thread[row];
            let mine = threads.get(thread);
            if (mine === undefined) {
                mine = { thread, on: new Float64Array(n), off: new Float64Array(n), reason: new Uint8Array(n).fill(NO_REASON), sum: 0 };
                threads.set(thread, mine);
            }
            const at = Math.max(rows.at[row], start);
            const bucket = Math.min(n - 1, Math.floor((at - start) / this.size));
            if (isSample) {
                on[bucket] += ns;
                mine.on[bucket] += ns;
                mine.sum += ns;
                return;
            }
            for (let b = bucket, left = ns, from = at; left > 0 && b < n; b++) {
                const part = Math.min(left, b === n - 1 ? left : start + (b + 1) * this.size - from);
                waits[b] ??= new Array(REASONS.length).fill(0);
                waits[b][rows.reason[row]] += part;
                mine.off[b] += part;
                mine.reason[b] = rows.reason[row];
                left -= part;
                from += part;
            }
        });
        return { on, waits, threads: Array.from(threads.values()).sort((a, b) => b.sum - a.sum || a.thread - b.thread) };
    }

    waits(byBucket, first) {
        const out = { bucket: [], reason: [], ns: [] };
        for (let b = first; b < byBucket.length; b++) {
            byBucket[b]?.forEach((ns, reason) => {
                if (ns > 0) {
                    out.bucket.push(b);
                    out.reason.push(reason);
                    out.ns.push(ns);
                }
            });
        }
        return out;
    }

    // One that was not in the message before is sent from its beginning.
    threads(shown, first) {
        const known = first > 0 ? (this.shown ?? new Set()) : new Set();
        this.shown = new Set(shown.map((one) => one.thread));
        return shown.map((one) => this.thread(one, known.has(one.thread) ? first : 0));
    }

    // One that was not shown the last time is sent from its beginning.
    shown(all, first) {
        const shown = all.slice(0, this.params.threads ?? 20);
        const threads = shown.map((one) => this.thread(one, this.sentThreads.has(one.thread) ? first : 0));
        this.sentThreads = new Set(shown.map((one) => one.thread));
        return threads;
    }

    thread(one, first) {
        const { tid, pid, name } = this.world.threadList[one.thread];
        return {
            tid, pid, name, first,
            on_cpu_ns: Array.from(one.on.subarray(first)),
            runnable_ns: Array.from(one.on.subarray(first), () => 0),
            off_cpu_ns: Array.from(one.off.subarray(first)),
            reason: Array.from(one.reason.subarray(first)),
        };
    }
}

function threads(world, params) {
    const view = params.view ?? {};
    const all = new Map();
    world.eachRow(view, undefined, (row, ns, isSample) => {
        const thread = world.rows.thread[row];
        let one = all.get(thread);
        if (one === undefined) {
            one = { thread, on: 0, samples: 0, off: new Array(REASONS.length).fill(0), wakeups: 0 };
            all.set(thread, one);
        }
        if (isSample) {
            one.on += ns;
            one.samples++;
        } else {
            one.off[world.rows.reason[row]] += ns;
            one.wakeups++;
        }
    });
    const sorted = Array.from(all.values()).sort((a, b) => b.on - a.on || a.thread - b.thread);
    const { offNs: _, ...totals } = world.totalsOf(view);
    return {
        ...totals,
        n_threads: sorted.length,
        threads: (params.limit ? sorted.slice(0, params.limit) : sorted).map((one) => ({
            ...world.threadList[one.thread],
            on_cpu_ns: one.on,
            off_cpu: offCpu(one.off),
            runnable_ns: 0,
            samples: one.samples,
            wakeups: one.wakeups,
            started_ns: 0,
        })),
    };
}

function stackOf(world, node, most) {
    const stack = [];
    let at = node;
    for (; at !== 0 && stack.length < most; at = world.parent[at]) {
        const one = world.functions[world.function[at]];
        stack.push({ function_name: one.name, binary: one.binary, inlined: one.inlined });
    }
    return { stack, cut: at === 0 ? 0 : world.level[at] };
}

function intervals(world, params) {
    const view = params.view ?? {};
    const { rows } = world;
    const found = [];
    const off = new Array(REASONS.length).fill(0);
    world.eachRow(view, params.reason, (row, ns, isSample) => {
        if (!isSample && rows.ns[row] >= (params.min_ns ?? 0)) {
            found.push(row);
            off[rows.reason[row]] += ns;
        }
    });
    const orders = {
        longest: (a, b) => rows.ns[b] - rows.ns[a] || rows.at[a] - rows.at[b],
        newest: (a, b) => rows.at[b] - rows.at[a],
        oldest: (a, b) => rows.at[a] - rows.at[b],
    };
    found.sort(orders[params.order ?? "longest"]);
    const { offNs: _, total_off_cpu: __, ...totals } = world.totalsOf(view);
    return {
        ...totals,
        total_intervals: found.length,
        total_duration_ns: sum(off),
        by_reason: offCpu(off),
        entries: found.slice(0, params.limit ?? 20).map((row) => interval(world, row, params.max_frames ?? 64)),
    };
}

function interval(world, row, most) {
    const { rows } = world;
    const thread = world.threadList[rows.thread[row]];
    const waker = world.threadList[rows.waker[row]];
    const { stack, cut } = stackOf(world, rows.node[row], most);
    const one = wakingFunction(world, row);
    return {
        tid: thread.tid, pid: thread.pid, thread_name: thread.name,
        start_ns: rows.at[row], duration_ns: rows.ns[row], runnable_ns: 0,
        reason: REASONS[rows.reason[row]], approximate: false, open: false, stack, frames_cut: cut,
        waker_tid: waker.tid, waker_name: waker.name, waker_function_name: one.name, waker_binary: one.binary,
    };
}

function wakingFunction(world, row) {
    return world.functions[(world.rows.waker[row] + row) % Math.min(4, world.functions.length)];
}

function wakers(world, params) {
    const wakee = world.threadList.find((one) => one.tid === params.tid);
    if (!wakee) {
        throw new Failure("not_found", `there is no thread ${params.tid}`);
    }
    const view = { ...(params.view ?? {}), tid: params.tid };
    const found = new Map();
    world.eachRow(view, undefined, (row, ns, isSample) => {
        if (isSample) {
            return;
        }
        const one = wakingFunction(world, row);
        const key = world.rows.waker[row] * 8192 + one.number;
        const entry = found.get(key) ?? { thread: world.rows.waker[row], one, count: 0, off: new Array(10).fill(0), row };
        entry.count++;
        entry.off[world.rows.reason[row]] += ns;
        found.set(key, entry);
    });
    const sorted = Array.from(found.values()).sort((a, b) => b.count - a.count || a.thread - b.thread);
    const { offNs: _, total_off_cpu: __, ...totals } = world.totalsOf(view);
    return {
        ...totals,
        wakee_tid: wakee.tid,
        wakee_name: wakee.name,
        total_wakeups: sum(sorted.map((entry) => entry.count)),
        n_entries: sorted.length,
        available: true,
        reason: "",
        entries: sorted.slice(0, params.limit ?? 20).map((entry) => ({
            waker_tid: world.threadList[entry.thread].tid,
            waker_pid: wakee.pid,
            waker_name: world.threadList[entry.thread].name,
            interrupt: false,
            foreign: false,
            waker_address: entry.one.address,
            waker_function_name: entry.one.name,
            waker_binary: entry.one.binary,
            count: entry.count,
            approximate_count: 0,
            ended_ns: sum(entry.off),
            off_cpu: offCpu(entry.off),
            stack: [{ function_name: entry.one.name, binary: entry.one.binary, inlined: false }],
        })),
    };
}

// ---- code ----

const CALL_EVERY = 11;
const BLOCK = 7;
const INSTRUCTIONS = [
    ["mov", "rax, qword ptr [rdi + 8]", "488b4708"],
    ["add", "rax, rcx", "4801c8"],
    ["lea", "rsi, [rbx + 4*rax]", "488d3483"],
    ["imul", "rax, rdx", "480fafc2"],
    ["cmp", "rax, rbx", "4839d8"],
    ["vmovups", "ymm0, ymmword ptr [rsi]", "c5fc1006"],
    ["xor", "ecx, ecx", "31c9"],
];

function scatter(n) {
    let x = Math.imul(n ^ (n >>> 16), 0x45d9f3b);
    x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
    return ((x ^ (x >>> 16)) >>> 0) / 4294967296;
}

/** Numbers of the instructions of a function, and who asked. */
function codeOf(world, params) {
    const asked = world.functionOf(params);
    if (asked === null) {
        throw new Failure("not_found", `no function fits "${params.address ?? params.name}"`);
    }
    let one = asked;
    if (asked.inlined) {
        const node = world.function.indexOf(asked.number);
        const host = node > 0 && world.parent[node] > 0 ? world.functions[world.function[world.parent[node]]] : asked;
        one = host;
    }
    const n = one.instructions;
    const place = new Int32Array(world.parent.length).fill(-1); // by node: -2 the function itself, else its call, -1 none
    for (let i = 1; i < place.length; i++) {
        const up = place[world.parent[i]];
        const calls = Math.max(1, Math.floor(n / CALL_EVERY));
        place[i] =
            world.function[i] === one.number
                ? -2
                : up === -2
                  ? Math.min(n - 1, Math.floor(scatter(i) * calls) * CALL_EVERY + 5)
                  : up;
    }
    const make = () => new Float64Array(n);
    const code = { asked, one, n, self: make(), selfNs: make(), total: make(), totalNs: make(), off: make() };
    world.eachRow(params.view ?? {}, undefined, (row, ns, isSample) => {
        const at = place[world.rows.node[row]];
        if (at === -1) {
            return;
        }
        const line = at === -2 ? (Math.floor(n * scatter(row) ** 4) + Math.floor(n * 0.6)) % n : at;
        if (!isSample) {
            code.off[line] += ns;
            return;
        }
        if (at === -2) {
            code.self[line]++;
            code.selfNs[line] += ns;
        }
        code.total[line]++;
        code.totalNs[line] += ns;
    });
    return code;
}

function codeHead(world, params, code) {
    const { one, asked } = code;
    const { offNs: _, total_off_cpu: __, ...totals } = world.totalsOf(params.view ?? {});
    const head = {
        ...totals,
        ...naming(one),
        base_address: one.address,
        queried_address: params.address ?? one.address,
        n_matches: 1,
        matches: [],
        listing: one.number + 1,
        origin: one.kind === 2 ? "kernel" : one.kind === 3 ? "jit" : "file",
        path: one.kind < 2 ? `/opt/shop/${one.binary}` : "",
        notes: one.kind === 2 ? [{ about: "sources", text: "sources of the kernel are not to be had" }] : [],
        self_samples: sum(Array.from(code.self)),
        self_on_cpu_ns: sum(Array.from(code.selfNs)),
        function_samples: sum(Array.from(code.total)),
        function_on_cpu_ns: sum(Array.from(code.totalNs)),
        function_off_cpu_ns: sum(Array.from(code.off)),
        versions: [],
    };
    delete head.address;
    if (asked !== one) {
        head.inlined_host = { function_name: asked.name, samples: 0, samples_here: 0 };
    }
    return head;
}

function addressOf(one, line) {
    return `0x${(parseInt(one.address, 16) + line * 4).toString(16)}`;
}

// Blocks end with a jump, every second one with one that goes back to a loop's start.
function jumpOf(one, n, line) {
    const block = Math.floor(line / BLOCK);
    const last = Math.ceil(n / BLOCK) - 1;
    if (line % BLOCK !== BLOCK - 1 || block >= last) {
        return null;
    }
    const to = block % 2 === 1 && block > 1 ? block - 1 - (one.number % 2) : Math.min(last, block + 2);
    return { from: block, to, address: addressOf(one, to * BLOCK) };
}

function lineOf(world, code, line) {
    const { one, n } = code;
    const jump = jumpOf(one, n, line);
    const isCall = jump === null && line % CALL_EVERY === 5;
    const [mnemonic, operands, bytes] = INSTRUCTIONS[(line + one.number) % INSTRUCTIONS.length];
    const callee = world.functions[(one.number * 7 + line) % world.functions.length];
    const out = {
        address: addressOf(one, line),
        bytes: jump ? "75f6" : isCall ? "e81f000000" : bytes,
        text: jump ? `jne ${jump.address}` : isCall ? `call ${callee.address}` : line === n - 1 ? "ret" : `${mnemonic} ${operands}`,
        is_data: false,
        self_samples: code.self[line],
        self_on_cpu_ns: code.selfNs[line],
        total_samples: code.total[line],
        total_on_cpu_ns: code.totalNs[line],
        total_off_cpu_ns: code.off[line],
    };
    if (line % 4 === 0 && one.kind < 2) {
        out.source_header = sourceOf(one, line);
    }
    if (jump) {
        out.target_address = jump.address;
    } else if (isCall) {
        out.target_name = callee.name;
        out.target_address = callee.address;
    }
    return out;
}

function sourceOf(one, line) {
    const texts = [
        "for (size_t i = 0; i < n; i++) {",
        "    if (key[i] == wanted && row[i].name < limit) { // \"first\" one wins",
        "        total += row[i].price * 3;",
        "    }",
        "return total;",
    ];
    return { file: `/src/shop/${one.binary}/${one.number}.c`, line: 40 + line / 4, text: texts[(line / 4) % texts.length] };
}

/** Rows once, then what has changed of their numbers. */
class Code {
    constructor(world, params, rowsOf) {
        this.world = world;
        this.params = params;
        this.rowsOf = rowsOf;
        this.sent = null;
        this.listing = 0;
    }

    answer() {
        const code = codeOf(this.world, this.params);
        const head = codeHead(this.world, this.params, code);
        const { rows, rest } = this.rowsOf(this.world, this.params, code);
        const numbers = ["self_samples", "self_on_cpu_ns", "total_samples", "total_on_cpu_ns", "total_off_cpu_ns"];
        const now = rows.list.map((row) => numbers.map((name) => row[name]));
        const before = this.listing === head.listing ? this.sent : null;
        this.sent = now;
        this.listing = head.listing;
        if (before === null) {
            return { ...head, ...rest, [rows.name]: rows.list, ...(rows.edges ? { edges: rows.edges } : {}) };
        }
        const changed = Object.fromEntries([["row", []], ...numbers.map((name) => [name, []])]);
        now.forEach((values, row) => {
            if (values.some((value, i) => value !== before[row][i])) {
                changed.row.push(row);
                numbers.forEach((name, i) => changed[name].push(values[i]));
            }
        });
        return { ...head, ...rest, changed };
    }
}

function codeLines(world, params, code) {
    const first = Math.min(params.first_line ?? 0, code.n);
    const end = Math.min(code.n, first + (params.limit ?? 20000));
    const list = [];
    for (let line = first; line < end; line++) {
        list.push(lineOf(world, code, line));
    }
    const shown = sum(list.map((line) => line.self_samples));
    return {
        rows: { name: "lines", list },
        rest: { n_lines: code.n, first_line: first, cut_self_samples: sum(Array.from(code.self)) - shown },
    };
}

function codeBlocks(world, params, code) {
    const { one, n } = code;
    const count = Math.ceil(n / BLOCK);
    const list = [];
    const edges = [];
    for (let id = 0; id < count; id++) {
        const first = id * BLOCK;
        const end = Math.min(n, first + BLOCK);
        const add = (column) => sum(Array.from(column.subarray(first, end)));
        const jump = jumpOf(one, n, end - 1);
        const calls = [];
        for (let line = first; line < end; line++) {
            const { target_name: name } = lineOf(world, code, line);
            if (name !== undefined && !calls.includes(name)) {
                calls.push(name);
            }
        }
        list.push({
            id, address: addressOf(one, first), end_address: addressOf(one, end), n_instructions: end - first,
            first_line: first, end: id === count - 1 ? "returns" : jump ? "branches" : "goes_on",
            self_samples: add(code.self), self_on_cpu_ns: add(code.selfNs), total_samples: add(code.total),
            total_on_cpu_ns: add(code.totalNs), total_off_cpu_ns: add(code.off),
            ...(one.kind < 2 ? { source_header: sourceOf(one, Math.floor(first / 4) * 4) } : {}),
            ...(calls.length > 0 ? { calls } : {}),
        });
        const out = [];
        if (id < count - 1) {
            out.push({ from: id, to: id + 1, kind: "next" });
        }
        if (jump) {
            out.push({ from: id, to: jump.to, kind: "taken" });
        }
        edges.push(...out.sort((a, b) => a.to - b.to));
    }
    return {
        rows: { name: "blocks", list, edges },
        rest: { unplaced_samples: 0, unplaced_on_cpu_ns: 0, n_blocks: count, n_into_middle: 0, n_unknown: 0 },
    };
}

// ---- callers and callees ----

function neighbors(world, params) {
    const one = world.functionOf(params);
    if (one === null) {
        throw new Failure("not_found", `no function fits "${params.address ?? params.name}"`);
    }
    const view = params.view ?? {};
    const numbers = functionNumbers(world, view, params.reason);
    const none = new Array(REASONS.length).fill(0);
    const strings = new Map();
    const string = (text) => {
        if (!strings.has(text)) {
            strings.set(text, strings.size);
        }
        return strings.get(text);
    };
    const tree = (callers) => neighborsTree(world, params, one, callers, string);
    const { offNs: _, ...totals } = world.totalsOf(view);
    const { number } = one;
    const { address: __, ...named } = naming(one);
    return {
        ...totals,
        ...named,
        base_address: one.address,
        queried_address: params.address ?? one.address,
        n_matches: 1,
        matches: [],
        own_on_cpu_ns: numbers.selfOn[number],
        own_samples: numbers.selfSamples[number],
        own_off_cpu: offCpu(numbers.selfWaits.get(number) ?? none),
        own_off_cpu_intervals: numbers.selfIntervals[number],
        function_on_cpu_ns: numbers.on[number],
        function_samples: numbers.samples[number],
        function_off_cpu: offCpu(numbers.waits.get(number) ?? none),
        function_off_cpu_intervals: numbers.intervals[number],
        recursive_on_cpu_ns: 0,
        recursive_samples: 0,
        recursive_off_cpu_ns: 0,
        recursion: [],
        callers_tree: tree(true),
        callees_tree: tree(false),
        strings: Array.from(strings.keys()),
    };
}

// Siblings stand heaviest first, and a parent before its children: a walk in that order numbers them.
function neighborsTree(world, params, one, callers, string) {
    const trie = new Trie(world, new Set([one.number]), callers);
    const weights = trie.weigh(params.view ?? {}, params.reason);
    const weightOf = weightBy(weights, params.mode ?? "on_cpu");
    const shown = trie.cut(weights, weightOf, {
        zoomNode: 0, minShare: params.min_share ?? 0, maxNodes: params.max_nodes ?? 50000,
        maxDepth: params.max_depth ?? Infinity, onWay: new Set(),
    });
    const children = new Map();
    const cut = new Map();
    for (let i = 1; i < weights.n; i++) {
        const up = trie.parent[i];
        if (shown[i]) {
            children.set(up, [...(children.get(up) ?? []), i]);
        } else if (shown[up] && weights.samples[i] + weights.intervals[i] > 0) {
            const left = cut.get(up) ?? { n: 0, samples: 0, off: 0 };
            cut.set(up, { n: left.n + 1, samples: left.samples + weights.samples[i], off: left.off + weights.off[i] });
        }
    }
    const order = [];
    const placeOf = new Map();
    const open = [0];
    while (open.length > 0) {
        const i = open.pop();
        placeOf.set(i, order.length);
        order.push(i);
        open.push(...(children.get(i) ?? []).sort((a, b) => weightOf(a) - weightOf(b)));
    }
    const calleeOf = (i) => (i === 0 ? one : world.functions[trie.function[i]]);
    const waits = { node: [], reason: [], ns: [] };
    order.forEach((i, place) => {
        weights.waits.get(i)?.forEach((ns, reason) => {
            if (ns > 0) {
                waits.node.push(place);
                waits.reason.push(reason);
                waits.ns.push(ns);
            }
        });
    });
    const column = (value) => order.map(value);
    return {
        nodes: {
            parent: column((i) => (i === 0 ? 0 : placeOf.get(trie.parent[i]))),
            function: column((i) => string(calleeOf(i).name)),
            binary: column((i) => string(calleeOf(i).binary)),
            inlined: column((i) => calleeOf(i).inlined),
            address: column((i) => calleeOf(i).address),
            on_cpu_ns: column((i) => weights.on[i]),
            samples: column((i) => weights.samples[i]),
            self_samples: column((i) => weights.selfSamples[i]),
            off_cpu_ns: column((i) => weights.off[i]),
            self_off_cpu_ns: column((i) => weights.selfOff[i]),
            off_cpu_intervals: column((i) => weights.intervals[i]),
            cut_children: column((i) => cut.get(i)?.n ?? 0),
            cut_samples: column((i) => cut.get(i)?.samples ?? 0),
            cut_off_cpu_ns: column((i) => cut.get(i)?.off ?? 0),
        },
        waits,
    };
}

const once = (answer) => (world, params) => ({ answer: () => answer(world, params) });

/** By method: what makes an object whose answer() is asked again and again. */
export const QUESTIONS = {
    "Live.tree": (world, params) => new LiveTree(world, params),
    "Live.top": (world, params) => new LiveTop(world, params),
    "Live.timeline": (world, params) => new LiveTimeline(world, params),
    "Profiler.top": once(top),
    "Profiler.threads": once(threads),
    "Profiler.intervals": once(intervals),
    "Profiler.wakers": once(wakers),
    "Profiler.annotated": (world, params) => new Code(world, params, codeLines),
    "Profiler.cfg": (world, params) => new Code(world, params, codeBlocks),
    "Profiler.neighbors": once(neighbors),
    "Profiler.total_on_cpu_ns": once((world, params) => {
        const { offNs: _, ...totals } = world.totalsOf(params.view ?? {});
        return totals;
    }),
};
