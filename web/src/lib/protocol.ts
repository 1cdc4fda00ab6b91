// The protocol of stax-server. Printed from src/rpc/schema.c: do not edit.

/** Which part of a run a question is about. Without fields: the whole of the current run. */
export interface View {
    /** Which run. When absent: the one that was selected, else the active one, else the newest. */
    run?: number;
    /** Only this thread. */
    tid?: number;
    /** Only samples within it. */
    time_range?: TimeRange;
    /** Leaves out samples with one of these on their stack. */
    exclude_symbols?: Array<Symbol>;
    /** Only samples with at least one of these on their stack. */
    only_symbols?: Array<Symbol>;
    /** Only samples with this one on their stack, on top of that. */
    focus_symbol?: Symbol;
    /** With functions that the compiler has inlined as functions of their own; true when absent. When false, stacks are as they are in memory. */
    inline?: boolean;
}

/** Nanoseconds from the start of the run. */
export interface TimeRange {
    /** Inclusive. */
    start_ns: number;
    /** Exclusive. */
    end_ns: number;
}

/** A function. */
export interface Symbol {
    /** As answers show it. */
    function_name: string;
    /** As answers show it; any binary when absent. */
    binary?: string;
}

/** How far an answer can be trusted. In every answer; nothing that was lost is hidden. */
export interface Health {
    /** Samples in this view. */
    samples: number;
    /** Samples of the run that the kernel took and could not deliver. */
    lost_samples: number;
    /** Records of any kind of the run that were lost. */
    lost_records: number;
    /** How often the kernel suspended sampling during the run. */
    throttled: number;
    /** Samples in this view whose stack is known to lack callers. */
    truncated_samples: number;
    /** The same by reason. */
    truncated: Truncated;
    /** Samples in this view whose innermost function has no name. */
    unresolved_samples: number;
    /** truncated_samples, in percent. */
    truncated_pct: number;
    /** unresolved_samples, in percent. */
    unresolved_pct: number;
    /** On-CPU times are samples x period, not exact. */
    estimated: boolean;
    /** On-CPU time in this view of threads without any sample: no function has it. */
    unsampled_ns: number;
    /** Share of the blocked time in this view whose stack is not the one of the wait itself. */
    approximate_pct: number;
    /** How often a thread of the run came back that had not left, or left twice: records were lost, and times around them are uncertain. */
    unpaired_switches: number;
    /** The run goes on: asking again will show more. */
    recording: boolean;
    /** Start of the window that this answer is about. */
    start_ns: number;
    /** End of that window. */
    end_ns: number;
}

/** Samples whose stack lacks callers, by reason. In a call tree they stand below a node `[truncated: ...]` of their own, next to the whole ones. */
export interface Truncated {
    /** They end in code without unwinding information and frame pointers. */
    no_unwind_info: number;
    /** The stack is longer than what was copied of it: longer copies of that thread's stacks are taken from then on. */
    copy_too_short: number;
    /** The callers are on another stack, which was not copied. */
    unreadable: number;
    /** The unwinding information makes no sense. */
    bad_unwind_info: number;
    /** A return address leads to where no code is. */
    lost: number;
    /** More frames than are kept. */
    too_deep: number;
    /** The unwinding information was still being read. */
    not_loaded: number;
    /** There were too many stacks to copy each. */
    not_copied: number;
}

/** Time spent waiting, by reason. All zero unless the capture sees switches (see Capabilities). */
export interface OffCpu {
    /** A worker with nothing to do, by its own account. */
    idle_ns: number;
    /** A mutex, a read-write lock, a condition variable, a lock of the kernel. */
    lock_ns: number;
    /** A semaphore. */
    semaphore_ns: number;
    /** A pipe, a socket between processes, a message queue. */
    ipc_ns: number;
    /** Reading a file, or a page of one. */
    io_read_ns: number;
    /** Writing a file. */
    io_write_ns: number;
    /** poll, epoll, select, io_uring. */
    readiness_ns: number;
    /** Sleeping. */
    sleep_ns: number;
    /** Connecting or accepting. */
    connect_ns: number;
    /** Anything else: a child process, the end of a thread, a signal. */
    other_ns: number;
}

/** One recording, active or over. */
export interface RunSummary {
    /** Of the run: the number of its file in the history, for good. That of a file that was opened is valid as long as the server lives. */
    id: number;
    /** Whether it goes on. */
    state: "recording" | "stopped";
    /** Why it ended; "snapshot": it was saved while it went on. Absent while recording. */
    stop_reason?: "target_exited" | "time_limit" | "user_stop" | "recorder_error" | "snapshot";
    /** What was recorded: the command line, or the name of the process. */
    label: string;
    /** The recorded process. */
    target_pid: number;
    /** Wall-clock time, since 1970. */
    started_at_unix_ns: number;
    /** Wall-clock time. Absent while recording. */
    stopped_at_unix_ns?: number;
    /** From its start to its end, or to now. */
    duration_ns: number;
    /** Samples so far. */
    samples: number;
    /** Waits so far. */
    off_cpu_intervals: number;
    /** Samples per second of a thread on a CPU. */
    frequency_hz: number;
    /** Threads that were seen. */
    threads: number;
    /** Samples that the kernel took and could not deliver. */
    lost_samples: number;
    /** Records of any kind that were lost. */
    lost_records: number;
    /** CPU time of child processes that were not recorded. */
    unrecorded_children_cpu_ns: number;
    /** On-CPU times are samples x period, not exact. */
    estimated: boolean;
    /** It takes in no samples at the moment: see Profiler.set_paused. */
    paused: boolean;
    /** Samples that came while it was paused, and were not kept. */
    paused_samples: number;
    /** The server that recorded it died: it ends where that last wrote to its file. */
    recovered: boolean;
    /** Where it was recorded. */
    host: string;
    /** The run file that it is in, or goes into; empty when it has none. */
    file: string;
    /** That file is the server's own: it goes when the history is full. */
    in_history: boolean;
    /** What a person should know about this run, one sentence each. */
    notes: Array<string>;
}

/** The state of the server. */
export interface Status {
    /** Of the server. */
    version: string;
    /** Process id of the server. */
    server_pid: number;
    /** Wall-clock time, since 1970. */
    server_started_at_unix_ns: number;
    /** The active run: none or one. */
    active: Array<RunSummary>;
    /** How events are captured. */
    backend: string;
    /** What can be seen here, and why not. */
    capabilities: Capabilities;
    /** Where a browser finds it; `stax ui` knows the token. Empty: nowhere. */
    web_url: string;
    /** Why nowhere. Else empty. */
    web_note: string;
}

/** What can be seen on this machine, by this server. */
export interface Capabilities {
    /** The kernel's part of stacks. */
    kernel_stacks: Capability;
    /** Names of kernel functions. */
    kernel_symbols: Capability;
    /** When threads leave a CPU and come back. */
    off_cpu: Capability;
    /** The stack of each wait. Without it: the last known one. */
    off_cpu_stacks: Capability;
    /** What a waiting thread waits for: which lock, and whose. */
    wait_details: Capability;
    /** Who made a thread ready. */
    wakeups: Capability;
    /** Hardware counters. */
    pmu: Capability;
    /** Registers and bytes of the stack with each stack: what unwinding by .eh_frame needs. */
    stack_copies: Capability;
    /** The identity of mapped files, from the kernel. */
    build_ids: Capability;
    /** An exact count of lost samples. */
    lost_samples: Capability;
}

/** Something that may or may not be seen. */
export interface Capability {
    /** Whether a recording started now would see it. */
    available: boolean;
    /** When not: which setting or limit forbids it, and what would help. Else empty. */
    reason: string;
}

/** Every run that the server knows: recorded by it, by earlier servers, or opened. */
export interface RunList {
    /** By id, so the oldest first. */
    runs: Array<RunSummary>;
    /** The run that a question without a run is about; 0: there is none. */
    current: number;
}

/** Which run to look into. */
export interface DiagnosticsParams {
    /** Which run. When absent: the one that was selected, else the active one, else the newest. */
    run?: number;
}

/** The file of one run. */
export interface FileReport {
    /** The run file; empty when the run is in memory only. */
    path: string;
    /** Its size as of the last commit. */
    bytes: number;
    /** Samples, intervals and wakeups in it. */
    rows: number;
    /** How often something was added. */
    commits: number;
    /** CPU time of the thread that writes it. */
    cpu_ns: number;
    /** Since the last commit that worked, when the next one is late; else 0. */
    behind_ns: number;
    /** It is not complete yet. */
    writing: boolean;
    /** It stands on its own: names, lines and code are in it. */
    names_complete: boolean;
    /** Rows that are in memory. */
    resident_bytes: number;
    /** Chunks of rows that left memory, since they are in the file. */
    dropped_chunks: number;
    /** Chunks that were read back since somebody asked. */
    read_back_chunks: number;
    /** Chunks that could not be read back. */
    unreadable_chunks: number;
    /** What went wrong. Else empty. */
    note: string;
}

/** The pipeline's own accounting. */
export interface Diagnostics {
    /** The server itself. */
    server: ServerReport;
    /** Debug files from servers, for all runs. */
    debuginfod: DebuginfodReport;
    /** The run's file. Absent when there is no run. */
    file?: FileReport;
    /** The run. Absent when there is none yet. */
    run?: RunReport;
}

/** What the server itself costs. */
export interface ServerReport {
    /** Process id. */
    pid: number;
    /** CPU time of the whole server so far. */
    cpu_ns: number;
    /** Resident memory. */
    rss_bytes: number;
    /** Open connections. */
    connections: number;
    /** Over all connections. */
    subscriptions: number;
    /** Calls of wait_active in flight. */
    waiters: number;
    /** Questions that wait for an answer. */
    query_queue: number;
}

/** The accounting of one run. */
export interface RunReport {
    /** Of the run. */
    id: number;
    /** How many events of each kind arrived. */
    events: Record<string, number>;
    /** What was lost, cut, throttled or out of order. */
    accounts: Record<string, number>;
    /** What the run occupies. */
    memory: MemoryReport;
    /** What the bucket "other" consists of, when it is more than 5 % of all waiting; most first. Empty otherwise. */
    unexplained_waits: Array<UnexplainedWait>;
    /** Where stacks end too early; most samples first. */
    truncations: Array<TruncationReport>;
    /** Whose stacks; most first. */
    truncated_threads: Array<TruncatedThread>;
    /** Distinct stacks and parts of stacks. */
    stacks: number;
    /** Distinct places in code. */
    frames: number;
    /** How its events arrive. */
    capture: CaptureReport;
    /** What has a frame in any stack. By samples, most first. */
    images: Array<ImageReport>;
    /** Where the names of code come from that is made while programs run. */
    jit: Array<JitReport>;
    /** What went wrong with reading those. Else empty. */
    jit_note: string;
}

/** Memory of one run. */
export interface MemoryReport {
    /** All of the run. */
    total_bytes: number;
    /** What grows with every sample, wait and wakeup. */
    rows_bytes: number;
    /** The tree of distinct stacks. */
    stacks_bytes: number;
}

/** How the events of one run arrive. */
export interface CaptureReport {
    /** How events are captured. */
    backend: string;
    /** Buffers shared with the kernel. */
    rings: number;
    /** Their size together. */
    ring_bytes: number;
    /** CPU time of the capture thread. */
    cpu_ns: number;
    /** How often the rings were emptied. */
    drains: number;
    /** Stacks that came with a copy, and were unwound. */
    unwound_stacks: number;
    /** Those among them that lack no callers. */
    whole_stacks: number;
    /** Those that the kernel's own walk continued. */
    joined_stacks: number;
    /** Frames without unwinding information that kept a frame pointer. */
    frame_pointer_steps: number;
    /** How long the capture waited for unwinding information to be read. */
    unwind_waited_ns: number;
    /** What went less well than it should. Else empty. */
    note: string;
}

/** One file with code that samples fell into. */
export interface ImageReport {
    /** As the target saw it. */
    path: string;
    /** Hexadecimal; empty when not known. */
    build_id: string;
    /** "ready", "loading", "failed", "anonymous". */
    state: string;
    /** Why names are missing. Else empty. */
    note: string;
    /** Why inlined functions are missing, where there is DWARF. Else empty. */
    inline_note: string;
    /** Names that it has. */
    symbols: number;
    /** Samples whose innermost frame lies in it. */
    leaf_samples: number;
    /** Those without a name. */
    unresolved_samples: number;
}

/** Debug files of stripped binaries, from servers. */
export interface DebuginfodReport {
    /** Whether there are servers to ask: DEBUGINFOD_URLS, or /etc/debuginfod/*.urls. */
    on: boolean;
    /** What went less well than it should. Else empty. */
    note: string;
    /** Where files are kept; empty when nowhere. */
    cache: string;
    /** Files from servers. */
    fetched: number;
    /** Files that were in the cache. */
    cached: number;
    /** Files that no server has. */
    missing: number;
    /** Files that will be asked for again later, those among them. */
    deferred: number;
    /** Source files from servers, for who looks at code. */
    sources: number;
    /** Source files that no server has. */
    sources_missing: number;
    /** Source files that are waited for, or being fetched. */
    sources_wanted: number;
    /** In the order in which they are asked. */
    servers: Array<DebuginfodServer>;
    /** What is being fetched now. */
    transfers: Array<DebuginfodTransfer>;
    /** The last ones, the newest first. */
    failures: Array<DebuginfodFailure>;
}

/** A server of debug files. */
export interface DebuginfodServer {
    /** Without a name and a password. */
    url: string;
    /** "new": it has not answered yet. "down": it was silent, and is left alone for a while. "faulty": likewise, after useless answers. */
    state: "new" | "up" | "down" | "faulty";
    /** How long it is still left alone. */
    rests_ns: number;
    /** Requests. */
    asked: number;
    /** Answered with the right file. */
    found: number;
    /** Answered that it does not have it. */
    missing: number;
    /** Answered otherwise, or not. */
    failed: number;
    /** Received. */
    bytes: number;
}

/** A file that is being fetched. */
export interface DebuginfodTransfer {
    /** Hexadecimal. */
    build_id: string;
    /** Of the server. */
    url: string;
    /** Received so far. */
    bytes: number;
    /** All of it; 0 when not known. */
    total_bytes: number;
    /** Since it was asked for. */
    elapsed_ns: number;
}

/** A file that did not come. */
export interface DebuginfodFailure {
    /** Hexadecimal. */
    build_id: string;
    /** Of the server; empty when the failure is our own (the disk). */
    url: string;
    /** What went wrong. */
    reason: string;
    /** When, since 1970. */
    at_unix_ns: number;
}

/** One file in which a JIT tells which functions it makes. */
export interface JitReport {
    /** The process whose code it is about. */
    pid: number;
    /** "jitdump" or "perf_map". */
    kind: string;
    /** As the target sees it; where it is looked for while there is none. */
    path: string;
    /** Functions that it told of, and moves of them. */
    codes: number;
    /** How much of it has been read. */
    bytes: number;
    /** Records or lines that make no sense: left out. */
    bad: number;
    /** Records or lines that say nothing new or nothing of use. */
    skipped: number;
    /** Records whose time is before that of the record before: used all the same. */
    backwards: number;
    /** Why it is not read, or not to its end. Else empty. */
    note: string;
}

/** A kernel function that the table of reasons has no better name for than "other". */
export interface UnexplainedWait {
    /** The kernel function that waits. */
    function_name: string;
    /** How long. */
    off_cpu_ns: number;
    /** How often. */
    intervals: number;
}

/** Where stacks lack their callers, and why. */
export interface TruncationReport {
    /** A key of Truncated. */
    reason: string;
    /** The binary that the stacks end in; empty when it is none. */
    path: string;
    /** How many. */
    samples: number;
    /** Waits with such a stack. */
    intervals: number;
}

/** A thread some of whose stacks lack callers. */
export interface TruncatedThread {
    /** The thread. */
    tid: number;
    /** Its name. */
    name: string;
    /** All of its samples. */
    samples: number;
    /** Those whose stack lacks callers. */
    truncated_samples: number;
}

/** What to record, and how. */
export interface StartAttachParams {
    /** The process. */
    pid: number;
    /** Shown in lists. When absent: the name of the process. */
    label?: string;
    /** Samples per second of a thread on a CPU; 900 when absent. */
    frequency_hz?: number;
    /** Ends the run after so long; without limit when absent. */
    time_limit_secs?: number;
    /** The process waits just before its exec: recording begins with that exec. */
    launched?: boolean;
    /** Records child processes too. */
    follow?: boolean;
    /** Absolute path of the run file that it goes into: a new one, or one that holds another run, which is replaced. When absent: a file in the history. */
    file?: string;
    /** Unwinds stacks by .eh_frame from a copy of each; else by frame pointers alone. True when absent, unless stax-server was started with STAX_DWARF_UNWIND=0. */
    dwarf_unwind?: boolean;
}

/** The capture is armed: nothing that the process does from now on is missed. */
export interface Started {
    /** Of the new run. */
    id: number;
}

/** Which run goes into which file. */
export interface SaveParams {
    /** Absolute path of the file; another run file there is replaced. */
    path: string;
    /** Which run. When absent: the one that was selected, else the active one, else the newest. */
    run?: number;
}

/** The file is complete: rows, names, lines and code of what was sampled. */
export interface Saved {
    /** Which one it was. */
    run: number;
    /** Where it is. */
    path: string;
    /** How large the file is. */
    bytes: number;
}

/** A run file. */
export interface OpenParams {
    /** Absolute path of a run file. */
    path: string;
    /** It becomes what questions without a run are about; true when absent. */
    select?: boolean;
}

/** A run file is a run like any other. */
export interface Opened {
    /** By which it can be asked about. */
    id: number;
    /** What it is. */
    summary: RunSummary;
}

/** What questions without a run are about from now on, until another recording starts. */
export interface SelectParams {
    /** Which run. When absent: none, so the active one, else the newest. */
    run?: number;
}

/** What questions without a run are about. */
export interface Selected {
    /** The run. Absent when there is none. */
    summary?: RunSummary;
}

/** What to import. */
export interface ImportParams {
    /** Absolute, of a file that `perf record` wrote; the server reads it. */
    path: string;
}

/** A run like any other. */
export interface Imported {
    /** Of the new run. */
    id: number;
    /** Of that run, which is over. */
    summary: RunSummary;
}

/** What to wait for, and how long. */
export interface WaitActiveParams {
    /** What to wait for. When absent: the end of the run. */
    condition?: WaitCondition;
    /** Gives up after so long; never when absent. */
    timeout_ms?: number;
    /** When no run is active: waits so long for one to begin; not at all when absent. */
    start_ms?: number;
    /** Waits for this run, which may be over. When absent: the active one. */
    run?: number;
}

/** What to wait for: exactly one of these. */
export type WaitCondition =
    | { until_stopped: true }
    | { for_samples: number }
    | { for_seconds: number }
    | { until_symbol: string };

/** How the waiting ended. */
export interface WaitResult {
    /** What ended the waiting. */
    outcome: "condition_met" | "stopped" | "timed_out" | "no_active_run";
    /** The run. Absent when there is none. */
    summary?: RunSummary;
}

/** The run is over, and everything that it recorded can be asked for. */
export interface StopResult {
    /** The run that was ended. */
    summary: RunSummary;
}

/** What to write, and where. */
export interface ExportParams {
    /** Which run. When absent: the active one, else the newest. */
    run?: number;
    /** What reads it. */
    format: "folded" | "speedscope" | "pprof" | "firefox" | "perfetto" | "html";
    /** Where to, from the root directory on. A regular file that is there is replaced when the new one is whole. */
    path: string;
    /** Which of the two weighs, for formats that have one weight per stack, and which is shown first by others; "on_cpu" when absent. */
    mode?: "on_cpu" | "off_cpu";
    /** Which part of the run. Its `run` counts when there is none above. */
    view?: View;
}

/** A file that is complete. */
export interface Exported {
    /** The file. */
    path: string;
    /** Its size. */
    bytes: number;
    /** Samples in it. */
    samples: number;
    /** Waits in it: formats with one weight per stack have one of the two. */
    intervals: number;
}

/** A question without parameters of its own. */
export interface ViewParams {
    /** Which part of which run. */
    view?: View;
}

/** How many functions, in which order. */
export interface TopParams {
    /** Which part of which run. */
    view?: View;
    /** How many functions; 20 when absent. */
    limit?: number;
    /** By self or by total time; "self" when absent. */
    sort?: "self" | "total";
    /** What orders and cuts: "on_cpu" when absent; "wall" is both together. */
    mode?: "on_cpu" | "off_cpu" | "wall";
    /** Only waits for this reason. */
    reason?: "idle" | "lock" | "semaphore" | "ipc" | "io_read" | "io_write" | "readiness" | "sleep" | "connect" | "other";
}

/** The hottest functions. */
export interface Top {
    /** On-CPU time of the whole view: 100 %. */
    total_on_cpu_ns: number;
    /** How far this answer can be trusted. */
    health: Health;
    /** Waits of the whole view. */
    total_off_cpu: OffCpu;
    /** Time that threads of the view were ready and had no CPU. */
    total_runnable_ns: number;
    /** Functions with samples (or waits: by mode), shown or not. */
    n_functions: number;
    /** The hottest first. */
    entries: Array<TopEntry>;
}

/** One function. */
export interface TopEntry {
    /** Demangled; binary+0xoffset when it has no name. Untrusted text. */
    function_name: string;
    /** The file that it is in, without its folder; [kernel], [vdso]. */
    binary: string;
    /** The compiler has inlined it there: a copy, beside the function itself. */
    inlined: boolean;
    /** Where it begins, as 0x…: names it exactly. 0x0 of an inlined one. */
    address: string;
    /** "c", "c++", "rust", …; empty when not known. */
    language: string;
    /** In the program itself, not in a library or the kernel. */
    is_main: boolean;
    /** On-CPU time with it as the innermost function. */
    self_on_cpu_ns: number;
    /** On-CPU time with it anywhere on the stack; recursion counts once. */
    total_on_cpu_ns: number;
    /** Samples with it innermost. */
    self_samples: number;
    /** Samples with it anywhere on the stack. */
    total_samples: number;
    /** Waits with it as the innermost function. */
    self_off_cpu: OffCpu;
    /** Waits with it anywhere on the stack. */
    total_off_cpu: OffCpu;
    /** How many waits with it innermost. */
    self_off_cpu_intervals: number;
    /** How many waits with it anywhere on the stack. */
    total_off_cpu_intervals: number;
}

/** How much of the call tree. */
export interface FlamegraphParams {
    /** Which part of which run. */
    view?: View;
    /** Levels below the root; any when absent. */
    max_depth?: number;
    /** Cuts nodes with a smaller share of the whole; 0 when absent. */
    min_share?: number;
    /** Keeps the heaviest so many; 50000 when absent. */
    max_nodes?: number;
    /** What orders and cuts: "on_cpu" when absent; "wall" is both together. */
    mode?: "on_cpu" | "off_cpu" | "wall";
    /** Only waits for this reason. */
    reason?: "idle" | "lock" | "semaphore" | "ipc" | "io_read" | "io_write" | "readiness" | "sleep" | "connect" | "other";
}

/** The call tree with its weights. */
export interface Flamegraph {
    /** On-CPU time of the whole view: 100 %. */
    total_on_cpu_ns: number;
    /** How far this answer can be trusted. */
    health: Health;
    /** Nodes of the whole tree, before anything was cut. */
    n_nodes: number;
    /** Names, each once. */
    strings: Array<string>;
    /** The call tree. */
    nodes: FlameNodes;
    /** Why its nodes wait. */
    waits: FlameWaits;
    /** Waits of the whole view. */
    total_off_cpu: OffCpu;
}

/** A table by columns: the n-th elements of all of them are node n. Node 0 is the root; a parent comes before its children; siblings stand heaviest first. */
export interface FlameNodes {
    /** Index of the caller's node (of a tree of callers: of the callee's), smaller than the node's own; of the root: 0. */
    parent: Array<number>;
    /** Index into strings: the function's name; "" for the root of a flamegraph. */
    function: Array<number>;
    /** Index into strings. */
    binary: Array<number>;
    /** The compiler has inlined it into its caller. */
    inlined: Array<boolean>;
    /** Where the function begins, as 0x…; 0x0 of an inlined one. */
    address: Array<string>;
    /** Time of the node and everything below it. */
    on_cpu_ns: Array<number>;
    /** Samples of the node and everything below it. */
    samples: Array<number>;
    /** Samples of the node itself. */
    self_samples: Array<number>;
    /** Waits of the node and everything below it. */
    off_cpu_ns: Array<number>;
    /** Waits of the node itself: it is the function that waits. */
    self_off_cpu_ns: Array<number>;
    /** How many waits of the node and everything below it. */
    off_cpu_intervals: Array<number>;
    /** Nodes right below it that were left out. */
    cut_children: Array<number>;
    /** Their samples. */
    cut_samples: Array<number>;
    /** Their waits. */
    cut_off_cpu_ns: Array<number>;
}

/** off_cpu_ns by reason, as a table by columns; what is 0 is left out. */
export interface FlameWaits {
    /** Index of the node; rising. */
    node: Array<number>;
    /** 0 idle, 1 lock, 2 semaphore, 3 ipc, 4 io_read, 5 io_write, 6 readiness, 7 sleep, 8 connect, 9 other. */
    reason: Array<number>;
    /** Waits of the node and everything below it, for this reason; never 0. */
    ns: Array<number>;
}

/** How many threads. */
export interface ThreadsParams {
    /** Which part of which run. */
    view?: View;
    /** How many threads; all when 0 or absent. */
    limit?: number;
}

/** What each thread did. */
export interface Threads {
    /** On-CPU time of the whole view: 100 %. */
    total_on_cpu_ns: number;
    /** How far this answer can be trusted. */
    health: Health;
    /** Threads in this view, shown or not. */
    n_threads: number;
    /** Waits of all of them, shown or not. */
    total_off_cpu: OffCpu;
    /** By on-CPU time, most first. */
    threads: Array<Thread>;
}

/** One thread. */
export interface Thread {
    /** Thread id. */
    tid: number;
    /** Of its process. */
    pid: number;
    /** The last one it had. Untrusted text. */
    name: string;
    /** Time on a CPU. */
    on_cpu_ns: number;
    /** Time spent waiting; a wait that is not over counts up to now. */
    off_cpu: OffCpu;
    /** Ready to run, waiting for a CPU. */
    runnable_ns: number;
    /** Samples of it. */
    samples: number;
    /** How often it was made ready, whatever functions the view asks for. */
    wakeups: number;
    /** When it began, from the start of the run. */
    started_ns: number;
    /** When it ended. Absent while it lives. */
    ended_ns?: number;
}

/** Which waits. A time range keeps those that lie in it at least in part. */
export interface IntervalsParams {
    /** Which part of which run. */
    view?: View;
    /** How many waits; 20 when absent. */
    limit?: number;
    /** Which ones, and in which order; "longest" when absent. */
    order?: "longest" | "newest" | "oldest";
    /** Only waits for this reason. */
    reason?: "idle" | "lock" | "semaphore" | "ipc" | "io_read" | "io_write" | "readiness" | "sleep" | "connect" | "other";
    /** Only waits of at least this length. */
    min_ns?: number;
    /** How much of each stack, from the leaf; 64 when absent. */
    max_frames?: number;
}

/** Single waits. */
export interface Intervals {
    /** On-CPU time of the whole view: 100 %. */
    total_on_cpu_ns: number;
    /** How far this answer can be trusted. */
    health: Health;
    /** Waits that match, shown or not. */
    total_intervals: number;
    /** Their time within the view. */
    total_duration_ns: number;
    /** The same by reason. */
    by_reason: OffCpu;
    /** In the order that was asked for. */
    entries: Array<Interval>;
}

/** One wait. */
export interface Interval {
    /** Who waited. */
    tid: number;
    /** Of its process. */
    pid: number;
    /** Its name. Untrusted text. */
    thread_name: string;
    /** When it left the CPU. */
    start_ns: number;
    /** How long it was blocked. */
    duration_ns: number;
    /** How long it then waited for a CPU; 0 when the wakeup is not known. */
    runnable_ns: number;
    /** Why. */
    reason: "idle" | "lock" | "semaphore" | "ipc" | "io_read" | "io_write" | "readiness" | "sleep" | "connect" | "other";
    /** The stack is not the one of this wait, but the last one known. */
    approximate: boolean;
    /** It is not over yet. */
    open: boolean;
    /** Innermost first: the function that waits. */
    stack: Array<Frame>;
    /** How many outer frames were left out. */
    frames_cut: number;
    /** Who ended it: a thread; 0 for an interrupt. Absent when not known. */
    waker_tid?: number;
    /** Its name, or its command if it is of another program; "[irq]". */
    waker_name?: string;
    /** The function that did it. Absent when not known. */
    waker_function_name?: string;
    /** The file of that function. */
    waker_binary?: string;
}

/** One function of a stack. */
export interface Frame {
    /** Demangled; binary+0xoffset when it has no name. Untrusted text. */
    function_name: string;
    /** The file that it is in, without its folder; [kernel], [vdso]. */
    binary: string;
    /** The compiler has inlined it there: a copy, beside the function itself. */
    inlined: boolean;
}

/** Whose wakers. */
export interface WakersParams {
    /** Which part of which run. */
    view?: View;
    /** The thread that is woken. */
    tid: number;
    /** How many entries; 20 when absent. */
    limit?: number;
}

/** Who wakes a thread. */
export interface Wakers {
    /** On-CPU time of the whole view: 100 %. */
    total_on_cpu_ns: number;
    /** How far this answer can be trusted. */
    health: Health;
    /** The thread that is woken. */
    wakee_tid: number;
    /** Its name. Untrusted text. */
    wakee_name: string;
    /** Of this thread in the view. */
    total_wakeups: number;
    /** Wakers by function, shown or not. */
    n_entries: number;
    /** By count, most first. */
    entries: Array<Waker>;
    /** Whether wakeups are recorded. */
    available: boolean;
    /** When not: what forbids it. Else empty. */
    reason: string;
}

/** One thread that wakes another, from one function. */
export interface Waker {
    /** The thread that wakes; 0 for an interrupt. */
    waker_tid: number;
    /** Of its process; 0 for an interrupt. */
    waker_pid: number;
    /** Its name, or its command if it is of another program; "[irq]" for an interrupt. Untrusted text. */
    waker_name: string;
    /** An interrupt: a timer, a device. */
    interrupt: boolean;
    /** Not of the recorded processes. */
    foreign: boolean;
    /** Where the function begins, as 0x…; 0x0 when not known. */
    waker_address: string;
    /** The function that wakes; empty when not known. Untrusted text. */
    waker_function_name: string;
    /** The file of that function. */
    waker_binary: string;
    /** How often. */
    count: number;
    /** Of these: the function is that of another wakeup by this thread. */
    approximate_count: number;
    /** How much blocked time these wakeups ended. */
    ended_ns: number;
    /** The same by reason. */
    off_cpu: OffCpu;
    /** Of the most frequent place, innermost first. */
    stack: Array<Frame>;
}

/** How fine. */
export interface TimelineParams {
    /** Which part of which run. */
    view?: View;
    /** About how many, at most; 60 when absent. */
    buckets?: number;
    /** How many threads on their own; 20 when absent. */
    threads?: number;
}

/** Activity over time. */
export interface Timeline {
    /** On-CPU time of the whole view: 100 %. */
    total_on_cpu_ns: number;
    /** How far this answer can be trusted. */
    health: Health;
    /** Waits of the view. */
    total_off_cpu: OffCpu;
    /** Of each bucket; the last one may be cut short by the end. */
    bucket_size_ns: number;
    /** From the start of the run to its end, or to now. */
    recording_duration_ns: number;
    /** Without gaps, the oldest first. */
    buckets: Array<TimelineBucket>;
    /** Threads in this view, shown or not. */
    n_threads: number;
    /** By on-CPU time, most first. */
    threads: Array<TimelineThread>;
}

/** One slice of time. */
export interface TimelineBucket {
    /** From the start of the run. */
    start_ns: number;
    /** Of all threads of the view together. */
    on_cpu_ns: number;
    /** Ready, without a CPU. */
    runnable_ns: number;
    /** Waiting. */
    off_cpu: OffCpu;
}

/** One thread over time. */
export interface TimelineThread {
    /** Thread id. */
    tid: number;
    /** Of its process. */
    pid: number;
    /** The last one it had. Untrusted text. */
    name: string;
    /** By bucket. */
    on_cpu_ns: Array<number>;
    /** By bucket. */
    runnable_ns: Array<number>;
    /** By bucket. */
    off_cpu_ns: Array<number>;
    /** By bucket: the reason for most of off_cpu_ns, numbered as in FlameWaits; 10 when it did not wait. */
    reason: Array<number>;
}

/** Which waits. Always of the active run: what is over waits for nothing. */
export interface NowParams {
    /** Only this thread. */
    tid?: number;
    /** How many waits; 100 when absent. */
    limit?: number;
    /** How much of each stack, from the leaf; 64 when absent. */
    max_frames?: number;
}

/** The waits that are not over yet. */
export interface Now {
    /** On-CPU time of the whole view: 100 %. */
    total_on_cpu_ns: number;
    /** How far this answer can be trusted. */
    health: Health;
    /** The moment that this is about. */
    time_ns: number;
    /** Threads on a CPU. */
    n_running: number;
    /** Threads that are ready and have no CPU. */
    n_runnable: number;
    /** Threads that wait, shown or not. */
    n_waiting: number;
    /** Deadlocked ones first, then the longest first. */
    waits: Array<NowWait>;
    /** Cycles of waits. */
    deadlocks: Array<Deadlock>;
    /** What could not be found out, and what would help. */
    notes: Array<string>;
}

/** A wait that is not over. */
export interface NowWait {
    /** Who waits. */
    tid: number;
    /** Of its process. */
    pid: number;
    /** Its name. Untrusted text. */
    thread_name: string;
    /** When it began to. */
    since_ns: number;
    /** How long so far. */
    duration_ns: number;
    /** Why. */
    reason: "idle" | "lock" | "semaphore" | "ipc" | "io_read" | "io_write" | "readiness" | "sleep" | "connect" | "other";
    /** The kernel function that it waits in; empty when not known. */
    place: string;
    /** The stack is not the one of this wait, but the last one known. */
    approximate: boolean;
    /** Innermost first. */
    stack: Array<Frame>;
    /** How many outer frames were left out. */
    frames_cut: number;
    /** Who ended it: a thread; 0 for an interrupt. Absent when not known. */
    waker_tid?: number;
    /** Its name, or its command if it is of another program; "[irq]". */
    waker_name?: string;
    /** The function that did it. Absent when not known. */
    waker_function_name?: string;
    /** The file of that function. */
    waker_binary?: string;
    /** What kind of thing it waits for; empty when not known. */
    object: "" | "mutex" | "lock" | "condition" | "semaphore" | "thread";
    /** Its address, as 0x…. Absent when not known. */
    object_address?: string;
    /** Who has it. Absent when not known. */
    owner?: NowOwner;
    /** It is part of a cycle: it will wait for ever. */
    deadlock: boolean;
}

/** Who has what another thread waits for. */
export interface NowOwner {
    /** The thread that has it, or that is waited for. */
    tid: number;
    /** Its name. Untrusted text. */
    name: string;
    /** What that thread does. */
    state: "running" | "runnable" | "waiting" | "ended";
    /** Where it waits, or was seen last; empty when not known. */
    function_name: string;
    /** The file of that function. */
    binary: string;
}

/** Threads that wait for each other. */
export interface Deadlock {
    /** Each waits for something that the next one has, the last for the first. */
    tids: Array<number>;
    /** The same in one sentence. */
    text: string;
}

/** What to compare. */
export interface CompareParams {
    /** The runs that are the base: their ids. */
    a: Array<number>;
    /** The runs that are compared with it. */
    b: Array<number>;
    /** What is compared: "function" when absent. */
    by?: "function" | "stack" | "thread";
    /** Samples, or time spent waiting: "on_cpu" when absent. */
    mode?: "on_cpu" | "off_cpu";
    /** How many rows; 20 when absent. */
    limit?: number;
    /** What is slower by no more than this fails nothing, and is what min_detectable_pct is measured by; 0 when absent. */
    fail_above_pct?: number;
}

/** Which function, and how to show it. */
export interface AnnotatedParams {
    /** Which part of which run. */
    view?: View;
    /** 0x…, as answers say it: the function that has this address. Or `name`. */
    address?: string;
    /** Part of its name, whatever the case; of several the hottest. Or `address`. */
    name?: string;
    /** Of x86 instructions; "intel" when absent. */
    syntax?: "intel" | "att";
    /** Lines of the source as well; true when absent. */
    source?: boolean;
    /** Where sources are now. */
    source_paths?: Array<SourceMap>;
    /** Leaves out so many lines; 0 when absent. */
    first_line?: number;
    /** How many lines; 20000 when absent. */
    limit?: number;
}

/** The instructions of a function, with their samples: `self_samples` of the lines and `cut_self_samples` add up to those of the function. */
export interface Annotated {
    /** On-CPU time of the whole view: 100 %. */
    total_on_cpu_ns: number;
    /** How far this answer can be trusted. */
    health: Health;
    /** Demangled; binary+0xoffset when it has no name. Untrusted text. */
    function_name: string;
    /** The file that it is in, without its folder; [kernel], [vdso]. */
    binary: string;
    /** The compiler has inlined it there: a copy, beside the function itself. */
    inlined: boolean;
    /** "c", "c++", "rust", …; empty when not known. */
    language: string;
    /** In the program itself, not in a library or the kernel. */
    is_main: boolean;
    /** Where it begins, as 0x…; 0x0 when nobody knows. */
    base_address: string;
    /** What was asked for; where it begins when that was a name. */
    queried_address: string;
    /** Functions that fit, this one among them. */
    n_matches: number;
    /** The others, the hottest first; not all if many fit. */
    matches: Array<FunctionMatch>;
    /** When an inlined function was asked for. */
    inlined_host?: InlinedHost;
    /** Names what is shown of the code; another one when that changes. */
    listing: number;
    /** Where the instructions are from. */
    origin: "missing" | "file" | "vdso" | "jit" | "kernel" | "run_file";
    /** Of the file that they are from; empty when of none. */
    path: string;
    /** What is missing. */
    notes: Array<CodeNote>;
    /** Samples with it innermost: the sum over its code. */
    self_samples: number;
    /** On-CPU time with it innermost: likewise. */
    self_on_cpu_ns: number;
    /** Samples with it anywhere on the stack: its total. */
    function_samples: number;
    /** On-CPU time with it anywhere on the stack. */
    function_on_cpu_ns: number;
    /** Waits with it anywhere on the stack. */
    function_off_cpu_ns: number;
    /** Only functions of JITs have any. */
    versions: Array<CodeVersion>;
    /** Of the whole function. */
    n_lines: number;
    /** How many of them come before those that are here. */
    first_line: number;
    /** Self samples at lines that are not here. */
    cut_self_samples: number;
    /** By version, then by address. Absent when there is `changed`. */
    lines?: Array<AnnotatedLine>;
    /** Only to subscribers: instead of the rows, once they have them. Numbers of other rows are as they were. */
    changed?: CodeChanges;
}

/** An instruction; or a place with samples whose code is not to be had. */
export interface AnnotatedLine {
    /** Of the process, as 0x…; 0x0 when nobody knows. */
    address: string;
    /** In hexadecimal; empty when they are not to be had. */
    bytes: string;
    /** As people read it; empty when its bytes are not to be had. */
    text: string;
    /** It is no instruction. */
    is_data: boolean;
    /** Samples right there. */
    self_samples: number;
    /** Time right there. */
    self_on_cpu_ns: number;
    /** Samples there and in what is called from there. */
    total_samples: number;
    /** Time there and in what is called from there. */
    total_on_cpu_ns: number;
    /** Waits in what is called from there. */
    total_off_cpu_ns: number;
    /** Only where it changes: the line of the source that this and the next ones are of. With an empty file and line 0: of none that is known. */
    source_header?: SourceHeader;
    /** Only where it changes: the functions that this and the next ones are inlined from, the outermost first; empty: of none, from here on. */
    inlined?: Array<InlinedAt>;
    /** Of what it calls or jumps to, when that is known. */
    target_name?: string;
    /** Likewise; absent when the instruction does not say it. */
    target_address?: string;
}

/** Instructions that are entered at the first one and left at the last one. */
export interface CfgBlock {
    /** Its place in `blocks`, from 0 on. */
    id: number;
    /** Of its first instruction, as 0x…. */
    address: string;
    /** Behind its last one. */
    end_address: string;
    /** And data. */
    n_instructions: number;
    /** Where it begins in the lines of Profiler.annotated. */
    first_line: number;
    /** What its last instruction does; see docs/cfg.md. */
    end: "goes_on" | "branches" | "jumps" | "switches" | "jumps_anywhere" | "tail_calls" | "returns" | "calls_noreturn" | "stops";
    /** Of a tail call: where it leads to, when that is known. */
    target_name?: string;
    /** Samples right there. */
    self_samples: number;
    /** Time right there. */
    self_on_cpu_ns: number;
    /** Samples there and in what is called from there. */
    total_samples: number;
    /** Time there and in what is called from there. */
    total_on_cpu_ns: number;
    /** Waits in what is called from there. */
    total_off_cpu_ns: number;
    /** The line of the source that it begins with. */
    source_header?: SourceHeader;
    /** Names of what it calls, each once; absent when none is known. */
    calls?: Array<string>;
}

/** A way from one block to another. */
export interface CfgEdge {
    /** A block. */
    from: number;
    /** A block. */
    to: number;
    /** How control gets from one to the other. */
    kind: "next" | "taken" | "jump" | "switch";
}

/** Code that a JIT made of a function, one of several perhaps. */
export interface CfgVersion {
    /** Where it begins, as 0x…. */
    address: string;
    /** Of all blocks. */
    first_block: number;
    /** Its own. */
    n_blocks: number;
}

/** A function that the compiler has inlined at some instructions. */
export interface InlinedAt {
    /** What was inlined, into the one before it. */
    function_name: string;
    /** Where that calls it; absent when not known. */
    call_file?: string;
    /** Likewise. */
    call_line?: number;
}

/** Code that a JIT made of a function, one of several perhaps. */
export interface CodeVersion {
    /** Where it begins, as 0x…. */
    address: string;
    /** Of all lines. */
    first_line: number;
    /** Its own. */
    n_lines: number;
    /** When the JIT made it. */
    loaded_ns: number;
    /** Samples right in it. */
    self_samples: number;
}

/** Which function, and how to show it. */
export interface CfgParams {
    /** Which part of which run. */
    view?: View;
    /** 0x…, as answers say it: the function that has this address. Or `name`. */
    address?: string;
    /** Part of its name, whatever the case; of several the hottest. Or `address`. */
    name?: string;
    /** Of x86 instructions; "intel" when absent. */
    syntax?: "intel" | "att";
    /** Lines of the source as well; true when absent. */
    source?: boolean;
    /** Where sources are now. */
    source_paths?: Array<SourceMap>;
}

/** The basic blocks of a function, with their samples: `self_samples` of the blocks and `unplaced_samples` add up to those of the function. */
export interface Cfg {
    /** On-CPU time of the whole view: 100 %. */
    total_on_cpu_ns: number;
    /** How far this answer can be trusted. */
    health: Health;
    /** Demangled; binary+0xoffset when it has no name. Untrusted text. */
    function_name: string;
    /** The file that it is in, without its folder; [kernel], [vdso]. */
    binary: string;
    /** The compiler has inlined it there: a copy, beside the function itself. */
    inlined: boolean;
    /** "c", "c++", "rust", …; empty when not known. */
    language: string;
    /** In the program itself, not in a library or the kernel. */
    is_main: boolean;
    /** Where it begins, as 0x…; 0x0 when nobody knows. */
    base_address: string;
    /** What was asked for; where it begins when that was a name. */
    queried_address: string;
    /** Functions that fit, this one among them. */
    n_matches: number;
    /** The others, the hottest first; not all if many fit. */
    matches: Array<FunctionMatch>;
    /** When an inlined function was asked for. */
    inlined_host?: InlinedHost;
    /** Names what is shown of the code; another one when that changes. */
    listing: number;
    /** Where the instructions are from. */
    origin: "missing" | "file" | "vdso" | "jit" | "kernel" | "run_file";
    /** Of the file that they are from; empty when of none. */
    path: string;
    /** What is missing. */
    notes: Array<CodeNote>;
    /** Samples with it innermost: the sum over its code. */
    self_samples: number;
    /** On-CPU time with it innermost: likewise. */
    self_on_cpu_ns: number;
    /** Samples with it anywhere on the stack: its total. */
    function_samples: number;
    /** On-CPU time with it anywhere on the stack. */
    function_on_cpu_ns: number;
    /** Waits with it anywhere on the stack. */
    function_off_cpu_ns: number;
    /** Only functions of JITs have any. */
    versions: Array<CfgVersion>;
    /** Self samples at places that are in no block: no code is known. */
    unplaced_samples: number;
    /** Likewise, their time. */
    unplaced_on_cpu_ns: number;
    /** Of the whole function. */
    n_blocks: number;
    /** Jumps into the middle of an instruction: they have no edge. */
    n_into_middle: number;
    /** Jumps of which nobody knows where they lead to. */
    n_unknown: number;
    /** By version, then by address. Absent when there is `changed`. */
    blocks?: Array<CfgBlock>;
    /** By `from`, then `to`. Absent when there is `changed`. */
    edges?: Array<CfgEdge>;
    /** Only to subscribers: instead of the rows, once they have them. Numbers of other rows are as they were. */
    changed?: CodeChanges;
}

/** Which function, and how much of its callers and callees. */
export interface NeighborsParams {
    /** Which part of which run. */
    view?: View;
    /** 0x…, as answers say it: the function that has this address. Or `name`. */
    address?: string;
    /** Part of its name, whatever the case; of several the hottest. Or `address`. */
    name?: string;
    /** Levels below the root of each tree; any when absent. */
    max_depth?: number;
    /** Cuts nodes with a smaller share of the function's total; 0 when absent. */
    min_share?: number;
    /** Of each tree; keeps the heaviest so many; 50000 when absent. */
    max_nodes?: number;
    /** What orders and cuts: "on_cpu" when absent; "wall" is both together. */
    mode?: "on_cpu" | "off_cpu" | "wall";
    /** Only waits for this reason. */
    reason?: "idle" | "lock" | "semaphore" | "ipc" | "io_read" | "io_write" | "readiness" | "sleep" | "connect" | "other";
}

/** Who calls a function, and what it calls. */
export interface Neighbors {
    /** On-CPU time of the whole view: 100 %. */
    total_on_cpu_ns: number;
    /** How far this answer can be trusted. */
    health: Health;
    /** Waits of the whole view. */
    total_off_cpu: OffCpu;
    /** Demangled; binary+0xoffset when it has no name. Untrusted text. */
    function_name: string;
    /** The file that it is in, without its folder; [kernel], [vdso]. */
    binary: string;
    /** The compiler has inlined it there: a copy, beside the function itself. */
    inlined: boolean;
    /** "c", "c++", "rust", …; empty when not known. */
    language: string;
    /** In the program itself, not in a library or the kernel. */
    is_main: boolean;
    /** Where it begins, as 0x…; 0x0 when nobody knows. */
    base_address: string;
    /** What was asked for; where it begins when that was a name. */
    queried_address: string;
    /** Functions that fit, this one among them. */
    n_matches: number;
    /** The others, the hottest first; not all if many fit. */
    matches: Array<FunctionMatch>;
    /** On-CPU time with it as the innermost function. */
    own_on_cpu_ns: number;
    /** Samples with it innermost. */
    own_samples: number;
    /** Waits with it as the innermost function. */
    own_off_cpu: OffCpu;
    /** How many. */
    own_off_cpu_intervals: number;
    /** On-CPU time with it anywhere on the stack: its total. */
    function_on_cpu_ns: number;
    /** Samples with it anywhere on the stack. */
    function_samples: number;
    /** Waits with it anywhere on the stack. */
    function_off_cpu: OffCpu;
    /** How many. */
    function_off_cpu_intervals: number;
    /** Of its total: with it more than once on the stack. */
    recursive_on_cpu_ns: number;
    /** Likewise. */
    recursive_samples: number;
    /** Likewise. */
    recursive_off_cpu_ns: number;
    /** By way of what, most first, a hundred at most. They add up to the three above. */
    recursion: Array<Recursion>;
    /** Who calls it: a node's parent is what it calls, and self are stacks that begin with it. */
    callers_tree: NeighborsTree;
    /** What it calls. */
    callees_tree: NeighborsTree;
    /** Names of both trees, each once. */
    strings: Array<string>;
}

/** What leads to a function or what it leads to, merged over all places where it is called; of a stack that has it more than once, what is outside of its outermost, or inside of its innermost occurrence. Nodes of depth 1 and the root's self add up to the root: the function's total. */
export interface NeighborsTree {
    /** Node 0 is the function. */
    nodes: FlameNodes;
    /** Why its nodes wait. */
    waits: FlameWaits;
}

/** What a function called when it came back to itself: on the way to its innermost occurrence. */
export interface Recursion {
    /** Demangled; binary+0xoffset when it has no name. Untrusted text. */
    function_name: string;
    /** The file that it is in, without its folder; [kernel], [vdso]. */
    binary: string;
    /** The compiler has inlined it there: a copy, beside the function itself. */
    inlined: boolean;
    /** Where it begins, as 0x…. 0x0 of an inlined one. */
    address: string;
    /** On-CPU time that came by way of it. */
    on_cpu_ns: number;
    /** Samples likewise. */
    samples: number;
    /** Waits likewise. */
    off_cpu_ns: number;
}

/** Where sources are now, as gdb's `set substitute-path`. */
export interface SourceMap {
    /** A leading part of a path, whole folders. */
    from: string;
    /** What stands there instead; a path of the server's machine. */
    to: string;
}

/** A function that fits what was asked for. */
export interface FunctionMatch {
    /** Demangled; binary+0xoffset when it has no name. Untrusted text. */
    function_name: string;
    /** The file that it is in, without its folder; [kernel], [vdso]. */
    binary: string;
    /** The compiler has inlined it there: a copy, beside the function itself. */
    inlined: boolean;
    /** Where it begins, as 0x…. 0x0 of an inlined one. */
    address: string;
    /** Samples with it innermost. */
    self_samples: number;
    /** Samples with it anywhere on the stack. */
    total_samples: number;
}

/** An inlined function has no code of its own: the one that has most of it is shown. */
export interface InlinedHost {
    /** The inlined function that was asked for. */
    function_name: string;
    /** Its self samples in all. */
    samples: number;
    /** Those of them in the function that is shown. */
    samples_here: number;
}

/** What there is to be said about some code. */
export interface CodeNote {
    /** "code", "lines", "sources", "inlined". */
    about: string;
    /** What is missing, and why. */
    text: string;
}

/** A line of a source file. */
export interface SourceHeader {
    /** As the debug information has it. */
    file: string;
    /** From 1 on. */
    line: number;
    /** The line itself; absent when the file is not to be had. */
    text?: string;
}

/** Numbers that are others than in the message before, as a table by columns. */
export interface CodeChanges {
    /** Which line (of a cfg: block); the other columns belong to it. */
    row: Array<number>;
    /** As in the row itself. */
    self_samples: Array<number>;
    /** Likewise. */
    self_on_cpu_ns: Array<number>;
    /** Likewise. */
    total_samples: Array<number>;
    /** Likewise. */
    total_on_cpu_ns: Array<number>;
    /** Likewise. */
    total_off_cpu_ns: Array<number>;
}

/** What differs between runs. */
export interface Comparison {
    /** "regression": something is significantly slower. "improvement": nothing is, and something is faster. "too_few_samples": nothing was found, and too little could have been (min_detectable_pct). */
    verdict: "regression" | "improvement" | "no_significant_change" | "too_few_samples";
    /** Something is slower by more than fail_above_pct, significantly. */
    fails: boolean;
    /** As asked. */
    by: "function" | "stack" | "thread";
    /** As asked. */
    mode: "on_cpu" | "off_cpu" | "wall";
    /** As asked. */
    fail_above_pct: number;
    /** A change of this size would be found, with a probability of 90 %, in what makes up half of the base. Absent when there is none. */
    min_detectable_pct?: number;
    /** By how much these runs differ within a side beyond their samples: the standard deviation that all rows have in common. Absent with one run on each side, which cannot show it: then a run counts as at most 100,000 independent samples. */
    run_variation_pct?: number;
    /** The base. */
    a: CompareSide;
    /** What is compared with it. */
    b: CompareSide;
    /** Rows that were tested: with 20 samples and 0.2 % of both sides at least. */
    n_tested: number;
    /** Rows before the limit. */
    n_rows: number;
    /** What has changed first, by how much of the time that is; then by share. */
    rows: Array<CompareRow>;
}

/** One side of a comparison. */
export interface CompareSide {
    /** Its runs. */
    runs: Array<ComparedRun>;
    /** Samples, or waits, of all of them. */
    count: number;
    /** Time on a CPU, or waiting: the mean of the runs. */
    ns: number;
    /** How long a run lasted: the mean. */
    duration_ns: number;
}

/** One run of a comparison. */
export interface ComparedRun {
    /** Its id. */
    run: number;
    /** What was recorded. */
    label: string;
    /** How long it has lasted. */
    duration_ns: number;
    /** Time on a CPU, of all threads. */
    on_cpu_ns: number;
    /** Time spent waiting, of all threads. */
    blocked_ns: number;
    /** How far this run can be trusted. */
    health: Health;
}

/** One function, stack or thread. */
export interface CompareRow {
    /** The function; of a stack, the innermost one; the thread, with # for digits that only number threads. */
    name: string;
    /** Last part of its path; empty for threads. */
    binary: string;
    /** By stack only: the functions, from the outermost one on. */
    stack?: Array<string>;
    /** "slower" and "faster": significantly, relative to what has not changed. "same": no such change was found, and one of fail_above_pct (10 % without it) would have been. "too_few_samples": neither can be told. "not_compared": time in interrupts, which the machine took and not the program. */
    verdict: "slower" | "faster" | "same" | "too_few_samples" | "not_compared";
    /** Whether there are samples of it on both sides, or only in B or only in A. */
    presence: "both" | "new" | "gone";
    /** It is slower by more than fail_above_pct, significantly. */
    fails: boolean;
    /** In the base. */
    a: CompareAmount;
    /** In what is compared with it. */
    b: CompareAmount;
    /** How much slower it is, relative to what has not changed. Absent when there is no end to it (a new one) or when there were too few samples to test it; the latter also goes for the fields below. */
    change_pct?: number;
    /** Where its 95 % interval begins. */
    change_low_pct?: number;
    /** Where it ends. Absent when it does not. */
    change_high_pct?: number;
    /** The probability of samples that differ so much when it has not changed, for this row alone. */
    p?: number;
    /** The same for all rows that were tested: significant up to 0.05. */
    p_adjusted?: number;
    /** The smallest change that is found with a probability of 90 % with as many samples. Absent when none is. */
    min_detectable_pct?: number;
}

/** What one side has of a row. */
export interface CompareAmount {
    /** Samples, or waits. */
    count: number;
    /** Of all samples, or of all time spent waiting, of this side. */
    share_pct: number;
    /** That share of the side's `ns`. */
    ns: number;
    /** The same per second of the run. */
    ns_per_s: number;
}

/** On-CPU time of a view. */
export interface Total {
    /** On-CPU time of the whole view: 100 %. */
    total_on_cpu_ns: number;
    /** How far this answer can be trusted. */
    health: Health;
    /** Waits of the view. */
    total_off_cpu: OffCpu;
}

/** Which call tree, and how much of it. */
export interface LiveTreeParams {
    /** Which part of which run. */
    view?: View;
    /** What orders and cuts: "on_cpu" when absent; "wall" is both together. */
    mode?: "on_cpu" | "off_cpu" | "wall";
    /** Only waits for this reason. */
    reason?: "idle" | "lock" | "semaphore" | "ipc" | "io_read" | "io_write" | "readiness" | "sleep" | "connect" | "other";
    /** The tree begins with this function: what it calls, merged over all places where it is called. All functions of that name count as one, inlined or not; it is an error when no stack has any. Most often together with the view's focus_symbol. */
    focus?: Symbol;
    /** The other way round: innermost functions are the root's children, callers stand below those that they call. With `focus`: the callers of that function. */
    callers?: boolean;
    /** Functions from a child of the root on, the way to a node. */
    zoom?: Array<Symbol>;
    /** Cuts nodes with a smaller share: below the node that `zoom` names, of that node; elsewhere of the whole. 0 when absent. The way to that node is kept in any case. */
    min_share?: number;
    /** Keeps the heaviest so many, by that share; 20000 when absent. */
    max_nodes?: number;
}

/** The call tree, as it grows. */
export interface LiveTree {
    /** On-CPU time of the whole view: 100 %. */
    total_on_cpu_ns: number;
    /** How far this answer can be trusted. */
    health: Health;
    /** Waits of the whole view. */
    total_off_cpu: OffCpu;
    /** Nodes of the whole tree, before anything was cut; of a tree of callers, which is never made whole: those that were looked at. */
    n_nodes: number;
    /** Nodes that are shown. */
    n_shown: number;
    /** How much of `zoom` exists in this view. */
    zoom_depth: number;
    /** Nothing that was sent before counts any more: this is all there is. */
    full: boolean;
    /** What nodes are called. */
    functions: LiveFunctions;
    /** The tree. */
    nodes: LiveNodes;
    /** Its numbers. */
    values: LiveValues;
    /** Why nodes wait: all reasons of each node that is in `values`; empty when mode is on_cpu. */
    waits: FlameWaits;
}

/** Functions that were not sent before, as a table by columns: a dictionary that only grows. */
export interface LiveFunctions {
    /** Number of the first one here; they are numbered as they are first sent. */
    first: number;
    /** Demangled; binary+0xoffset when it has no name. Untrusted text. */
    name: Array<string>;
    /** The file that it is in, without its folder; [kernel], [vdso]. */
    binary: Array<string>;
    /** 0 of the program itself, 1 of a library, 2 of the kernel, 3 made by a JIT, 4 no function: the callers are missing. */
    kind: Array<number>;
    /** "c", "c++", "rust", …; empty when not known. */
    language: Array<string>;
    /** The compiler has inlined it there. */
    inlined: Array<boolean>;
    /** Where it begins, as 0x…; 0x0 of an inlined one. */
    address: Array<string>;
}

/** Nodes that were not sent before, as a table by columns. A node is one as long as its epoch: same parent, same function. */
export interface LiveNodes {
    /** Number of the first one here; they are numbered as they are first sent. */
    first: number;
    /** The node above, with a smaller number; of the root, node 0: 0. */
    parent: Array<number>;
    /** Number of its function; of the root: 0, without meaning, unless there is a `focus`. */
    function: Array<number>;
}

/** Numbers of nodes that have changed, or are new, as a table by columns; they replace those that were sent before. All 0: it is not shown any more. While the run goes on, a time that has changed by less than a thousandth may be left out until there is more. */
export interface LiveValues {
    /** Its number; rising. */
    node: Array<number>;
    /** Time of the node and everything below it. */
    on_cpu_ns: Array<number>;
    /** Time of the node itself. */
    self_on_cpu_ns: Array<number>;
    /** Samples of the node and everything below it. */
    samples: Array<number>;
    /** Samples of the node itself. */
    self_samples: Array<number>;
    /** Waits of the node and everything below it; empty when mode is on_cpu. */
    off_cpu_ns: Array<number>;
    /** Waits of the node itself; likewise. */
    self_off_cpu_ns: Array<number>;
    /** How many waits of the node and everything below it; likewise. */
    intervals: Array<number>;
    /** Nodes right below it that are not shown: they are what its children and itself leave of its time. */
    cut_children: Array<number>;
}

/** The hottest functions, by columns. */
export interface LiveTop {
    /** On-CPU time of the whole view: 100 %. */
    total_on_cpu_ns: number;
    /** How far this answer can be trusted. */
    health: Health;
    /** Waits of the whole view. */
    total_off_cpu: OffCpu;
    /** Time that threads of the view were ready and had no CPU. */
    total_runnable_ns: number;
    /** Functions with samples (or waits: by mode), shown or not. */
    n_functions: number;
    /** Nothing that was sent before counts any more: this is all there is. */
    full: boolean;
    /** What they are called. */
    functions: LiveFunctions;
    /** All of them, each time. */
    rows: LiveRows;
}

/** A table by columns, the hottest first. */
export interface LiveRows {
    /** Number of its function. */
    function: Array<number>;
    /** As in TopEntry. */
    self_on_cpu_ns: Array<number>;
    /** As in TopEntry. */
    total_on_cpu_ns: Array<number>;
    /** As in TopEntry. */
    self_samples: Array<number>;
    /** As in TopEntry. */
    total_samples: Array<number>;
    /** As in TopEntry, all reasons together. */
    self_off_cpu_ns: Array<number>;
    /** As in TopEntry, all reasons together. */
    total_off_cpu_ns: Array<number>;
    /** As in TopEntry. */
    self_off_cpu_intervals: Array<number>;
    /** As in TopEntry. */
    total_off_cpu_intervals: Array<number>;
    /** The reason for most of total_off_cpu_ns, numbered as in FlameWaits; 10 when there is none. */
    reason: Array<number>;
}

/** Activity over time, as it goes on. */
export interface LiveTimeline {
    /** On-CPU time of the whole view: 100 %. */
    total_on_cpu_ns: number;
    /** How far this answer can be trusted. */
    health: Health;
    /** Waits of the view. */
    total_off_cpu: OffCpu;
    /** Of each bucket; the last one may be cut short by the end. */
    bucket_size_ns: number;
    /** Where the first bucket begins, from the start of the run. */
    start_ns: number;
    /** From the start of the run to its end, or to now. */
    recording_duration_ns: number;
    /** Nothing that was sent before counts any more: this is all there is. */
    full: boolean;
    /** How many there are now. */
    n_buckets: number;
    /** Number of the first bucket here; those before are as they were sent. */
    first: number;
    /** By bucket, of all threads of the view together. */
    on_cpu_ns: Array<number>;
    /** By bucket: ready, without a CPU. */
    runnable_ns: Array<number>;
    /** Of buckets from `first` on. */
    waits: LiveBucketWaits;
    /** Threads in this view, shown or not. */
    n_threads: number;
    /** By on-CPU time, most first; all that are shown. */
    threads: Array<LiveTimelineThread>;
}

/** One thread over time. */
export interface LiveTimelineThread {
    /** Thread id. */
    tid: number;
    /** Of its process. */
    pid: number;
    /** The last one it had. Untrusted text. */
    name: string;
    /** Number of the first bucket here; those before are as they were sent. */
    first: number;
    /** By bucket. */
    on_cpu_ns: Array<number>;
    /** By bucket. */
    runnable_ns: Array<number>;
    /** By bucket. */
    off_cpu_ns: Array<number>;
    /** As in TimelineThread. */
    reason: Array<number>;
}

/** Waits by bucket and reason, as a table by columns; what is 0 is left out. */
export interface LiveBucketWaits {
    /** Its number, counted from the start of the timeline; rising. */
    bucket: Array<number>;
    /** Numbered as in FlameWaits. */
    reason: Array<number>;
    /** Waits for this reason; never 0. */
    ns: Array<number>;
}

/** Whether the active run takes in samples. */
export interface SetPausedParams {
    /** True: samples are dropped from now on, and counted. Times of threads and waits go on. */
    paused: boolean;
}

/** Whether the active run takes in samples. */
export interface Paused {
    /** The active run takes in no samples. */
    paused: boolean;
    /** Samples of it that came meanwhile, and were not kept. */
    paused_samples: number;
}

/** A question to be answered again and again. */
export interface SubscribeParams {
    /** The question. */
    method: "Profiler.top" | "Profiler.flamegraph" | "Profiler.threads" | "Profiler.intervals" | "Profiler.wakers" | "Profiler.timeline" | "Profiler.total_on_cpu_ns" | "Profiler.annotated" | "Profiler.cfg" | "Profiler.neighbors" | "Live.tree" | "Live.top" | "Live.timeline";
    /** Its parameters. */
    params?: object;
    /** Not more often than this; 250 when absent. */
    interval_ms?: number;
    /** The next message is sent when Profiler.ack has named this one; false when absent: when the socket has been read. */
    ack?: boolean;
}

/** Names a subscription. */
export interface Subscription {
    /** Its id, on this connection. */
    subscription: number;
}

/** Another question for the same subscription. */
export interface ResubscribeParams {
    /** Its id, on this connection. */
    subscription: number;
    /** The new parameters of its question; as before when absent. */
    params?: object;
    /** As before when absent. */
    interval_ms?: number;
}

/** From which message on a subscription answers its new question. */
export interface Epoch {
    /** Of messages that answer the new question: those of smaller ones are stale. */
    epoch: number;
}

/** What of a subscription has been worked off. */
export interface AckParams {
    /** Its id, on this connection. */
    subscription: number;
    /** Of the message that was worked off, and all before. */
    seq: number;
}

/** Sent as the notification `subscription`. */
export interface SubscriptionMessage {
    /** Its id. */
    subscription: number;
    /** Counts the messages of this subscription from 1. Answers that the client was too slow for are skipped, never queued. */
    seq: number;
    /** 1, and one more with each Profiler.resubscribe. */
    epoch: number;
    /** The run is over: this is the last message. */
    ended: boolean;
    /** The answer, as the method itself would give it. */
    result?: object;
    /** Instead of result. */
    error?: SubscriptionError;
}

/** Why there is no answer. */
export interface SubscriptionError {
    /** As in data.kind of an error. */
    kind: string;
    /** For people. */
    message: string;
}

/** A description of this protocol, see open-rpc.org. */
export interface OpenRpcDocument {
    [field: string]: unknown;
}

/** An object without fields. */
export interface Nothing {
}

/** Parameters and results, by method. */
export interface Methods {
    /** The active run, and what this server can see. */
    "RunControl.status": { params: Nothing; result: Status };
    /** Every run, oldest first. */
    "RunControl.list_runs": { params: Nothing; result: RunList };
    /** The pipeline's own accounting: what arrived, what was lost, what it costs. */
    "RunControl.diagnostics": { params: DiagnosticsParams; result: Diagnostics };
    /** Starts recording a process. One run at a time. */
    "RunControl.start_attach": { params: StartAttachParams; result: Started };
    /** Makes a run of a perf.data file. Others may be recorded meanwhile. */
    "RunControl.import": { params: ImportParams; result: Imported };
    /** Answers when the condition is met, the run has ended, or the time is up. */
    "RunControl.wait_active": { params: WaitActiveParams; result: WaitResult };
    /** Ends the active run. */
    "RunControl.stop_active": { params: Nothing; result: StopResult };
    /** Writes a run into a file of its own, also while it is recorded. */
    "RunControl.save_current": { params: SaveParams; result: Saved };
    /** Opens a run file. */
    "RunControl.open_saved": { params: OpenParams; result: Opened };
    /** Chooses what questions without a run are about. */
    "RunControl.select_run": { params: SelectParams; result: Selected };
    /** Writes a run as a file for other tools. The file is written by the server, with its rights; of a run that goes on it has what there was when writing began. */
    "RunControl.export": { params: ExportParams; result: Exported };
    /** The hottest functions. */
    "Profiler.top": { params: TopParams; result: Top };
    /** The call tree with its weights. */
    "Profiler.flamegraph": { params: FlamegraphParams; result: Flamegraph };
    /** What each thread did. */
    "Profiler.threads": { params: ThreadsParams; result: Threads };
    /** Single waits: the longest, the newest, the oldest. */
    "Profiler.intervals": { params: IntervalsParams; result: Intervals };
    /** Who wakes a thread, and how much of its waiting each of them ended. */
    "Profiler.wakers": { params: WakersParams; result: Wakers };
    /** Activity over time. */
    "Profiler.timeline": { params: TimelineParams; result: Timeline };
    /** The waits that are not over yet, and who stands in whose way. */
    "Profiler.now": { params: NowParams; result: Now };
    /** On-CPU time of a view. */
    "Profiler.total_on_cpu_ns": { params: ViewParams; result: Total };
    /** The instructions of a function, with their samples and source lines. */
    "Profiler.annotated": { params: AnnotatedParams; result: Annotated };
    /** The basic blocks of a function, with their samples. */
    "Profiler.cfg": { params: CfgParams; result: Cfg };
    /** Who calls a function, and what it calls. */
    "Profiler.neighbors": { params: NeighborsParams; result: Neighbors };
    /** What has become slower or faster from some runs to others. */
    "Profiler.compare": { params: CompareParams; result: Comparison };
    /** The call tree by columns; to a subscriber: what has changed. */
    "Live.tree": { params: LiveTreeParams; result: LiveTree };
    /** The hottest functions by columns. */
    "Live.top": { params: TopParams; result: LiveTop };
    /** Activity over time by columns; to a subscriber: what has changed. */
    "Live.timeline": { params: TimelineParams; result: LiveTimeline };
    /** Makes the active run take in no samples for a while. What is dropped is lost. */
    "Profiler.set_paused": { params: SetPausedParams; result: Paused };
    /** Whether the active run takes in samples. */
    "Profiler.is_paused": { params: Nothing; result: Paused };
    /** Answers a question at once, and again whenever there is something new, as notifications named `subscription`. */
    "Profiler.subscribe": { params: SubscribeParams; result: Subscription };
    /** Ends a subscription. */
    "Profiler.unsubscribe": { params: Subscription; result: Nothing };
    /** Gives a subscription another question, or another interval. Its next message answers it in full. */
    "Profiler.resubscribe": { params: ResubscribeParams; result: Epoch };
    /** Of a subscription with `ack`: its last message has been worked off. */
    "Profiler.ack": { params: AckParams; result: Nothing };
    /** This protocol as an OpenRPC document. */
    "rpc.discover": { params: Nothing; result: OpenRpcDocument };
}

/** data.kind of an error. */
export type ErrorKind =
    | "parse_error"
    | "invalid_request"
    | "unknown_method"
    | "invalid_params"
    | "internal"
    | "no_active_run"
    | "already_active"
    | "unknown_run"
    | "not_found"
    | "permission"
    | "capture_failed"
    | "timed_out"
    | "too_large";
