// A program that never ran, and all answers about it: what the mock server of the browser tests knows.
//
//     calls:   node i has parent[i] < i and a function; what is below a node is called from it
//     rows:    one per sample and one per wait: when, which thread, which node, how long
//     answer:  rows ──of the view?──► numbers per node ──rolled up──► tree, top, threads, timeline …
//
// Everything comes from one seed: the same options make the same program, the same samples and the same answers. All
// answers count the same rows, so that their totals agree as those of a server must.

export const REASONS = [
    "idle", "lock", "semaphore", "ipc", "io_read", "io_write", "readiness", "sleep", "connect", "other",
];
export const NO_REASON = 10;

const BINARIES = [
    { name: "shop", kind: 0, language: "c++" },
    { name: "libcart.so.2", kind: 1, language: "c" },
    { name: "libc.so.6", kind: 1, language: "c" },
    { name: "librustls.so", kind: 1, language: "rust" },
    { name: "[kernel]", kind: 2, language: "" },
    { name: "[jit]", kind: 3, language: "javascript" },
];
const VERBS = ["parse", "decode", "hash", "copy", "lookup", "insert", "render", "compress", "wait", "flush", "sort", "walk"];
const NOUNS = ["request", "header", "table", "buffer", "tree", "row", "image", "session", "price", "index", "queue", "page"];

const LONGEST_WAIT_NS = 60e6;
const FAN = 6; // nodes that call all others

/** Numbers in 0 … 1, the same ones for the same seed. */
export function random(seed) {
    let a = seed >>> 0;
    return () => {
        a = (a + 0x6d2b79f5) >>> 0;
        let t = Math.imul(a ^ (a >>> 15), 1 | a);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}

function hash(n) {
    return Math.imul(n ^ (n >>> 13), 0x9e3779b1) >>> 0;
}

/** Rows as columns that grow. */
class Rows {
    constructor() {
        this.n = 0;
        this.reserve(1 << 14);
    }

    reserve(room) {
        for (const [name, type] of [
            ["at", Float64Array], // ns from the start of the run
            ["ns", Float64Array], // of a sample: what it stands for
            ["thread", Uint16Array],
            ["node", Uint32Array],
            ["reason", Uint8Array], // NO_REASON: a sample
            ["waker", Uint16Array],
        ]) {
            const grown = new type(room);
            if (this[name]) {
                grown.set(this[name]);
            }
            this[name] = grown;
        }
    }

    add(at, ns, thread, node, reason, waker) {
        if (this.n === this.at.length) {
            this.reserve(this.n * 2);
        }
        const i = this.n++;
        this.at[i] = at;
        this.ns[i] = ns;
        this.thread[i] = thread;
        this.node[i] = node;
        this.reason[i] = reason;
        this.waker[i] = waker;
    }
}

const DEFAULTS = {
    seed: 1,
    /** Nodes of the call tree, with its root. */
    nodes: 600,
    threads: 8,
    /** The run is so old when somebody looks first. */
    seconds: 10,
    /** Of all threads together. */
    samplesPerSecond: 4000,
    waitsPerSecond: 200,
    /** "bushy"; "chain": each node calls the next one only; "wide": main calls all others, each as often;
     *  "fan": a few nodes call all others. */
    shape: "bushy",
    /** Names in the place of made up ones, for the first functions. */
    names: [],
    threadNames: [],
    /** Instructions of the hottest function; the others have 24 to 240. */
    instructions: 400,
    /** A tree is sent as a whole, whatever was asked: for measurements of so many nodes. */
    uncut: false,
    label: "./shop --port 80",
    pid: 4121,
};

export class World {
    constructor(options = {}) {
        Object.assign(this, DEFAULTS, options);
        this.random = random(this.seed);
        this.nowNs = 0;
        this.lost = 0;
        this.stopped = false;
        this.paused = false;
        this.pausedSamples = 0;
        this.rows = new Rows();
        this.favourites = null;
        this.makeFunctions();
        this.makeCalls();
        this.makeThreads();
        for (let i = 0; i < this.seconds * 4; i++) {
            this.run(250e6);
        }
    }

    // ---- the program ----

    makeFunctions() {
        const n = this.shape === "wide" ? Math.min(8000, this.nodes) : Math.max(1, Math.min(4000, Math.ceil(this.nodes / 6)));
        this.functions = Array.from({ length: n }, (_, i) => {
            const binary = BINARIES[i < 3 ? 0 : Math.floor(this.random() ** 2 * BINARIES.length)];
            const series = Math.floor(i / (VERBS.length * NOUNS.length));
            const plain = `${VERBS[i % VERBS.length]}_${NOUNS[Math.floor(i / VERBS.length) % NOUNS.length]}`;
            const name = series === 0 ? plain : `${plain}_${series}`;
            const inlined = i > 3 && this.random() < 0.08;
            return {
                number: i,
                name: this.names[i] ?? (i === 0 ? "main" : i === 1 ? "start_thread" : name),
                binary: binary.name,
                kind: binary.kind,
                language: binary.language,
                inlined,
                address: inlined ? "0x0" : `0x${(0x401000 + i * 0x10000).toString(16)}`,
                instructions: i === 2 ? this.instructions : 24 + (hash(i) % 216),
            };
        });
    }

    // Parents are chosen among the newest nodes more often than not, which makes stacks as deep as real ones.
    makeCalls() {
        const n = Math.max(1, this.nodes);
        this.parent = new Uint32Array(n);
        this.function = new Uint32Array(n);
        this.level = new Uint32Array(n);
        const called = new Set();
        for (let i = 1; i < n; i++) {
            let parent = this.shape === "chain" ? i - 1 : i < 3 ? 0 : this.shape === "wide" ? 1 : this.someParent(i);
            let callee = i < 3 ? i - 1 : Math.floor(this.random() * this.functions.length);
            while (called.has(parent * 8192 + callee)) {
                callee = (callee + 1) % this.functions.length;
                parent = this.random() < 0.2 ? Math.floor(this.random() * i) : parent;
            }
            called.add(parent * 8192 + callee);
            this.parent[i] = parent;
            this.function[i] = callee % this.functions.length;
            this.level[i] = this.level[parent] + 1;
        }
        this.markOutermost();
        this.makeHeat();
    }

    someParent(i) {
        if (this.shape === "fan") {
            return 1 + Math.floor(this.random() * Math.min(i - 1, FAN));
        }
        for (;;) {
            const back = this.random() < 0.7 ? Math.min(i - 1, 40) : i - 1;
            const parent = Math.max(1, i - 1 - Math.floor(this.random() * back));
            if (this.level[parent] < 40) {
                return parent;
            }
        }
    }

    // Recursion counts once: only at the outermost of its frames.
    markOutermost() {
        this.outermost = new Uint8Array(this.parent.length);
        for (let i = 1; i < this.parent.length; i++) {
            let at = this.parent[i];
            while (at !== 0 && this.function[at] !== this.function[i]) {
                at = this.parent[at];
            }
            this.outermost[i] = at === 0 ? 1 : 0;
        }
    }

    // How often each node is met: few often, most hardly ever, as everywhere. The second function is the hottest.
    makeHeat() {
        const n = this.parent.length;
        this.heat = new Float64Array(n);
        let sum = 0;
        for (let i = 1; i < n; i++) {
            if (this.shape === "wide") {
                this.heat[i] = i;
                continue;
            }
            const hot = this.function[i] === 2 % this.functions.length ? 30 : 1;
            sum += hot / (1 + (hash(i) % n)) ** 0.8;
            this.heat[i] = sum;
        }
    }

    /** From now on nothing else is on a CPU than this function, called from anywhere; null: as always. */
    favour(number) {
        this.favourites =
            number === null ? null : Array.from(this.function.keys()).filter((i) => i > 0 && this.function[i] === number);
    }

    /** A node, by heat; threads prefer different ones. */
    someNode(thread) {
        const n = this.heat.length;
        if (this.favourites) {
            return this.favourites[Math.floor(this.random() * this.favourites.length)];
        }
        if (n === 1) {
            return 0;
        }
        const share = thread === 0 ? this.random() : this.random() ** (1 + (thread % 3) * 0.5);
        const sought = share * this.heat[n - 1];
        let low = 1;
        let high = n - 1;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (this.heat[middle] < sought) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }

    makeThreads() {
        this.threadList = Array.from({ length: this.threads }, (_, i) => ({
            tid: this.pid + i,
            pid: this.pid,
            name: this.threadNames[i] ?? (i === 0 ? "shop" : i < 4 ? `worker-${i}` : `pool-${i}`),
        }));
    }

    /** Time goes by. */
    run(ns) {
        if (this.stopped || ns <= 0) {
            return;
        }
        const from = this.nowNs;
        const samples = Math.round((this.samplesPerSecond * ns) / 1e9);
        const period = 1e6;
        if (this.paused) {
            this.pausedSamples += samples;
        }
        for (let i = 0; i < samples && !this.paused; i++) {
            const thread = this.someThread();
            this.rows.add(from + Math.floor((ns * (i + 0.5)) / samples), period, thread, this.someNode(thread), NO_REASON, 0);
        }
        const waits = Math.round((this.waitsPerSecond * ns) / 1e9);
        for (let i = 0; i < waits && this.threads > 0; i++) {
            const thread = this.someThread();
            const at = from + Math.floor(this.random() * ns * 0.9);
            const length = 1 + Math.floor(this.random() ** 3 * Math.min(LONGEST_WAIT_NS, from + ns - at));
            const reason = (thread + Math.floor(this.random() ** 2 * REASONS.length)) % REASONS.length;
            this.rows.add(at, length, thread, this.someNode(thread), reason, this.someThread());
        }
        this.nowNs += ns;
    }

    someThread() {
        return Math.min(this.threads - 1, Math.floor(this.random() ** 2 * this.threads));
    }

    // ---- which rows a view keeps ----

    /** Called with (row, ns within the view, whether it is a sample) for each row of the view; `reason`: of waits only those. */
    eachRow(view, reason, visit) {
        const { rows } = this;
        const start = view.time_range?.start_ns ?? 0;
        const end = view.time_range?.end_ns ?? Infinity;
        const thread = view.tid === undefined ? -1 : this.threadList.findIndex((one) => one.tid === view.tid);
        const kept = this.nodesOf(view);
        const wanted = reason === undefined ? -1 : REASONS.indexOf(reason);
        for (let i = 0; i < rows.n; i++) {
            const isSample = rows.reason[i] === NO_REASON;
            if ((view.tid !== undefined && rows.thread[i] !== thread) || !kept[rows.node[i]]) {
                continue;
            }
            if (isSample) {
                if (rows.at[i] >= start && rows.at[i] < end) {
                    visit(i, rows.ns[i], true);
                }
                continue;
            }
            if (wanted >= 0 && rows.reason[i] !== wanted) {
                continue;
            }
            const ns = Math.min(rows.at[i] + rows.ns[i], end) - Math.max(rows.at[i], start);
            if (ns > 0) {
                visit(i, ns, false);
            }
        }
    }

    // For each node, whether the stack that ends there belongs to the view.
    nodesOf(view) {
        const n = this.parent.length;
        const kept = new Uint8Array(n).fill(1);
        const drop = this.numbersOf(view.exclude_symbols);
        const only = this.numbersOf(view.only_symbols);
        const focus = view.focus_symbol ? this.numbersOf([view.focus_symbol]) : null;
        if (!view.exclude_symbols?.length && !view.only_symbols?.length && focus === null) {
            return kept;
        }
        const hasOnly = new Uint8Array(n).fill(view.only_symbols?.length ? 0 : 1);
        const hasFocus = new Uint8Array(n).fill(focus ? 0 : 1);
        for (let i = 0; i < n; i++) {
            const callee = i === 0 ? -1 : this.function[i];
            const up = this.parent[i];
            const dropped = drop.has(callee) || (i > 0 && kept[up] === 2);
            hasOnly[i] |= only.has(callee) || (i > 0 && hasOnly[up]) ? 1 : 0;
            hasFocus[i] |= focus?.has(callee) || (i > 0 && hasFocus[up]) ? 1 : 0;
            kept[i] = dropped ? 2 : hasOnly[i] && hasFocus[i] ? 1 : 0;
        }
        return kept.map((value) => (value === 1 ? 1 : 0));
    }

    numbersOf(symbols = []) {
        const found = new Set();
        for (const symbol of symbols) {
            for (const one of this.functions) {
                if (one.name === symbol.function_name && (symbol.binary === undefined || one.binary === symbol.binary)) {
                    found.add(one.number);
                }
            }
        }
        return found;
    }

    functionOf({ address, name }) {
        const found = address
            ? this.functions.find((one) => one.address === address)
            : this.functions.find((one) => one.name.toLowerCase().includes(String(name).toLowerCase()));
        return found ?? null;
    }

    // ---- numbers per node ----

    /** Numbers of the stacks that end in each node: columns by node. */
    selfOf(view, reason) {
        const n = this.parent.length;
        const self = {
            on: new Float64Array(n),
            samples: new Float64Array(n),
            off: new Float64Array(n),
            intervals: new Float64Array(n),
            waits: new Map(), // node → ns by reason
        };
        this.eachRow(view, reason, (row, ns, isSample) => {
            const node = this.rows.node[row];
            if (isSample) {
                self.on[node] += ns;
                self.samples[node]++;
                return;
            }
            self.off[node] += ns;
            self.intervals[node]++;
            addWait(self.waits, node, this.rows.reason[row], ns);
        });
        return self;
    }

    /** Totals that every answer about a view carries. */
    totalsOf(view) {
        let onNs = 0;
        let samples = 0;
        const off = new Array(REASONS.length).fill(0);
        this.eachRow(view, undefined, (row, ns, isSample) => {
            if (isSample) {
                onNs += ns;
                samples++;
            } else {
                off[this.rows.reason[row]] += ns;
            }
        });
        return { total_on_cpu_ns: onNs, total_off_cpu: offCpu(off), health: this.health(view, samples), offNs: sum(off) };
    }

    health(view, samples) {
        const unresolved = Math.floor(samples * 0.003);
        const truncated = Math.floor(samples * 0.01);
        return {
            samples,
            lost_samples: this.lost,
            lost_records: this.lost,
            throttled: 0,
            truncated_samples: truncated,
            truncated: {
                no_unwind_info: truncated, copy_too_short: 0, unreadable: 0, bad_unwind_info: 0,
                lost: 0, too_deep: 0, not_loaded: 0, not_copied: 0,
            },
            unresolved_samples: unresolved,
            truncated_pct: samples ? (100 * truncated) / samples : 0,
            unresolved_pct: samples ? (100 * unresolved) / samples : 0,
            estimated: false,
            unsampled_ns: 0,
            approximate_pct: 0,
            unpaired_switches: 0,
            recording: !this.stopped,
            start_ns: view.time_range?.start_ns ?? 0,
            end_ns: Math.min(view.time_range?.end_ns ?? Infinity, this.nowNs),
        };
    }
}

export function sum(numbers) {
    return numbers.reduce((a, b) => a + b, 0);
}

export function addWait(waits, key, reason, ns) {
    let byReason = waits.get(key);
    if (byReason === undefined) {
        byReason = new Array(REASONS.length).fill(0);
        waits.set(key, byReason);
    }
    byReason[reason] += ns;
}

/** Ten numbers in the order of REASONS as the protocol says them. */
export function offCpu(byReason) {
    return Object.fromEntries(REASONS.map((name, i) => [`${name}_ns`, byReason[i]]));
}

/** The reason for most of it; 10 when there is none. */
export function mostly(byReason) {
    let best = NO_REASON;
    byReason.forEach((ns, i) => {
        if (ns > 0 && (best === NO_REASON || ns > byReason[best])) {
            best = i;
        }
    });
    return best;
}

// ---- programs that a page must survive ----

const long = "very_long_name<".repeat(700).slice(0, 10000);

export const HOSTILE_NAMES = [
    "main",
    "<img src=x onerror=\"window.__pwned=1\">",
    "<script>window.__pwned=1</script>",
    long,
    "\u202Egnp.exe\u202C reversed",
    "nul\u0000 and \u0007 bell \u001b[31m escape",
    "</style><style>*{display:none}</style>",
    "`|*_[link](javascript:window.__pwned=1)`",
    "std::vector<int, std::allocator<int>>::push_back(int const&)",
    "שלום_עולם",
    "😀".repeat(50),
    "",
    " ",
    "__proto__",
    "constructor",
    "a\nb\r\nc\td",
    "</script><script>window.__pwned=1</script>",
    "&lt;b&gt;&amp;",
    "--><!-- x",
    "\uD800 lone surrogate",
];

/** Options for World by name. */
export const PROGRAMS = {
    usual: {},
    tiny: { nodes: 6, threads: 1, samplesPerSecond: 100 },
    one_node: { nodes: 1, threads: 1 },
    no_samples: { samplesPerSecond: 0, waitsPerSecond: 0 },
    asleep: { samplesPerSecond: 0, waitsPerSecond: 50 },
    hostile: { nodes: 200, names: HOSTILE_NAMES, threadNames: HOSTILE_NAMES, label: HOSTILE_NAMES[1] },
    fan: { nodes: 12000, shape: "fan" },
    deep: { nodes: 5001, shape: "chain" },
    threads: { threads: 2000, samplesPerSecond: 20000 },
    big: { nodes: 50000, samplesPerSecond: 20000 },
    huge: { nodes: 200000, samplesPerSecond: 100000 },
    wide: { nodes: 8000, shape: "wide", samplesPerSecond: 40000 },
    long_code: { instructions: 20000 },
};
