#include "rpc/schema.h"

#include "base/limits.h"

#include <string.h>

// The protocol, top to bottom: first what questions share, then each method with its parameters
// and its result, then the table of methods. Add a field or a method here and validation,
// docs/protocol.md, rpc.discover and the TypeScript types follow. Fields are added, never renamed.
//
// Times are nanoseconds; unless a name says otherwise they count from the start of the run.
// A field of a result is always there unless its sentence says when it is not.

enum { TID_MAX = INT32_MAX, RUN_ID_MAX = UINT32_MAX >> 1, MILLISECONDS_MAX = INT32_MAX };

// ---- Words of the tables -----------------------------------------------------------------------

// Fields of parameters: may be absent.
#define PARAM(name_, kind_, doc_, ...)                                                             \
    {                                                                                              \
        .name = name_, .kind = kind_, .doc = doc_, __VA_ARGS__                                     \
    }
#define RANGE(min_, max_) .min = (min_), .max = (max_)
#define REQUIRED          .required = true

// Fields of results: always there.
#define FIELD(name_, kind_, doc_, ...)                                                             \
    {                                                                                              \
        .name = name_, .kind = kind_, .doc = doc_, .required = true, __VA_ARGS__                   \
    }
#define COUNT(name_, doc_)         FIELD(name_, RPC_INTEGER, doc_)
#define TEXT(name_, doc_)          FIELD(name_, RPC_STRING, doc_)
#define FLAG(name_, doc_)          FIELD(name_, RPC_BOOL, doc_)
#define OBJECT(name_, type_, doc_) FIELD(name_, RPC_OBJECT, doc_, .type = &type_)
#define OBJECTS(name_, type_, doc_)                                                                \
    FIELD(name_, RPC_ARRAY, doc_, .element = RPC_OBJECT, .type = &type_)
#define COUNTS(name_, doc_)            FIELD(name_, RPC_ARRAY, doc_, .element = RPC_INTEGER)
#define FLAGS(name_, doc_)             FIELD(name_, RPC_ARRAY, doc_, .element = RPC_BOOL)
#define TEXTS(name_, doc_)             FIELD(name_, RPC_ARRAY, doc_, .element = RPC_STRING)
#define MAYBE(name_, kind_, doc_, ...) PARAM(name_, kind_, doc_, __VA_ARGS__)

#define FIELDS(name_) static const struct rpc_field name_[]
#define END                                                                                        \
    {                                                                                              \
        .name = NULL                                                                               \
    }

static const struct rpc_field no_fields[] = {END};
static const struct rpc_type nothing = {"Nothing", "An object without fields.",
                                        .fields = no_fields};

// ---- View: which part of a run a question is about ---------------------------------------------

FIELDS(time_range_fields) = {
    PARAM("start_ns", RPC_INTEGER, "Inclusive.", REQUIRED),
    PARAM("end_ns", RPC_INTEGER, "Exclusive.", REQUIRED),
    END,
};
static const struct rpc_type time_range = {
    "TimeRange",
    "Nanoseconds from the start of the run.",
    .fields = time_range_fields,
};

#define RUN_DOC                                                                                    \
    "Which run. When absent: the one that was selected, else the active one, else the newest."

FIELDS(symbol_fields) = {
    PARAM("function_name", RPC_STRING, "As answers show it.", REQUIRED, .max = LIMIT_SYMBOL_BYTES),
    PARAM("binary", RPC_STRING, "As answers show it; any binary when absent.",
          .max = LIMIT_NAME_BYTES),
    END,
};
static const struct rpc_type symbol = {"Symbol", "A function.", .fields = symbol_fields};

FIELDS(view_fields) = {
    PARAM("run", RPC_INTEGER, RUN_DOC, RANGE(1, RUN_ID_MAX)),
    PARAM("tid", RPC_INTEGER, "Only this thread.", RANGE(1, TID_MAX)),
    PARAM("time_range", RPC_OBJECT, "Only samples within it.", .type = &time_range),
    PARAM("exclude_symbols", RPC_ARRAY, "Leaves out samples with one of these on their stack.",
          .element = RPC_OBJECT, .type = &symbol, .max = LIMIT_EXCLUDED_SYMBOLS),
    PARAM("only_symbols", RPC_ARRAY, "Only samples with at least one of these on their stack.",
          .element = RPC_OBJECT, .type = &symbol, .max = LIMIT_EXCLUDED_SYMBOLS),
    PARAM("focus_symbol", RPC_OBJECT, "Only samples with this one on their stack, on top of that.",
          .type = &symbol),
    PARAM("inline", RPC_BOOL,
          "With functions that the compiler has inlined as functions of their own; true when "
          "absent. When false, stacks are as they are in memory."),
    END,
};
static const char *const modes[] = {"on_cpu", "off_cpu", "wall", NULL};
static const char *const single_modes[] = {"on_cpu", "off_cpu", NULL};
static const char *const reasons[] = {
    "idle",      "lock",  "semaphore", "ipc",   "io_read", "io_write",
    "readiness", "sleep", "connect",   "other", NULL,
};

// What weighs: time on a CPU, time spent waiting, or both together.
#define MODE                                                                                       \
    PARAM("mode", RPC_STRING,                                                                      \
          "What orders and cuts: \"on_cpu\" when absent; \"wall\" is both together.",              \
          .values = modes),                                                                        \
        PARAM("reason", RPC_STRING, "Only waits for this reason.", .values = reasons)

static const struct rpc_type view = {
    "View",
    "Which part of a run a question is about. Without fields: the whole of the current run.",
    .fields = view_fields,
};

#define VIEW PARAM("view", RPC_OBJECT, "Which part of which run.", .type = &view)

FIELDS(view_params_fields) = {VIEW, END};
static const struct rpc_type view_params = {
    "ViewParams",
    "A question without parameters of its own.",
    .fields = view_params_fields,
};

// ---- What answers share ------------------------------------------------------------------------

FIELDS(truncated_fields) = {
    COUNT("no_unwind_info", "They end in code without unwinding information and frame pointers."),
    COUNT("copy_too_short", "The stack is longer than what was copied of it: longer copies of that "
                            "thread's stacks are taken from then on."),
    COUNT("unreadable", "The callers are on another stack, which was not copied."),
    COUNT("bad_unwind_info", "The unwinding information makes no sense."),
    COUNT("lost", "A return address leads to where no code is."),
    COUNT("too_deep", "More frames than are kept."),
    COUNT("not_loaded", "The unwinding information was still being read."),
    COUNT("not_copied", "There were too many stacks to copy each."),
    END,
};
static const struct rpc_type truncated = {
    "Truncated",
    "Samples whose stack lacks callers, by reason. In a call tree they stand below a node "
    "`[truncated: ...]` of their own, next to the whole ones.",
    .fields = truncated_fields,
};

FIELDS(health_fields) = {
    COUNT("samples", "Samples in this view."),
    COUNT("lost_samples", "Samples of the run that the kernel took and could not deliver."),
    COUNT("lost_records", "Records of any kind of the run that were lost."),
    COUNT("throttled", "How often the kernel suspended sampling during the run."),
    COUNT("truncated_samples", "Samples in this view whose stack is known to lack callers."),
    OBJECT("truncated", truncated, "The same by reason."),
    COUNT("unresolved_samples", "Samples in this view whose innermost function has no name."),
    FIELD("truncated_pct", RPC_NUMBER, "truncated_samples, in percent.", RANGE(0, 100)),
    FIELD("unresolved_pct", RPC_NUMBER, "unresolved_samples, in percent.", RANGE(0, 100)),
    FLAG("estimated", "On-CPU times are samples x period, not exact."),
    COUNT("unsampled_ns", "On-CPU time in this view of threads without any sample: no function has "
                          "it."),
    FIELD("approximate_pct", RPC_NUMBER,
          "Share of the blocked time in this view whose stack is not the one of the wait itself.",
          RANGE(0, 100)),
    COUNT("unpaired_switches", "How often a thread of the run came back that had not left, or left "
                               "twice: records were lost, and times around them are uncertain."),
    FLAG("recording", "The run goes on: asking again will show more."),
    COUNT("start_ns", "Start of the window that this answer is about."),
    COUNT("end_ns", "End of that window."),
    END,
};
static const struct rpc_type health = {
    "Health",
    "How far an answer can be trusted. In every answer; nothing that was lost is hidden.",
    .fields = health_fields,
};

FIELDS(off_cpu_fields) = {
    COUNT("idle_ns", "A worker with nothing to do, by its own account."),
    COUNT("lock_ns", "A mutex, a read-write lock, a condition variable, a lock of the kernel."),
    COUNT("semaphore_ns", "A semaphore."),
    COUNT("ipc_ns", "A pipe, a socket between processes, a message queue."),
    COUNT("io_read_ns", "Reading a file, or a page of one."),
    COUNT("io_write_ns", "Writing a file."),
    COUNT("readiness_ns", "poll, epoll, select, io_uring."),
    COUNT("sleep_ns", "Sleeping."),
    COUNT("connect_ns", "Connecting or accepting."),
    COUNT("other_ns", "Anything else: a child process, the end of a thread, a signal."),
    END,
};
static const struct rpc_type off_cpu = {
    "OffCpu",
    "Time spent waiting, by reason. All zero unless the capture sees switches (see Capabilities).",
    .fields = off_cpu_fields,
};

static const char *const run_states[] = {"recording", "stopped", NULL};
static const char *const stop_reasons[] = {
    "target_exited", "time_limit", "user_stop", "recorder_error", "snapshot", NULL,
};

FIELDS(run_summary_fields) = {
    COUNT("id", "Of the run: the number of its file in the history, for good. That of a file that "
                "was opened is valid as long as the server lives."),
    FIELD("state", RPC_STRING, "Whether it goes on.", .values = run_states),
    MAYBE("stop_reason", RPC_STRING,
          "Why it ended; \"snapshot\": it was saved while it went on. Absent while recording.",
          .values = stop_reasons),
    TEXT("label", "What was recorded: the command line, or the name of the process."),
    COUNT("target_pid", "The recorded process."),
    COUNT("started_at_unix_ns", "Wall-clock time, since 1970."),
    MAYBE("stopped_at_unix_ns", RPC_INTEGER, "Wall-clock time. Absent while recording."),
    COUNT("duration_ns", "From its start to its end, or to now."),
    COUNT("samples", "Samples so far."),
    COUNT("off_cpu_intervals", "Waits so far."),
    COUNT("frequency_hz", "Samples per second of a thread on a CPU."),
    COUNT("threads", "Threads that were seen."),
    COUNT("lost_samples", "Samples that the kernel took and could not deliver."),
    COUNT("lost_records", "Records of any kind that were lost."),
    COUNT("unrecorded_children_cpu_ns", "CPU time of child processes that were not recorded."),
    FLAG("estimated", "On-CPU times are samples x period, not exact."),
    FLAG("paused", "It takes in no samples at the moment: see Profiler.set_paused."),
    COUNT("paused_samples", "Samples that came while it was paused, and were not kept."),
    FLAG("recovered",
         "The server that recorded it died: it ends where that last wrote to its file."),
    TEXT("host", "Where it was recorded."),
    TEXT("file", "The run file that it is in, or goes into; empty when it has none."),
    FLAG("in_history", "That file is the server's own: it goes when the history is full."),
    TEXTS("notes", "What a person should know about this run, one sentence each."),
    END,
};
static const struct rpc_type run_summary = {
    "RunSummary",
    "One recording, active or over.",
    .fields = run_summary_fields,
};

// ---- RunControl.status -------------------------------------------------------------------------

FIELDS(capability_fields) = {
    FLAG("available", "Whether a recording started now would see it."),
    TEXT("reason", "When not: which setting or limit forbids it, and what would help. Else empty."),
    END,
};
static const struct rpc_type capability = {
    "Capability",
    "Something that may or may not be seen.",
    .fields = capability_fields,
};

FIELDS(capabilities_fields) = {
    OBJECT("kernel_stacks", capability, "The kernel's part of stacks."),
    OBJECT("kernel_symbols", capability, "Names of kernel functions."),
    OBJECT("off_cpu", capability, "When threads leave a CPU and come back."),
    OBJECT("off_cpu_stacks", capability, "The stack of each wait. Without it: the last known one."),
    OBJECT("wait_details", capability, "What a waiting thread waits for: which lock, and whose."),
    OBJECT("wakeups", capability, "Who made a thread ready."),
    OBJECT("pmu", capability, "Hardware counters."),
    OBJECT("stack_copies", capability,
           "Registers and bytes of the stack with each stack: what unwinding by .eh_frame needs."),
    OBJECT("build_ids", capability, "The identity of mapped files, from the kernel."),
    OBJECT("lost_samples", capability, "An exact count of lost samples."),
    END,
};
static const struct rpc_type capabilities = {
    "Capabilities",
    "What can be seen on this machine, by this server.",
    .fields = capabilities_fields,
};

FIELDS(status_fields) = {
    TEXT("version", "Of the server."),
    COUNT("server_pid", "Process id of the server."),
    COUNT("server_started_at_unix_ns", "Wall-clock time, since 1970."),
    OBJECTS("active", run_summary, "The active run: none or one."),
    TEXT("backend", "How events are captured."),
    OBJECT("capabilities", capabilities, "What can be seen here, and why not."),
    TEXT("web_url", "Where a browser finds it; `stax ui` knows the token. Empty: nowhere."),
    TEXT("web_note", "Why nowhere. Else empty."),
    END,
};
static const struct rpc_type status = {"Status", "The state of the server.",
                                       .fields = status_fields};

FIELDS(list_runs_fields) = {
    OBJECTS("runs", run_summary, "By id, so the oldest first."),
    COUNT("current", "The run that a question without a run is about; 0: there is none."),
    END,
};
static const struct rpc_type run_list = {
    "RunList", "Every run that the server knows: recorded by it, by earlier servers, or opened.",
    .fields = list_runs_fields};

// ---- RunControl.diagnostics --------------------------------------------------------------------

FIELDS(diagnostics_params_fields) = {
    PARAM("run", RPC_INTEGER, RUN_DOC, RANGE(1, RUN_ID_MAX)),
    END,
};
static const struct rpc_type diagnostics_params = {
    "DiagnosticsParams",
    "Which run to look into.",
    .fields = diagnostics_params_fields,
};

FIELDS(server_report_fields) = {
    COUNT("pid", "Process id."),
    COUNT("cpu_ns", "CPU time of the whole server so far."),
    COUNT("rss_bytes", "Resident memory."),
    COUNT("connections", "Open connections."),
    COUNT("subscriptions", "Over all connections."),
    COUNT("waiters", "Calls of wait_active in flight."),
    COUNT("query_queue", "Questions that wait for an answer."),
    END,
};
static const struct rpc_type server_report = {
    "ServerReport",
    "What the server itself costs.",
    .fields = server_report_fields,
};

FIELDS(memory_report_fields) = {
    COUNT("total_bytes", "All of the run."),
    COUNT("rows_bytes", "What grows with every sample, wait and wakeup."),
    COUNT("stacks_bytes", "The tree of distinct stacks."),
    END,
};
static const struct rpc_type memory_report = {
    "MemoryReport",
    "Memory of one run.",
    .fields = memory_report_fields,
};

FIELDS(capture_report_fields) = {
    TEXT("backend", "How events are captured."),
    COUNT("rings", "Buffers shared with the kernel."),
    COUNT("ring_bytes", "Their size together."),
    COUNT("cpu_ns", "CPU time of the capture thread."),
    COUNT("drains", "How often the rings were emptied."),
    COUNT("unwound_stacks", "Stacks that came with a copy, and were unwound."),
    COUNT("whole_stacks", "Those among them that lack no callers."),
    COUNT("joined_stacks", "Those that the kernel's own walk continued."),
    COUNT("frame_pointer_steps", "Frames without unwinding information that kept a frame pointer."),
    COUNT("unwind_waited_ns", "How long the capture waited for unwinding information to be read."),
    TEXT("note", "What went less well than it should. Else empty."),
    END,
};
static const struct rpc_type capture_report = {
    "CaptureReport",
    "How the events of one run arrive.",
    .fields = capture_report_fields,
};

FIELDS(image_report_fields) = {
    TEXT("path", "As the target saw it."),
    TEXT("build_id", "Hexadecimal; empty when not known."),
    TEXT("state", "\"ready\", \"loading\", \"failed\", \"anonymous\"."),
    TEXT("note", "Why names are missing. Else empty."),
    TEXT("inline_note", "Why inlined functions are missing, where there is DWARF. Else empty."),
    COUNT("symbols", "Names that it has."),
    COUNT("leaf_samples", "Samples whose innermost frame lies in it."),
    COUNT("unresolved_samples", "Those without a name."),
    END,
};
static const struct rpc_type image_report = {
    "ImageReport",
    "One file with code that samples fell into.",
    .fields = image_report_fields,
};

FIELDS(jit_report_fields) = {
    COUNT("pid", "The process whose code it is about."),
    TEXT("kind", "\"jitdump\" or \"perf_map\"."),
    TEXT("path", "As the target sees it; where it is looked for while there is none."),
    COUNT("codes", "Functions that it told of, and moves of them."),
    COUNT("bytes", "How much of it has been read."),
    COUNT("bad", "Records or lines that make no sense: left out."),
    COUNT("skipped", "Records or lines that say nothing new or nothing of use."),
    COUNT("backwards",
          "Records whose time is before that of the record before: used all the same."),
    TEXT("note", "Why it is not read, or not to its end. Else empty."),
    END,
};
static const struct rpc_type jit_report = {
    "JitReport",
    "One file in which a JIT tells which functions it makes.",
    .fields = jit_report_fields,
};

FIELDS(unexplained_wait_fields) = {
    TEXT("function_name", "The kernel function that waits."),
    COUNT("off_cpu_ns", "How long."),
    COUNT("intervals", "How often."),
    END,
};
static const struct rpc_type unexplained_wait = {
    "UnexplainedWait",
    "A kernel function that the table of reasons has no better name for than \"other\".",
    .fields = unexplained_wait_fields,
};

FIELDS(truncation_report_fields) = {
    TEXT("reason", "A key of Truncated."),
    TEXT("path", "The binary that the stacks end in; empty when it is none."),
    COUNT("samples", "How many."),
    COUNT("intervals", "Waits with such a stack."),
    END,
};
static const struct rpc_type truncation_report = {
    "TruncationReport",
    "Where stacks lack their callers, and why.",
    .fields = truncation_report_fields,
};

FIELDS(truncated_thread_fields) = {
    COUNT("tid", "The thread."),
    TEXT("name", "Its name."),
    COUNT("samples", "All of its samples."),
    COUNT("truncated_samples", "Those whose stack lacks callers."),
    END,
};
static const struct rpc_type truncated_thread = {
    "TruncatedThread",
    "A thread some of whose stacks lack callers.",
    .fields = truncated_thread_fields,
};

FIELDS(file_report_fields) = {
    TEXT("path", "The run file; empty when the run is in memory only."),
    COUNT("bytes", "Its size as of the last commit."),
    COUNT("rows", "Samples, intervals and wakeups in it."),
    COUNT("commits", "How often something was added."),
    COUNT("cpu_ns", "CPU time of the thread that writes it."),
    COUNT("behind_ns", "Since the last commit that worked, when the next one is late; else 0."),
    FLAG("writing", "It is not complete yet."),
    FLAG("names_complete", "It stands on its own: names, lines and code are in it."),
    COUNT("resident_bytes", "Rows that are in memory."),
    COUNT("dropped_chunks", "Chunks of rows that left memory, since they are in the file."),
    COUNT("read_back_chunks", "Chunks that were read back since somebody asked."),
    COUNT("unreadable_chunks", "Chunks that could not be read back."),
    TEXT("note", "What went wrong. Else empty."),
    END,
};
static const struct rpc_type file_report = {
    "FileReport",
    "The file of one run.",
    .fields = file_report_fields,
};

FIELDS(run_report_fields) = {
    COUNT("id", "Of the run."),
    FIELD("events", RPC_MAP, "How many events of each kind arrived."),
    FIELD("accounts", RPC_MAP, "What was lost, cut, throttled or out of order."),
    OBJECT("memory", memory_report, "What the run occupies."),
    OBJECTS("unexplained_waits", unexplained_wait,
            "What the bucket \"other\" consists of, when it is more than 5 % of all waiting; most "
            "first. Empty otherwise."),
    OBJECTS("truncations", truncation_report, "Where stacks end too early; most samples first."),
    OBJECTS("truncated_threads", truncated_thread, "Whose stacks; most first."),
    COUNT("stacks", "Distinct stacks and parts of stacks."),
    COUNT("frames", "Distinct places in code."),
    OBJECT("capture", capture_report, "How its events arrive."),
    OBJECTS("images", image_report, "What has a frame in any stack. By samples, most first."),
    OBJECTS("jit", jit_report,
            "Where the names of code come from that is made while programs run."),
    TEXT("jit_note", "What went wrong with reading those. Else empty."),
    END,
};
static const struct rpc_type run_report = {
    "RunReport",
    "The accounting of one run.",
    .fields = run_report_fields,
};

static const char *const debuginfod_states[] = {"new", "up", "down", "faulty", NULL};

FIELDS(debuginfod_server_fields) = {
    TEXT("url", "Without a name and a password."),
    FIELD(
        "state", RPC_STRING,
        "\"new\": it has not answered yet. \"down\": it was silent, and is left alone for a while. "
        "\"faulty\": likewise, after useless answers.",
        .values = debuginfod_states),
    COUNT("rests_ns", "How long it is still left alone."),
    COUNT("asked", "Requests."),
    COUNT("found", "Answered with the right file."),
    COUNT("missing", "Answered that it does not have it."),
    COUNT("failed", "Answered otherwise, or not."),
    COUNT("bytes", "Received."),
    END,
};
static const struct rpc_type debuginfod_server = {
    "DebuginfodServer",
    "A server of debug files.",
    .fields = debuginfod_server_fields,
};

FIELDS(debuginfod_transfer_fields) = {
    TEXT("build_id", "Hexadecimal."),
    TEXT("url", "Of the server."),
    COUNT("bytes", "Received so far."),
    COUNT("total_bytes", "All of it; 0 when not known."),
    COUNT("elapsed_ns", "Since it was asked for."),
    END,
};
static const struct rpc_type debuginfod_transfer = {
    "DebuginfodTransfer",
    "A file that is being fetched.",
    .fields = debuginfod_transfer_fields,
};

FIELDS(debuginfod_failure_fields) = {
    TEXT("build_id", "Hexadecimal."),
    TEXT("url", "Of the server; empty when the failure is our own (the disk)."),
    TEXT("reason", "What went wrong."),
    COUNT("at_unix_ns", "When, since 1970."),
    END,
};
static const struct rpc_type debuginfod_failure = {
    "DebuginfodFailure",
    "A file that did not come.",
    .fields = debuginfod_failure_fields,
};

FIELDS(debuginfod_report_fields) = {
    FLAG("on", "Whether there are servers to ask: DEBUGINFOD_URLS, or /etc/debuginfod/*.urls."),
    TEXT("note", "What went less well than it should. Else empty."),
    TEXT("cache", "Where files are kept; empty when nowhere."),
    COUNT("fetched", "Files from servers."),
    COUNT("cached", "Files that were in the cache."),
    COUNT("missing", "Files that no server has."),
    COUNT("deferred", "Files that will be asked for again later, those among them."),
    COUNT("sources", "Source files from servers, for who looks at code."),
    COUNT("sources_missing", "Source files that no server has."),
    COUNT("sources_wanted", "Source files that are waited for, or being fetched."),
    OBJECTS("servers", debuginfod_server, "In the order in which they are asked."),
    OBJECTS("transfers", debuginfod_transfer, "What is being fetched now."),
    OBJECTS("failures", debuginfod_failure, "The last ones, the newest first."),
    END,
};
static const struct rpc_type debuginfod_report = {
    "DebuginfodReport",
    "Debug files of stripped binaries, from servers.",
    .fields = debuginfod_report_fields,
};

FIELDS(diagnostics_fields) = {
    OBJECT("server", server_report, "The server itself."),
    OBJECT("debuginfod", debuginfod_report, "Debug files from servers, for all runs."),
    MAYBE("file", RPC_OBJECT, "The run's file. Absent when there is no run.", .type = &file_report),
    MAYBE("run", RPC_OBJECT, "The run. Absent when there is none yet.", .type = &run_report),
    END,
};
static const struct rpc_type diagnostics = {
    "Diagnostics",
    "The pipeline's own accounting.",
    .fields = diagnostics_fields,
};

// ---- RunControl.start_attach -------------------------------------------------------------------

FIELDS(start_attach_params_fields) = {
    PARAM("pid", RPC_INTEGER, "The process.", REQUIRED, RANGE(1, TID_MAX)),
    PARAM("label", RPC_STRING, "Shown in lists. When absent: the name of the process.",
          .max = LIMIT_LABEL_BYTES),
    PARAM("frequency_hz", RPC_INTEGER, "Samples per second of a thread on a CPU; 900 when absent.",
          RANGE(1, LIMIT_FREQUENCY_HZ)),
    PARAM("time_limit_secs", RPC_INTEGER, "Ends the run after so long; without limit when absent.",
          RANGE(1, LIMIT_TIME_LIMIT_S)),
    PARAM("launched", RPC_BOOL,
          "The process waits just before its exec: recording begins with that exec."),
    PARAM("follow", RPC_BOOL, "Records child processes too."),
    PARAM("file", RPC_STRING,
          "Absolute path of the run file that it goes into: a new one, or one that holds another "
          "run, which is replaced. When absent: a file in the history.",
          .max = LIMIT_NAME_BYTES),
    PARAM(
        "dwarf_unwind", RPC_BOOL,
        "Unwinds stacks by .eh_frame from a copy of each; else by frame pointers alone. True when "
        "absent, unless stax-server was started with STAX_DWARF_UNWIND=0."),
    END,
};
static const struct rpc_type start_attach_params = {
    "StartAttachParams",
    "What to record, and how.",
    .fields = start_attach_params_fields,
};

FIELDS(save_params_fields) = {
    PARAM("path", RPC_STRING, "Absolute path of the file; another run file there is replaced.",
          REQUIRED, .max = LIMIT_NAME_BYTES),
    PARAM("run", RPC_INTEGER, RUN_DOC, RANGE(1, RUN_ID_MAX)),
    END,
};
static const struct rpc_type save_params = {
    "SaveParams",
    "Which run goes into which file.",
    .fields = save_params_fields,
};

FIELDS(saved_fields) = {
    COUNT("run", "Which one it was."),
    TEXT("path", "Where it is."),
    COUNT("bytes", "How large the file is."),
    END,
};
static const struct rpc_type saved = {
    "Saved",
    "The file is complete: rows, names, lines and code of what was sampled.",
    .fields = saved_fields,
};

FIELDS(open_params_fields) = {
    PARAM("path", RPC_STRING, "Absolute path of a run file.", REQUIRED, .max = LIMIT_NAME_BYTES),
    PARAM("select", RPC_BOOL,
          "It becomes what questions without a run are about; true when absent."),
    END,
};
static const struct rpc_type open_params = {
    "OpenParams",
    "A run file.",
    .fields = open_params_fields,
};

FIELDS(select_params_fields) = {
    PARAM("run", RPC_INTEGER, "Which run. When absent: none, so the active one, else the newest.",
          RANGE(1, RUN_ID_MAX)),
    END,
};
static const struct rpc_type select_params = {
    "SelectParams",
    "What questions without a run are about from now on, until another recording starts.",
    .fields = select_params_fields,
};

FIELDS(selected_fields) = {
    MAYBE("summary", RPC_OBJECT, "The run. Absent when there is none.", .type = &run_summary),
    END,
};
static const struct rpc_type selected = {
    "Selected",
    "What questions without a run are about.",
    .fields = selected_fields,
};

FIELDS(opened_fields) = {
    COUNT("id", "By which it can be asked about."),
    OBJECT("summary", run_summary, "What it is."),
    END,
};
static const struct rpc_type opened = {
    "Opened",
    "A run file is a run like any other.",
    .fields = opened_fields,
};

FIELDS(started_fields) = {COUNT("id", "Of the new run."), END};
static const struct rpc_type started = {
    "Started",
    "The capture is armed: nothing that the process does from now on is missed.",
    .fields = started_fields,
};

// ---- RunControl.import -------------------------------------------------------------------------

FIELDS(import_params_fields) = {
    PARAM("path", RPC_STRING, "Absolute, of a file that `perf record` wrote; the server reads it.",
          REQUIRED, .max = LIMIT_NAME_BYTES - 1),
    END,
};
static const struct rpc_type import_params = {
    "ImportParams",
    "What to import.",
    .fields = import_params_fields,
};

FIELDS(imported_fields) = {
    COUNT("id", "Of the new run."),
    OBJECT("summary", run_summary, "Of that run, which is over."),
    END,
};
static const struct rpc_type imported = {
    "Imported",
    "A run like any other.",
    .fields = imported_fields,
};

// ---- RunControl.wait_active, stop_active -------------------------------------------------------

FIELDS(wait_condition_fields) = {
    PARAM("until_stopped", RPC_TRUE, "The end of the run."),
    PARAM("for_samples", RPC_INTEGER, "So many samples in all.", RANGE(1, 0)),
    PARAM("for_seconds", RPC_NUMBER, "So many seconds from now.", RANGE(0, LIMIT_TIME_LIMIT_S)),
    PARAM("until_symbol", RPC_STRING, "A sample in a function whose name contains this text.",
          .max = LIMIT_NAME_BYTES),
    END,
};
static const struct rpc_type wait_condition = {
    "WaitCondition",
    "What to wait for: exactly one of these.",
    .fields = wait_condition_fields,
    .exactly_one = true,
};

FIELDS(wait_active_params_fields) = {
    PARAM("condition", RPC_OBJECT, "What to wait for. When absent: the end of the run.",
          .type = &wait_condition),
    PARAM("timeout_ms", RPC_INTEGER, "Gives up after so long; never when absent.",
          RANGE(0, MILLISECONDS_MAX)),
    PARAM("start_ms", RPC_INTEGER,
          "When no run is active: waits so long for one to begin; not at all when absent.",
          RANGE(0, MILLISECONDS_MAX)),
    PARAM("run", RPC_INTEGER, "Waits for this run, which may be over. When absent: the active one.",
          RANGE(1, RUN_ID_MAX)),
    END,
};
static const struct rpc_type wait_active_params = {
    "WaitActiveParams",
    "What to wait for, and how long.",
    .fields = wait_active_params_fields,
};

static const char *const wait_outcomes[] = {
    "condition_met", "stopped", "timed_out", "no_active_run", NULL,
};

FIELDS(wait_result_fields) = {
    FIELD("outcome", RPC_STRING, "What ended the waiting.", .values = wait_outcomes),
    MAYBE("summary", RPC_OBJECT, "The run. Absent when there is none.", .type = &run_summary),
    END,
};
static const struct rpc_type wait_result = {
    "WaitResult",
    "How the waiting ended.",
    .fields = wait_result_fields,
};

FIELDS(stop_result_fields) = {OBJECT("summary", run_summary, "The run that was ended."), END};
static const struct rpc_type stop_result = {
    "StopResult",
    "The run is over, and everything that it recorded can be asked for.",
    .fields = stop_result_fields,
};

// ---- Profiler.top ------------------------------------------------------------------------------

static const char *const top_sorts[] = {"self", "total", NULL};

FIELDS(top_params_fields) = {
    VIEW,
    PARAM("limit", RPC_INTEGER, "How many functions; 20 when absent.", RANGE(1, LIMIT_TOP_ENTRIES)),
    PARAM("sort", RPC_STRING, "By self or by total time; \"self\" when absent.",
          .values = top_sorts),
    MODE,
    END,
};
static const struct rpc_type top_params = {
    "TopParams",
    "How many functions, in which order.",
    .fields = top_params_fields,
};

// The name of a function, wherever one is shown.
#define FUNCTION_FIELDS                                                                            \
    TEXT("function_name", "Demangled; binary+0xoffset when it has no name. Untrusted text."),      \
        TEXT("binary", "The file that it is in, without its folder; [kernel], [vdso]."),           \
        FLAG("inlined", "The compiler has inlined it there: a copy, beside the function itself.")

FIELDS(top_entry_fields) = {
    FUNCTION_FIELDS,
    TEXT("address", "Where it begins, as 0x…: names it exactly. 0x0 of an inlined one."),
    TEXT("language", "\"c\", \"c++\", \"rust\", …; empty when not known."),
    FLAG("is_main", "In the program itself, not in a library or the kernel."),
    COUNT("self_on_cpu_ns", "On-CPU time with it as the innermost function."),
    COUNT("total_on_cpu_ns", "On-CPU time with it anywhere on the stack; recursion counts once."),
    COUNT("self_samples", "Samples with it innermost."),
    COUNT("total_samples", "Samples with it anywhere on the stack."),
    OBJECT("self_off_cpu", off_cpu, "Waits with it as the innermost function."),
    OBJECT("total_off_cpu", off_cpu, "Waits with it anywhere on the stack."),
    COUNT("self_off_cpu_intervals", "How many waits with it innermost."),
    COUNT("total_off_cpu_intervals", "How many waits with it anywhere on the stack."),
    END,
};
static const struct rpc_type top_entry = {"TopEntry", "One function.", .fields = top_entry_fields};

// Every answer about a view begins so.
#define ANSWER_FIELDS                                                                              \
    COUNT("total_on_cpu_ns", "On-CPU time of the whole view: 100 %."),                             \
        OBJECT("health", health, "How far this answer can be trusted.")

FIELDS(top_fields) = {
    ANSWER_FIELDS,
    OBJECT("total_off_cpu", off_cpu, "Waits of the whole view."),
    COUNT("total_runnable_ns", "Time that threads of the view were ready and had no CPU."),
    COUNT("n_functions", "Functions with samples (or waits: by mode), shown or not."),
    OBJECTS("entries", top_entry, "The hottest first."),
    END,
};
static const struct rpc_type top = {"Top", "The hottest functions.", .fields = top_fields};

// ---- Profiler.flamegraph -----------------------------------------------------------------------

FIELDS(flamegraph_params_fields) = {
    VIEW,
    PARAM("max_depth", RPC_INTEGER, "Levels below the root; any when absent.",
          RANGE(1, LIMIT_STACK_DEPTH)),
    PARAM("min_share", RPC_NUMBER, "Cuts nodes with a smaller share of the whole; 0 when absent.",
          RANGE(0, 1)),
    PARAM("max_nodes", RPC_INTEGER, "Keeps the heaviest so many; 50000 when absent.",
          RANGE(1, LIMIT_FLAME_NODES)),
    MODE,
    END,
};
static const struct rpc_type flamegraph_params = {
    "FlamegraphParams",
    "How much of the call tree.",
    .fields = flamegraph_params_fields,
};

FIELDS(flame_nodes_fields) = {
    COUNTS("parent",
           "Index of the caller's node (of a tree of callers: of the callee's), smaller than the "
           "node's own; of the root: 0."),
    COUNTS("function",
           "Index into strings: the function's name; \"\" for the root of a flamegraph."),
    COUNTS("binary", "Index into strings."),
    FLAGS("inlined", "The compiler has inlined it into its caller."),
    TEXTS("address", "Where the function begins, as 0x…; 0x0 of an inlined one."),
    COUNTS("on_cpu_ns", "Time of the node and everything below it."),
    COUNTS("samples", "Samples of the node and everything below it."),
    COUNTS("self_samples", "Samples of the node itself."),
    COUNTS("off_cpu_ns", "Waits of the node and everything below it."),
    COUNTS("self_off_cpu_ns", "Waits of the node itself: it is the function that waits."),
    COUNTS("off_cpu_intervals", "How many waits of the node and everything below it."),
    COUNTS("cut_children", "Nodes right below it that were left out."),
    COUNTS("cut_samples", "Their samples."),
    COUNTS("cut_off_cpu_ns", "Their waits."),
    END,
};

FIELDS(flame_waits_fields) = {
    COUNTS("node", "Index of the node; rising."),
    COUNTS("reason", "0 idle, 1 lock, 2 semaphore, 3 ipc, 4 io_read, 5 io_write, 6 readiness, 7 "
                     "sleep, 8 connect, 9 other."),
    COUNTS("ns", "Waits of the node and everything below it, for this reason; never 0."),
    END,
};
static const struct rpc_type flame_waits = {
    "FlameWaits",
    "off_cpu_ns by reason, as a table by columns; what is 0 is left out.",
    .fields = flame_waits_fields,
};
static const struct rpc_type flame_nodes = {
    "FlameNodes",
    "A table by columns: the n-th elements of all of them are node n. Node 0 is the root; a parent "
    "comes before its children; siblings stand heaviest first.",
    .fields = flame_nodes_fields,
};

FIELDS(flamegraph_fields) = {
    ANSWER_FIELDS,
    COUNT("n_nodes", "Nodes of the whole tree, before anything was cut."),
    TEXTS("strings", "Names, each once."),
    OBJECT("nodes", flame_nodes, "The call tree."),
    OBJECT("waits", flame_waits, "Why its nodes wait."),
    OBJECT("total_off_cpu", off_cpu, "Waits of the whole view."),
    END,
};
static const struct rpc_type flamegraph = {
    "Flamegraph",
    "The call tree with its weights.",
    .fields = flamegraph_fields,
};

// ---- Profiler.threads --------------------------------------------------------------------------

FIELDS(threads_params_fields) = {
    VIEW,
    PARAM("limit", RPC_INTEGER, "How many threads; all when 0 or absent.", RANGE(0, LIMIT_THREADS)),
    END,
};
static const struct rpc_type threads_params = {
    "ThreadsParams",
    "How many threads.",
    .fields = threads_params_fields,
};

FIELDS(thread_fields) = {
    COUNT("tid", "Thread id."),
    COUNT("pid", "Of its process."),
    TEXT("name", "The last one it had. Untrusted text."),
    COUNT("on_cpu_ns", "Time on a CPU."),
    OBJECT("off_cpu", off_cpu, "Time spent waiting; a wait that is not over counts up to now."),
    COUNT("runnable_ns", "Ready to run, waiting for a CPU."),
    COUNT("samples", "Samples of it."),
    COUNT("wakeups", "How often it was made ready, whatever functions the view asks for."),
    COUNT("started_ns", "When it began, from the start of the run."),
    MAYBE("ended_ns", RPC_INTEGER, "When it ended. Absent while it lives."),
    END,
};
static const struct rpc_type thread = {"Thread", "One thread.", .fields = thread_fields};

FIELDS(threads_fields) = {
    ANSWER_FIELDS,
    COUNT("n_threads", "Threads in this view, shown or not."),
    OBJECT("total_off_cpu", off_cpu, "Waits of all of them, shown or not."),
    OBJECTS("threads", thread, "By on-CPU time, most first."),
    END,
};
static const struct rpc_type threads = {"Threads", "What each thread did.",
                                        .fields = threads_fields};

FIELDS(total_fields) = {ANSWER_FIELDS, OBJECT("total_off_cpu", off_cpu, "Waits of the view."), END};
static const struct rpc_type total = {"Total", "On-CPU time of a view.", .fields = total_fields};

// ---- Profiler.intervals ------------------------------------------------------------------------

// A stack that is listed frame by frame, and not as a tree.
FIELDS(frame_fields) = {FUNCTION_FIELDS, END};
static const struct rpc_type frame = {"Frame", "One function of a stack.", .fields = frame_fields};

#define STACK_FIELD(doc_) OBJECTS("stack", frame, doc_)

// Who made a thread ready. Absent fields: not known.
#define WAKER_FIELDS                                                                               \
    MAYBE("waker_tid", RPC_INTEGER,                                                                \
          "Who ended it: a thread; 0 for an interrupt. Absent when not "                           \
          "known."),                                                                               \
        MAYBE("waker_name", RPC_STRING,                                                            \
              "Its name, or its command if it is of another program; "                             \
              "\"[irq]\"."),                                                                       \
        MAYBE("waker_function_name", RPC_STRING,                                                   \
              "The function that did it. Absent when not known."),                                 \
        MAYBE("waker_binary", RPC_STRING, "The file of that function.")

static const char *const interval_orders[] = {"longest", "newest", "oldest", NULL};

FIELDS(intervals_params_fields) = {
    VIEW,
    PARAM("limit", RPC_INTEGER, "How many waits; 20 when absent.",
          RANGE(1, LIMIT_INTERVAL_ENTRIES)),
    PARAM("order", RPC_STRING, "Which ones, and in which order; \"longest\" when absent.",
          .values = interval_orders),
    PARAM("reason", RPC_STRING, "Only waits for this reason.", .values = reasons),
    PARAM("min_ns", RPC_INTEGER, "Only waits of at least this length.", RANGE(0, 0)),
    PARAM("max_frames", RPC_INTEGER, "How much of each stack, from the leaf; 64 when absent.",
          RANGE(0, LIMIT_STACK_DEPTH)),
    END,
};
static const struct rpc_type intervals_params = {
    "IntervalsParams",
    "Which waits. A time range keeps those that lie in it at least in part.",
    .fields = intervals_params_fields,
};

FIELDS(interval_fields) = {
    COUNT("tid", "Who waited."),
    COUNT("pid", "Of its process."),
    TEXT("thread_name", "Its name. Untrusted text."),
    COUNT("start_ns", "When it left the CPU."),
    COUNT("duration_ns", "How long it was blocked."),
    COUNT("runnable_ns", "How long it then waited for a CPU; 0 when the wakeup is not known."),
    FIELD("reason", RPC_STRING, "Why.", .values = reasons),
    FLAG("approximate", "The stack is not the one of this wait, but the last one known."),
    FLAG("open", "It is not over yet."),
    STACK_FIELD("Innermost first: the function that waits."),
    COUNT("frames_cut", "How many outer frames were left out."),
    WAKER_FIELDS,
    END,
};
static const struct rpc_type interval = {"Interval", "One wait.", .fields = interval_fields};

FIELDS(intervals_fields) = {
    ANSWER_FIELDS,
    COUNT("total_intervals", "Waits that match, shown or not."),
    COUNT("total_duration_ns", "Their time within the view."),
    OBJECT("by_reason", off_cpu, "The same by reason."),
    OBJECTS("entries", interval, "In the order that was asked for."),
    END,
};
static const struct rpc_type intervals = {"Intervals", "Single waits.", .fields = intervals_fields};

// ---- Profiler.wakers ---------------------------------------------------------------------------

FIELDS(wakers_params_fields) = {
    VIEW,
    PARAM("tid", RPC_INTEGER, "The thread that is woken.", REQUIRED, RANGE(1, TID_MAX)),
    PARAM("limit", RPC_INTEGER, "How many entries; 20 when absent.",
          RANGE(1, LIMIT_INTERVAL_ENTRIES)),
    END,
};
static const struct rpc_type wakers_params = {
    "WakersParams",
    "Whose wakers.",
    .fields = wakers_params_fields,
};

FIELDS(waker_fields) = {
    COUNT("waker_tid", "The thread that wakes; 0 for an interrupt."),
    COUNT("waker_pid", "Of its process; 0 for an interrupt."),
    TEXT("waker_name", "Its name, or its command if it is of another program; \"[irq]\" for an "
                       "interrupt. Untrusted text."),
    FLAG("interrupt", "An interrupt: a timer, a device."),
    FLAG("foreign", "Not of the recorded processes."),
    TEXT("waker_address", "Where the function begins, as 0x…; 0x0 when not known."),
    TEXT("waker_function_name", "The function that wakes; empty when not known. Untrusted text."),
    TEXT("waker_binary", "The file of that function."),
    COUNT("count", "How often."),
    COUNT("approximate_count", "Of these: the function is that of another wakeup by this thread."),
    COUNT("ended_ns", "How much blocked time these wakeups ended."),
    OBJECT("off_cpu", off_cpu, "The same by reason."),
    STACK_FIELD("Of the most frequent place, innermost first."),
    END,
};
static const struct rpc_type waker = {"Waker", "One thread that wakes another, from one function.",
                                      .fields = waker_fields};

FIELDS(wakers_fields) = {
    ANSWER_FIELDS,
    COUNT("wakee_tid", "The thread that is woken."),
    TEXT("wakee_name", "Its name. Untrusted text."),
    COUNT("total_wakeups", "Of this thread in the view."),
    COUNT("n_entries", "Wakers by function, shown or not."),
    OBJECTS("entries", waker, "By count, most first."),
    FLAG("available", "Whether wakeups are recorded."),
    TEXT("reason", "When not: what forbids it. Else empty."),
    END,
};
static const struct rpc_type wakers = {"Wakers", "Who wakes a thread.", .fields = wakers_fields};

// ---- Profiler.timeline -------------------------------------------------------------------------

FIELDS(timeline_params_fields) = {
    VIEW,
    PARAM("buckets", RPC_INTEGER, "About how many, at most; 60 when absent.",
          RANGE(1, LIMIT_TIMELINE_BUCKETS)),
    PARAM("threads", RPC_INTEGER, "How many threads on their own; 20 when absent.",
          RANGE(0, LIMIT_TIMELINE_THREADS)),
    END,
};
static const struct rpc_type timeline_params = {
    "TimelineParams",
    "How fine.",
    .fields = timeline_params_fields,
};

FIELDS(timeline_bucket_fields) = {
    COUNT("start_ns", "From the start of the run."),
    COUNT("on_cpu_ns", "Of all threads of the view together."),
    COUNT("runnable_ns", "Ready, without a CPU."),
    OBJECT("off_cpu", off_cpu, "Waiting."),
    END,
};
static const struct rpc_type timeline_bucket = {
    "TimelineBucket",
    "One slice of time.",
    .fields = timeline_bucket_fields,
};

FIELDS(timeline_thread_fields) = {
    COUNT("tid", "Thread id."),
    COUNT("pid", "Of its process."),
    TEXT("name", "The last one it had. Untrusted text."),
    COUNTS("on_cpu_ns", "By bucket."),
    COUNTS("runnable_ns", "By bucket."),
    COUNTS("off_cpu_ns", "By bucket."),
    COUNTS("reason", "By bucket: the reason for most of off_cpu_ns, numbered as in FlameWaits; 10 "
                     "when it did not wait."),
    END,
};
static const struct rpc_type timeline_thread = {
    "TimelineThread",
    "One thread over time.",
    .fields = timeline_thread_fields,
};

FIELDS(timeline_fields) = {
    ANSWER_FIELDS,
    OBJECT("total_off_cpu", off_cpu, "Waits of the view."),
    COUNT("bucket_size_ns", "Of each bucket; the last one may be cut short by the end."),
    COUNT("recording_duration_ns", "From the start of the run to its end, or to now."),
    OBJECTS("buckets", timeline_bucket, "Without gaps, the oldest first."),
    COUNT("n_threads", "Threads in this view, shown or not."),
    OBJECTS("threads", timeline_thread, "By on-CPU time, most first."),
    END,
};
static const struct rpc_type timeline = {"Timeline", "Activity over time.",
                                         .fields = timeline_fields};

// ---- Profiler.now ------------------------------------------------------------------------------

FIELDS(now_params_fields) = {
    PARAM("tid", RPC_INTEGER, "Only this thread.", RANGE(1, TID_MAX)),
    PARAM("limit", RPC_INTEGER, "How many waits; 100 when absent.", RANGE(1, LIMIT_NOW_LOOKS)),
    PARAM("max_frames", RPC_INTEGER, "How much of each stack, from the leaf; 64 when absent.",
          RANGE(0, LIMIT_STACK_DEPTH)),
    END,
};
static const struct rpc_type now_params = {
    "NowParams",
    "Which waits. Always of the active run: what is over waits for nothing.",
    .fields = now_params_fields,
};

static const char *const now_states[] = {"running", "runnable", "waiting", "ended", NULL};
static const char *const now_objects[] = {
    "", "mutex", "lock", "condition", "semaphore", "thread", NULL,
};

FIELDS(now_owner_fields) = {
    COUNT("tid", "The thread that has it, or that is waited for."),
    TEXT("name", "Its name. Untrusted text."),
    FIELD("state", RPC_STRING, "What that thread does.", .values = now_states),
    TEXT("function_name", "Where it waits, or was seen last; empty when not known."),
    TEXT("binary", "The file of that function."),
    END,
};
static const struct rpc_type now_owner = {
    "NowOwner",
    "Who has what another thread waits for.",
    .fields = now_owner_fields,
};

FIELDS(now_wait_fields) = {
    COUNT("tid", "Who waits."),
    COUNT("pid", "Of its process."),
    TEXT("thread_name", "Its name. Untrusted text."),
    COUNT("since_ns", "When it began to."),
    COUNT("duration_ns", "How long so far."),
    FIELD("reason", RPC_STRING, "Why.", .values = reasons),
    TEXT("place", "The kernel function that it waits in; empty when not known."),
    FLAG("approximate", "The stack is not the one of this wait, but the last one known."),
    STACK_FIELD("Innermost first."),
    COUNT("frames_cut", "How many outer frames were left out."),
    WAKER_FIELDS,
    FIELD("object", RPC_STRING, "What kind of thing it waits for; empty when not known.",
          .values = now_objects),
    MAYBE("object_address", RPC_STRING, "Its address, as 0x…. Absent when not known."),
    MAYBE("owner", RPC_OBJECT, "Who has it. Absent when not known.", .type = &now_owner),
    FLAG("deadlock", "It is part of a cycle: it will wait for ever."),
    END,
};
static const struct rpc_type now_wait = {"NowWait", "A wait that is not over.",
                                         .fields = now_wait_fields};

FIELDS(now_deadlock_fields) = {
    COUNTS("tids", "Each waits for something that the next one has, the last for the first."),
    TEXT("text", "The same in one sentence."),
    END,
};
static const struct rpc_type now_deadlock = {"Deadlock", "Threads that wait for each other.",
                                             .fields = now_deadlock_fields};

FIELDS(now_fields) = {
    ANSWER_FIELDS,
    COUNT("time_ns", "The moment that this is about."),
    COUNT("n_running", "Threads on a CPU."),
    COUNT("n_runnable", "Threads that are ready and have no CPU."),
    COUNT("n_waiting", "Threads that wait, shown or not."),
    OBJECTS("waits", now_wait, "Deadlocked ones first, then the longest first."),
    OBJECTS("deadlocks", now_deadlock, "Cycles of waits."),
    TEXTS("notes", "What could not be found out, and what would help."),
    END,
};
static const struct rpc_type now = {"Now", "The waits that are not over yet.",
                                    .fields = now_fields};

// ---- Profiler.compare --------------------------------------------------------------------------

static const char *const compare_bys[] = {"function", "stack", "thread", NULL};
static const char *const compare_outcomes[] = {"regression", "improvement", "no_significant_change",
                                               "too_few_samples", NULL};
static const char *const compare_verdicts[] = {"slower",          "faster",       "same",
                                               "too_few_samples", "not_compared", NULL};
static const char *const compare_presences[] = {"both", "new", "gone", NULL};

FIELDS(compare_params_fields) = {
    PARAM("a", RPC_ARRAY, "The runs that are the base: their ids.", .element = RPC_INTEGER,
          REQUIRED, .max = LIMIT_COMPARE_RUNS),
    PARAM("b", RPC_ARRAY, "The runs that are compared with it.", .element = RPC_INTEGER, REQUIRED,
          .max = LIMIT_COMPARE_RUNS),
    PARAM("by", RPC_STRING, "What is compared: \"function\" when absent.", .values = compare_bys),
    PARAM("mode", RPC_STRING, "Samples, or time spent waiting: \"on_cpu\" when absent.",
          .values = single_modes),
    PARAM("limit", RPC_INTEGER, "How many rows; 20 when absent.", RANGE(1, LIMIT_COMPARE_ENTRIES)),
    PARAM("fail_above_pct", RPC_NUMBER,
          "What is slower by no more than this fails nothing, and is what min_detectable_pct is "
          "measured by; 0 when absent.",
          RANGE(0, 10000)),
    END,
};
static const struct rpc_type compare_params = {"CompareParams", "What to compare.",
                                               .fields = compare_params_fields};

FIELDS(compared_run_fields) = {
    COUNT("run", "Its id."),
    TEXT("label", "What was recorded."),
    COUNT("duration_ns", "How long it has lasted."),
    COUNT("on_cpu_ns", "Time on a CPU, of all threads."),
    COUNT("blocked_ns", "Time spent waiting, of all threads."),
    OBJECT("health", health, "How far this run can be trusted."),
    END,
};
static const struct rpc_type compared_run = {"ComparedRun", "One run of a comparison.",
                                             .fields = compared_run_fields};

FIELDS(compare_side_fields) = {
    OBJECTS("runs", compared_run, "Its runs."),
    COUNT("count", "Samples, or waits, of all of them."),
    FIELD("ns", RPC_NUMBER, "Time on a CPU, or waiting: the mean of the runs."),
    FIELD("duration_ns", RPC_NUMBER, "How long a run lasted: the mean."),
    END,
};
static const struct rpc_type compare_side = {"CompareSide", "One side of a comparison.",
                                             .fields = compare_side_fields};

FIELDS(compare_amount_fields) = {
    COUNT("count", "Samples, or waits."),
    FIELD("share_pct", RPC_NUMBER, "Of all samples, or of all time spent waiting, of this side."),
    FIELD("ns", RPC_NUMBER, "That share of the side's `ns`."),
    FIELD("ns_per_s", RPC_NUMBER, "The same per second of the run."),
    END,
};
static const struct rpc_type compare_amount = {"CompareAmount", "What one side has of a row.",
                                               .fields = compare_amount_fields};

FIELDS(compare_row_fields) = {
    TEXT("name", "The function; of a stack, the innermost one; the thread, with # for digits that "
                 "only number threads."),
    TEXT("binary", "Last part of its path; empty for threads."),
    MAYBE("stack", RPC_ARRAY, "By stack only: the functions, from the outermost one on.",
          .element = RPC_STRING),
    FIELD(
        "verdict", RPC_STRING,
        "\"slower\" and \"faster\": significantly, relative to what has not changed. \"same\": no "
        "such change was found, and one of fail_above_pct (10 % without it) would have been. "
        "\"too_few_samples\": neither can be told. \"not_compared\": time in interrupts, which the "
        "machine took and not the program.",
        .values = compare_verdicts),
    FIELD("presence", RPC_STRING,
          "Whether there are samples of it on both sides, or only in B or "
          "only in A.",
          .values = compare_presences),
    FLAG("fails", "It is slower by more than fail_above_pct, significantly."),
    OBJECT("a", compare_amount, "In the base."),
    OBJECT("b", compare_amount, "In what is compared with it."),
    MAYBE("change_pct", RPC_NUMBER,
          "How much slower it is, relative to what has not changed. Absent when there is no end to "
          "it (a new one) or when there were too few samples to test it; the latter also goes for "
          "the fields below.",
          .min = -100),
    MAYBE("change_low_pct", RPC_NUMBER, "Where its 95 % interval begins.", .min = -100),
    MAYBE("change_high_pct", RPC_NUMBER, "Where it ends. Absent when it does not.", .min = -100),
    MAYBE("p", RPC_NUMBER,
          "The probability of samples that differ so much when it has not changed, for this row "
          "alone."),
    MAYBE("p_adjusted", RPC_NUMBER,
          "The same for all rows that were tested: significant up to "
          "0.05."),
    MAYBE("min_detectable_pct", RPC_NUMBER,
          "The smallest change that is found with a probability of 90 % with as many samples. "
          "Absent when none is."),
    END,
};
static const struct rpc_type compare_row = {"CompareRow", "One function, stack or thread.",
                                            .fields = compare_row_fields};

FIELDS(comparison_fields) = {
    FIELD("verdict", RPC_STRING,
          "\"regression\": something is significantly slower. \"improvement\": nothing is, and "
          "something is faster. \"too_few_samples\": nothing was found, and too little could have "
          "been (min_detectable_pct).",
          .values = compare_outcomes),
    FLAG("fails", "Something is slower by more than fail_above_pct, significantly."),
    FIELD("by", RPC_STRING, "As asked.", .values = compare_bys),
    FIELD("mode", RPC_STRING, "As asked.", .values = modes),
    FIELD("fail_above_pct", RPC_NUMBER, "As asked."),
    MAYBE("min_detectable_pct", RPC_NUMBER,
          "A change of this size would be found, with a probability of 90 %, in what makes up half "
          "of the base. Absent when there is none."),
    MAYBE(
        "run_variation_pct", RPC_NUMBER,
        "By how much these runs differ within a side beyond their samples: the standard deviation "
        "that all rows have in common. Absent with one run on each side, which cannot show it: "
        "then a run counts as at most 100,000 independent samples."),
    OBJECT("a", compare_side, "The base."),
    OBJECT("b", compare_side, "What is compared with it."),
    COUNT("n_tested", "Rows that were tested: with 20 samples and 0.2 % of both sides at least."),
    COUNT("n_rows", "Rows before the limit."),
    OBJECTS("rows", compare_row,
            "What has changed first, by how much of the time that is; then by "
            "share."),
    END,
};
static const struct rpc_type comparison = {"Comparison", "What differs between runs.",
                                           .fields = comparison_fields};

// ---- Questions about one function --------------------------------------------------------------

// Which one: exactly one of the two.
#define TARGET                                                                                     \
    PARAM("address", RPC_STRING,                                                                   \
          "0x…, as answers say it: the function that has this address. Or `name`.", .max = 18),    \
        PARAM("name", RPC_STRING,                                                                  \
              "Part of its name, whatever the case; of several the hottest. Or `address`.",        \
              .max = LIMIT_NAME_BYTES - 1)

FIELDS(source_map_fields) = {
    PARAM("from", RPC_STRING, "A leading part of a path, whole folders.", REQUIRED,
          .max = LIMIT_NAME_BYTES - 1),
    PARAM("to", RPC_STRING, "What stands there instead; a path of the server's machine.", REQUIRED,
          .max = LIMIT_NAME_BYTES - 1),
    END,
};
static const struct rpc_type source_map = {
    "SourceMap",
    "Where sources are now, as gdb's `set substitute-path`.",
    .fields = source_map_fields,
};

static const char *const syntaxes[] = {"intel", "att", NULL};

// How code is shown.
#define CODE_PARAMS                                                                                \
    PARAM("syntax", RPC_STRING, "Of x86 instructions; \"intel\" when absent.",                     \
          .values = syntaxes),                                                                     \
        PARAM("source", RPC_BOOL, "Lines of the source as well; true when absent."),               \
        PARAM("source_paths", RPC_ARRAY, "Where sources are now.", .element = RPC_OBJECT,          \
              .type = &source_map, .max = LIMIT_SOURCE_MAPS)

FIELDS(function_match_fields) = {
    FUNCTION_FIELDS,
    TEXT("address", "Where it begins, as 0x…. 0x0 of an inlined one."),
    COUNT("self_samples", "Samples with it innermost."),
    COUNT("total_samples", "Samples with it anywhere on the stack."),
    END,
};
static const struct rpc_type function_match = {
    "FunctionMatch",
    "A function that fits what was asked for.",
    .fields = function_match_fields,
};

FIELDS(inlined_host_fields) = {
    TEXT("function_name", "The inlined function that was asked for."),
    COUNT("samples", "Its self samples in all."),
    COUNT("samples_here", "Those of them in the function that is shown."),
    END,
};
static const struct rpc_type inlined_host = {
    "InlinedHost",
    "An inlined function has no code of its own: the one that has most of it is shown.",
    .fields = inlined_host_fields,
};

// Which function the answer is about.
#define TARGET_FIELDS                                                                              \
    FUNCTION_FIELDS, TEXT("language", "\"c\", \"c++\", \"rust\", …; empty when not known."),       \
        FLAG("is_main", "In the program itself, not in a library or the kernel."),                 \
        TEXT("base_address", "Where it begins, as 0x…; 0x0 when nobody knows."),                   \
        TEXT("queried_address", "What was asked for; where it begins when that was a name."),      \
        COUNT("n_matches", "Functions that fit, this one among them."),                            \
        OBJECTS("matches", function_match, "The others, the hottest first; not all if many fit.")

FIELDS(code_note_fields) = {
    TEXT("about", "\"code\", \"lines\", \"sources\", \"inlined\"."),
    TEXT("text", "What is missing, and why."),
    END,
};
static const struct rpc_type code_note = {"CodeNote", "What there is to be said about some code.",
                                          .fields = code_note_fields};

static const char *const code_origins[] = {
    "missing", "file", "vdso", "jit", "kernel", "run_file", NULL,
};

// Where the code that is shown comes from.
#define LISTING_FIELDS                                                                             \
    MAYBE("inlined_host", RPC_OBJECT, "When an inlined function was asked for.",                   \
          .type = &inlined_host),                                                                  \
        COUNT("listing", "Names what is shown of the code; another one when that changes."),       \
        FIELD("origin", RPC_STRING, "Where the instructions are from.", .values = code_origins),   \
        TEXT("path", "Of the file that they are from; empty when of none."),                       \
        OBJECTS("notes", code_note, "What is missing.")

FIELDS(source_header_fields) = {
    TEXT("file", "As the debug information has it."),
    COUNT("line", "From 1 on."),
    MAYBE("text", RPC_STRING, "The line itself; absent when the file is not to be had."),
    END,
};
static const struct rpc_type source_header = {"SourceHeader", "A line of a source file.",
                                              .fields = source_header_fields};

#define CODE_NUMBERS                                                                               \
    COUNT("self_samples", "Samples right there."), COUNT("self_on_cpu_ns", "Time right there."),   \
        COUNT("total_samples", "Samples there and in what is called from there."),                 \
        COUNT("total_on_cpu_ns", "Time there and in what is called from there."),                  \
        COUNT("total_off_cpu_ns", "Waits in what is called from there.")

FIELDS(code_changes_fields) = {
    COUNTS("row", "Which line (of a cfg: block); the other columns belong to it."),
    COUNTS("self_samples", "As in the row itself."),
    COUNTS("self_on_cpu_ns", "Likewise."),
    COUNTS("total_samples", "Likewise."),
    COUNTS("total_on_cpu_ns", "Likewise."),
    COUNTS("total_off_cpu_ns", "Likewise."),
    END,
};
static const struct rpc_type code_changes = {
    "CodeChanges",
    "Numbers that are others than in the message before, as a table by columns.",
    .fields = code_changes_fields,
};

#define CHANGED                                                                                    \
    MAYBE("changed", RPC_OBJECT,                                                                   \
          "Only to subscribers: instead of the rows, once they have them. Numbers of other rows "  \
          "are as they were.",                                                                     \
          .type = &code_changes)

// ---- Profiler.annotated ------------------------------------------------------------------------

FIELDS(annotated_params_fields) = {
    VIEW,
    TARGET,
    CODE_PARAMS,
    PARAM("first_line", RPC_INTEGER, "Leaves out so many lines; 0 when absent.",
          RANGE(0, UINT32_MAX)),
    PARAM("limit", RPC_INTEGER, "How many lines; 20000 when absent.",
          RANGE(1, LIMIT_ANNOTATED_LINES)),
    END,
};
static const struct rpc_type annotated_params = {
    "AnnotatedParams",
    "Which function, and how to show it.",
    .fields = annotated_params_fields,
};

// The numbers of a function as a whole. `total_on_cpu_ns` of an answer is that of the view.
#define FUNCTION_NUMBERS                                                                           \
    COUNT("self_samples", "Samples with it innermost: the sum over its code."),                    \
        COUNT("self_on_cpu_ns", "On-CPU time with it innermost: likewise."),                       \
        COUNT("function_samples", "Samples with it anywhere on the stack: its total."),            \
        COUNT("function_on_cpu_ns", "On-CPU time with it anywhere on the stack."),                 \
        COUNT("function_off_cpu_ns", "Waits with it anywhere on the stack.")

FIELDS(inlined_at_fields) = {
    TEXT("function_name", "What was inlined, into the one before it."),
    MAYBE("call_file", RPC_STRING, "Where that calls it; absent when not known."),
    MAYBE("call_line", RPC_INTEGER, "Likewise."),
    END,
};
static const struct rpc_type inlined_at = {
    "InlinedAt",
    "A function that the compiler has inlined at some instructions.",
    .fields = inlined_at_fields,
};

FIELDS(annotated_line_fields) = {
    TEXT("address", "Of the process, as 0x…; 0x0 when nobody knows."),
    TEXT("bytes", "In hexadecimal; empty when they are not to be had."),
    TEXT("text", "As people read it; empty when its bytes are not to be had."),
    FLAG("is_data", "It is no instruction."),
    CODE_NUMBERS,
    MAYBE(
        "source_header", RPC_OBJECT,
        "Only where it changes: the line of the source that this and the next ones are of. With an "
        "empty file and line 0: of none that is known.",
        .type = &source_header),
    MAYBE("inlined", RPC_ARRAY,
          "Only where it changes: the functions that this and the next ones are inlined from, the "
          "outermost first; empty: of none, from here on.",
          .element = RPC_OBJECT, .type = &inlined_at),
    MAYBE("target_name", RPC_STRING, "Of what it calls or jumps to, when that is known."),
    MAYBE("target_address", RPC_STRING, "Likewise; absent when the instruction does not say it."),
    END,
};
static const struct rpc_type annotated_line = {
    "AnnotatedLine",
    "An instruction; or a place with samples whose code is not to be had.",
    .fields = annotated_line_fields,
};

FIELDS(code_version_fields) = {
    TEXT("address", "Where it begins, as 0x…."),
    COUNT("first_line", "Of all lines."),
    COUNT("n_lines", "Its own."),
    COUNT("loaded_ns", "When the JIT made it."),
    COUNT("self_samples", "Samples right in it."),
    END,
};
static const struct rpc_type code_version = {
    "CodeVersion",
    "Code that a JIT made of a function, one of several perhaps.",
    .fields = code_version_fields,
};

FIELDS(annotated_fields) = {
    ANSWER_FIELDS,
    TARGET_FIELDS,
    LISTING_FIELDS,
    FUNCTION_NUMBERS,
    OBJECTS("versions", code_version, "Only functions of JITs have any."),
    COUNT("n_lines", "Of the whole function."),
    COUNT("first_line", "How many of them come before those that are here."),
    COUNT("cut_self_samples", "Self samples at lines that are not here."),
    MAYBE("lines", RPC_ARRAY, "By version, then by address. Absent when there is `changed`.",
          .element = RPC_OBJECT, .type = &annotated_line),
    CHANGED,
    END,
};
static const struct rpc_type annotated = {
    "Annotated",
    "The instructions of a function, with their samples: `self_samples` of the lines and "
    "`cut_self_samples` add up to those of the function.",
    .fields = annotated_fields,
};

// ---- Profiler.cfg ------------------------------------------------------------------------------

FIELDS(cfg_params_fields) = {VIEW, TARGET, CODE_PARAMS, END};
static const struct rpc_type cfg_params = {
    "CfgParams",
    "Which function, and how to show it.",
    .fields = cfg_params_fields,
};

static const char *const block_ends[] = {
    "goes_on",    "branches", "jumps",          "switches", "jumps_anywhere",
    "tail_calls", "returns",  "calls_noreturn", "stops",    NULL,
};
static const char *const edge_kinds[] = {"next", "taken", "jump", "switch", NULL};

FIELDS(cfg_block_fields) = {
    COUNT("id", "Its place in `blocks`, from 0 on."),
    TEXT("address", "Of its first instruction, as 0x…."),
    TEXT("end_address", "Behind its last one."),
    COUNT("n_instructions", "And data."),
    COUNT("first_line", "Where it begins in the lines of Profiler.annotated."),
    FIELD("end", RPC_STRING, "What its last instruction does; see docs/cfg.md.",
          .values = block_ends),
    MAYBE("target_name", RPC_STRING, "Of a tail call: where it leads to, when that is known."),
    CODE_NUMBERS,
    MAYBE("source_header", RPC_OBJECT, "The line of the source that it begins with.",
          .type = &source_header),
    MAYBE("calls", RPC_ARRAY, "Names of what it calls, each once; absent when none is known.",
          .element = RPC_STRING),
    END,
};
static const struct rpc_type cfg_block = {
    "CfgBlock",
    "Instructions that are entered at the first one and left at the last one.",
    .fields = cfg_block_fields,
};

FIELDS(cfg_edge_fields) = {
    COUNT("from", "A block."),
    COUNT("to", "A block."),
    FIELD("kind", RPC_STRING, "How control gets from one to the other.", .values = edge_kinds),
    END,
};
static const struct rpc_type cfg_edge = {"CfgEdge", "A way from one block to another.",
                                         .fields = cfg_edge_fields};

FIELDS(cfg_version_fields) = {
    TEXT("address", "Where it begins, as 0x…."),
    COUNT("first_block", "Of all blocks."),
    COUNT("n_blocks", "Its own."),
    END,
};
static const struct rpc_type cfg_version = {
    "CfgVersion",
    "Code that a JIT made of a function, one of several perhaps.",
    .fields = cfg_version_fields,
};

FIELDS(cfg_fields) = {
    ANSWER_FIELDS,
    TARGET_FIELDS,
    LISTING_FIELDS,
    FUNCTION_NUMBERS,
    OBJECTS("versions", cfg_version, "Only functions of JITs have any."),
    COUNT("unplaced_samples", "Self samples at places that are in no block: no code is known."),
    COUNT("unplaced_on_cpu_ns", "Likewise, their time."),
    COUNT("n_blocks", "Of the whole function."),
    COUNT("n_into_middle", "Jumps into the middle of an instruction: they have no edge."),
    COUNT("n_unknown", "Jumps of which nobody knows where they lead to."),
    MAYBE("blocks", RPC_ARRAY, "By version, then by address. Absent when there is `changed`.",
          .element = RPC_OBJECT, .type = &cfg_block),
    MAYBE("edges", RPC_ARRAY, "By `from`, then `to`. Absent when there is `changed`.",
          .element = RPC_OBJECT, .type = &cfg_edge),
    CHANGED,
    END,
};
static const struct rpc_type cfg = {
    "Cfg",
    "The basic blocks of a function, with their samples: `self_samples` of the blocks and "
    "`unplaced_samples` add up to those of the function.",
    .fields = cfg_fields,
};

// ---- Profiler.neighbors ------------------------------------------------------------------------

FIELDS(neighbors_params_fields) = {
    VIEW,
    TARGET,
    PARAM("max_depth", RPC_INTEGER, "Levels below the root of each tree; any when absent.",
          RANGE(1, LIMIT_STACK_DEPTH)),
    PARAM("min_share", RPC_NUMBER,
          "Cuts nodes with a smaller share of the function's total; 0 when absent.", RANGE(0, 1)),
    PARAM("max_nodes", RPC_INTEGER, "Of each tree; keeps the heaviest so many; 50000 when absent.",
          RANGE(1, LIMIT_FLAME_NODES)),
    MODE,
    END,
};
static const struct rpc_type neighbors_params = {
    "NeighborsParams",
    "Which function, and how much of its callers and callees.",
    .fields = neighbors_params_fields,
};

FIELDS(neighbors_tree_fields) = {
    OBJECT("nodes", flame_nodes, "Node 0 is the function."),
    OBJECT("waits", flame_waits, "Why its nodes wait."),
    END,
};
static const struct rpc_type neighbors_tree = {
    "NeighborsTree",
    "What leads to a function or what it leads to, merged over all places where it is called; of a "
    "stack that has it more than once, what is outside of its outermost, or inside of its innermost "
    "occurrence. Nodes of depth 1 and the root's self add up to the root: the function's total.",
    .fields = neighbors_tree_fields,
};

FIELDS(recursion_fields) = {
    FUNCTION_FIELDS,
    TEXT("address", "Where it begins, as 0x…. 0x0 of an inlined one."),
    COUNT("on_cpu_ns", "On-CPU time that came by way of it."),
    COUNT("samples", "Samples likewise."),
    COUNT("off_cpu_ns", "Waits likewise."),
    END,
};
static const struct rpc_type recursion = {
    "Recursion",
    "What a function called when it came back to itself: on the way to its innermost occurrence.",
    .fields = recursion_fields,
};

FIELDS(neighbors_fields) = {
    ANSWER_FIELDS,
    OBJECT("total_off_cpu", off_cpu, "Waits of the whole view."),
    TARGET_FIELDS,
    COUNT("own_on_cpu_ns", "On-CPU time with it as the innermost function."),
    COUNT("own_samples", "Samples with it innermost."),
    OBJECT("own_off_cpu", off_cpu, "Waits with it as the innermost function."),
    COUNT("own_off_cpu_intervals", "How many."),
    COUNT("function_on_cpu_ns", "On-CPU time with it anywhere on the stack: its total."),
    COUNT("function_samples", "Samples with it anywhere on the stack."),
    OBJECT("function_off_cpu", off_cpu, "Waits with it anywhere on the stack."),
    COUNT("function_off_cpu_intervals", "How many."),
    COUNT("recursive_on_cpu_ns", "Of its total: with it more than once on the stack."),
    COUNT("recursive_samples", "Likewise."),
    COUNT("recursive_off_cpu_ns", "Likewise."),
    OBJECTS("recursion", recursion,
            "By way of what, most first, a hundred at most. They add up to the three above."),
    OBJECT(
        "callers_tree", neighbors_tree,
        "Who calls it: a node's parent is what it calls, and self are stacks that begin with it."),
    OBJECT("callees_tree", neighbors_tree, "What it calls."),
    TEXTS("strings", "Names of both trees, each once."),
    END,
};
static const struct rpc_type neighbors = {"Neighbors", "Who calls a function, and what it calls.",
                                          .fields = neighbors_fields};

// ---- Live --------------------------------------------------------------------------------------
//
// The same answers for who draws them several times a second: tables by columns, and a subscriber
// is told only what has changed. What was sent before is remembered per subscription and epoch;
// asked without a subscription, all of it is sent.

#define LIVE_FULL                                                                                  \
    FLAG("full", "Nothing that was sent before counts any more: this is all there is.")

FIELDS(live_functions_fields) = {
    COUNT("first", "Number of the first one here; they are numbered as they are first sent."),
    TEXTS("name", "Demangled; binary+0xoffset when it has no name. Untrusted text."),
    TEXTS("binary", "The file that it is in, without its folder; [kernel], [vdso]."),
    COUNTS("kind", "0 of the program itself, 1 of a library, 2 of the kernel, 3 made by a JIT, 4 "
                   "no function: the callers are missing."),
    TEXTS("language", "\"c\", \"c++\", \"rust\", …; empty when not known."),
    FLAGS("inlined", "The compiler has inlined it there."),
    TEXTS("address", "Where it begins, as 0x…; 0x0 of an inlined one."),
    END,
};
static const struct rpc_type live_functions = {
    "LiveFunctions",
    "Functions that were not sent before, as a table by columns: a dictionary that only grows.",
    .fields = live_functions_fields,
};

FIELDS(live_tree_params_fields) = {
    VIEW,
    MODE,
    PARAM("focus", RPC_OBJECT,
          "The tree begins with this function: what it calls, merged over all places where it is "
          "called. All functions of that name count as one, inlined or not; it is an error when no "
          "stack has any. Most often together with the view's focus_symbol.",
          .type = &symbol),
    PARAM("callers", RPC_BOOL,
          "The other way round: innermost functions are the root's children, callers stand below "
          "those that they call. With `focus`: the callers of that function."),
    PARAM("zoom", RPC_ARRAY, "Functions from a child of the root on, the way to a node.",
          .element = RPC_OBJECT, .type = &symbol, .max = LIMIT_STACK_DEPTH),
    PARAM("min_share", RPC_NUMBER,
          "Cuts nodes with a smaller share: below the node that `zoom` names, of that node; "
          "elsewhere of the whole. 0 when absent. The way to that node is kept in any case.",
          RANGE(0, 1)),
    PARAM("max_nodes", RPC_INTEGER, "Keeps the heaviest so many, by that share; 20000 when absent.",
          RANGE(1, LIMIT_FLAME_NODES)),
    END,
};
static const struct rpc_type live_tree_params = {
    "LiveTreeParams",
    "Which call tree, and how much of it.",
    .fields = live_tree_params_fields,
};

FIELDS(live_nodes_fields) = {
    COUNT("first", "Number of the first one here; they are numbered as they are first sent."),
    COUNTS("parent", "The node above, with a smaller number; of the root, node 0: 0."),
    COUNTS("function", "Number of its function; of the root: 0, without meaning, unless there is a "
                       "`focus`."),
    END,
};
static const struct rpc_type live_nodes = {
    "LiveNodes",
    "Nodes that were not sent before, as a table by columns. A node is one as long as its epoch: "
    "same parent, same function.",
    .fields = live_nodes_fields,
};

FIELDS(live_values_fields) = {
    COUNTS("node", "Its number; rising."),
    COUNTS("on_cpu_ns", "Time of the node and everything below it."),
    COUNTS("self_on_cpu_ns", "Time of the node itself."),
    COUNTS("samples", "Samples of the node and everything below it."),
    COUNTS("self_samples", "Samples of the node itself."),
    COUNTS("off_cpu_ns", "Waits of the node and everything below it; empty when mode is on_cpu."),
    COUNTS("self_off_cpu_ns", "Waits of the node itself; likewise."),
    COUNTS("intervals", "How many waits of the node and everything below it; likewise."),
    COUNTS("cut_children", "Nodes right below it that are not shown: they are what its children "
                           "and itself leave of its time."),
    END,
};
static const struct rpc_type live_values = {
    "LiveValues",
    "Numbers of nodes that have changed, or are new, as a table by columns; they replace those "
    "that were sent before. All 0: it is not shown any more. While the run goes on, a time that "
    "has changed by less than a thousandth may be left out until there is more.",
    .fields = live_values_fields,
};

FIELDS(live_tree_fields) = {
    ANSWER_FIELDS,
    OBJECT("total_off_cpu", off_cpu, "Waits of the whole view."),
    COUNT("n_nodes", "Nodes of the whole tree, before anything was cut; of a tree of callers, "
                     "which is never made whole: those that were looked at."),
    COUNT("n_shown", "Nodes that are shown."),
    COUNT("zoom_depth", "How much of `zoom` exists in this view."),
    LIVE_FULL,
    OBJECT("functions", live_functions, "What nodes are called."),
    OBJECT("nodes", live_nodes, "The tree."),
    OBJECT("values", live_values, "Its numbers."),
    OBJECT("waits", flame_waits,
           "Why nodes wait: all reasons of each node that is in `values`; empty when mode is "
           "on_cpu."),
    END,
};
static const struct rpc_type live_tree = {
    "LiveTree",
    "The call tree, as it grows.",
    .fields = live_tree_fields,
};

FIELDS(live_rows_fields) = {
    COUNTS("function", "Number of its function."),
    COUNTS("self_on_cpu_ns", "As in TopEntry."),
    COUNTS("total_on_cpu_ns", "As in TopEntry."),
    COUNTS("self_samples", "As in TopEntry."),
    COUNTS("total_samples", "As in TopEntry."),
    COUNTS("self_off_cpu_ns", "As in TopEntry, all reasons together."),
    COUNTS("total_off_cpu_ns", "As in TopEntry, all reasons together."),
    COUNTS("self_off_cpu_intervals", "As in TopEntry."),
    COUNTS("total_off_cpu_intervals", "As in TopEntry."),
    COUNTS("reason", "The reason for most of total_off_cpu_ns, numbered as in FlameWaits; 10 when "
                     "there is none."),
    END,
};
static const struct rpc_type live_rows = {
    "LiveRows",
    "A table by columns, the hottest first.",
    .fields = live_rows_fields,
};

FIELDS(live_top_fields) = {
    ANSWER_FIELDS,
    OBJECT("total_off_cpu", off_cpu, "Waits of the whole view."),
    COUNT("total_runnable_ns", "Time that threads of the view were ready and had no CPU."),
    COUNT("n_functions", "Functions with samples (or waits: by mode), shown or not."),
    LIVE_FULL,
    OBJECT("functions", live_functions, "What they are called."),
    OBJECT("rows", live_rows, "All of them, each time."),
    END,
};
static const struct rpc_type live_top = {"LiveTop", "The hottest functions, by columns.",
                                         .fields = live_top_fields};

FIELDS(live_bucket_waits_fields) = {
    COUNTS("bucket", "Its number, counted from the start of the timeline; rising."),
    COUNTS("reason", "Numbered as in FlameWaits."),
    COUNTS("ns", "Waits for this reason; never 0."),
    END,
};
static const struct rpc_type live_bucket_waits = {
    "LiveBucketWaits",
    "Waits by bucket and reason, as a table by columns; what is 0 is left out.",
    .fields = live_bucket_waits_fields,
};

FIELDS(live_timeline_thread_fields) = {
    COUNT("tid", "Thread id."),
    COUNT("pid", "Of its process."),
    TEXT("name", "The last one it had. Untrusted text."),
    COUNT("first", "Number of the first bucket here; those before are as they were sent."),
    COUNTS("on_cpu_ns", "By bucket."),
    COUNTS("runnable_ns", "By bucket."),
    COUNTS("off_cpu_ns", "By bucket."),
    COUNTS("reason", "As in TimelineThread."),
    END,
};
static const struct rpc_type live_timeline_thread = {
    "LiveTimelineThread",
    "One thread over time.",
    .fields = live_timeline_thread_fields,
};

FIELDS(live_timeline_fields) = {
    ANSWER_FIELDS,
    OBJECT("total_off_cpu", off_cpu, "Waits of the view."),
    COUNT("bucket_size_ns", "Of each bucket; the last one may be cut short by the end."),
    COUNT("start_ns", "Where the first bucket begins, from the start of the run."),
    COUNT("recording_duration_ns", "From the start of the run to its end, or to now."),
    LIVE_FULL,
    COUNT("n_buckets", "How many there are now."),
    COUNT("first", "Number of the first bucket here; those before are as they were sent."),
    COUNTS("on_cpu_ns", "By bucket, of all threads of the view together."),
    COUNTS("runnable_ns", "By bucket: ready, without a CPU."),
    OBJECT("waits", live_bucket_waits, "Of buckets from `first` on."),
    COUNT("n_threads", "Threads in this view, shown or not."),
    OBJECTS("threads", live_timeline_thread, "By on-CPU time, most first; all that are shown."),
    END,
};
static const struct rpc_type live_timeline = {
    "LiveTimeline",
    "Activity over time, as it goes on.",
    .fields = live_timeline_fields,
};

// ---- Profiler.set_paused, is_paused ------------------------------------------------------------

FIELDS(set_paused_params_fields) = {
    PARAM("paused", RPC_BOOL,
          "True: samples are dropped from now on, and counted. Times of threads and waits go on.",
          REQUIRED),
    END,
};
static const struct rpc_type set_paused_params = {
    "SetPausedParams",
    "Whether the active run takes in samples.",
    .fields = set_paused_params_fields,
};

FIELDS(paused_fields) = {
    FLAG("paused", "The active run takes in no samples."),
    COUNT("paused_samples", "Samples of it that came meanwhile, and were not kept."),
    END,
};
static const struct rpc_type paused = {
    "Paused",
    "Whether the active run takes in samples.",
    .fields = paused_fields,
};

// ---- Profiler.subscribe ------------------------------------------------------------------------

static const char *const subscribable_methods[] = {
    "Profiler.top",
    "Profiler.flamegraph",
    "Profiler.threads",
    "Profiler.intervals",
    "Profiler.wakers",
    "Profiler.timeline",
    "Profiler.total_on_cpu_ns",
    "Profiler.annotated",
    "Profiler.cfg",
    "Profiler.neighbors",
    "Live.tree",
    "Live.top",
    "Live.timeline",
    NULL,
};

FIELDS(subscribe_params_fields) = {
    PARAM("method", RPC_STRING, "The question.", REQUIRED, .values = subscribable_methods),
    PARAM("params", RPC_OBJECT, "Its parameters."),
    PARAM("interval_ms", RPC_INTEGER, "Not more often than this; 250 when absent.",
          RANGE(RPC_INTERVAL_MS_MIN, RPC_INTERVAL_MS_MAX)),
    PARAM("ack", RPC_BOOL,
          "The next message is sent when Profiler.ack has named this one; false when absent: when "
          "the socket has been read."),
    END,
};
static const struct rpc_type subscribe_params = {
    "SubscribeParams",
    "A question to be answered again and again.",
    .fields = subscribe_params_fields,
};

FIELDS(subscription_fields) = {
    FIELD("subscription", RPC_INTEGER, "Its id, on this connection.", RANGE(0, INT32_MAX)),
    END,
};
static const struct rpc_type subscription = {
    "Subscription",
    "Names a subscription.",
    .fields = subscription_fields,
};

FIELDS(resubscribe_params_fields) = {
    PARAM("subscription", RPC_INTEGER, "Its id, on this connection.", REQUIRED,
          RANGE(0, INT32_MAX)),
    PARAM("params", RPC_OBJECT, "The new parameters of its question; as before when absent."),
    PARAM("interval_ms", RPC_INTEGER, "As before when absent.",
          RANGE(RPC_INTERVAL_MS_MIN, RPC_INTERVAL_MS_MAX)),
    END,
};
static const struct rpc_type resubscribe_params = {
    "ResubscribeParams",
    "Another question for the same subscription.",
    .fields = resubscribe_params_fields,
};

FIELDS(epoch_fields) = {
    COUNT("epoch", "Of messages that answer the new question: those of smaller ones are stale."),
    END,
};
static const struct rpc_type epoch = {
    "Epoch",
    "From which message on a subscription answers its new question.",
    .fields = epoch_fields,
};

FIELDS(ack_params_fields) = {
    PARAM("subscription", RPC_INTEGER, "Its id, on this connection.", REQUIRED,
          RANGE(0, INT32_MAX)),
    PARAM("seq", RPC_INTEGER, "Of the message that was worked off, and all before.", REQUIRED,
          RANGE(1, (double)(1ULL << 53))),
    END,
};
static const struct rpc_type ack_params = {
    "AckParams",
    "What of a subscription has been worked off.",
    .fields = ack_params_fields,
};

FIELDS(notified_error_fields) = {
    TEXT("kind", "As in data.kind of an error."),
    TEXT("message", "For people."),
    END,
};
static const struct rpc_type notified_error = {
    "SubscriptionError",
    "Why there is no answer.",
    .fields = notified_error_fields,
};

FIELDS(notification_fields) = {
    COUNT("subscription", "Its id."),
    COUNT("seq", "Counts the messages of this subscription from 1. Answers that the client was too "
                 "slow for are skipped, never queued."),
    COUNT("epoch", "1, and one more with each Profiler.resubscribe."),
    FLAG("ended", "The run is over: this is the last message."),
    MAYBE("result", RPC_OBJECT, "The answer, as the method itself would give it."),
    MAYBE("error", RPC_OBJECT, "Instead of result.", .type = &notified_error),
    END,
};
const struct rpc_type rpc_notification = {
    "SubscriptionMessage",
    "Sent as the notification `subscription`.",
    .fields = notification_fields,
};

static const struct rpc_type openrpc_document = {
    "OpenRpcDocument",
    "A description of this protocol, see open-rpc.org.",
    .fields = no_fields,
    .open = true,
};

// ---- RunControl.export -------------------------------------------------------------------------

const char *const rpc_export_formats[] = {"folded",   "speedscope", "pprof", "firefox",
                                          "perfetto", "html",       NULL};

FIELDS(export_params_fields) = {
    PARAM("run", RPC_INTEGER, "Which run. When absent: the active one, else the newest.",
          RANGE(1, RUN_ID_MAX)),
    PARAM("format", RPC_STRING, "What reads it.", REQUIRED, .values = rpc_export_formats),
    PARAM("path", RPC_STRING,
          "Where to, from the root directory on. A regular file that is there is replaced when the "
          "new one is whole.",
          REQUIRED, .max = LIMIT_NAME_BYTES),
    PARAM("mode", RPC_STRING,
          "Which of the two weighs, for formats that have one weight per stack, and which is shown "
          "first by others; \"on_cpu\" when absent.",
          .values = single_modes),
    PARAM("view", RPC_OBJECT, "Which part of the run. Its `run` counts when there is none above.",
          .type = &view),
    END,
};
static const struct rpc_type export_params = {
    "ExportParams",
    "What to write, and where.",
    .fields = export_params_fields,
};

FIELDS(exported_fields) = {
    TEXT("path", "The file."),
    COUNT("bytes", "Its size."),
    COUNT("samples", "Samples in it."),
    COUNT("intervals", "Waits in it: formats with one weight per stack have one of the two."),
    END,
};
static const struct rpc_type exported = {
    "Exported",
    "A file that is complete.",
    .fields = exported_fields,
};

// ---- The methods -------------------------------------------------------------------------------

const struct rpc_method rpc_methods[] = {
    {"RunControl.status", "The active run, and what this server can see.", &nothing, &status,
     false},
    {"RunControl.list_runs", "Every run, oldest first.", &nothing, &run_list, false},
    {"RunControl.diagnostics",
     "The pipeline's own accounting: what arrived, what was lost, what it "
     "costs.",
     &diagnostics_params, &diagnostics, false},
    {"RunControl.start_attach", "Starts recording a process. One run at a time.",
     &start_attach_params, &started, false},
    {"RunControl.import", "Makes a run of a perf.data file. Others may be recorded meanwhile.",
     &import_params, &imported, false},
    {"RunControl.wait_active",
     "Answers when the condition is met, the run has ended, or the time "
     "is up.",
     &wait_active_params, &wait_result, false},
    {"RunControl.stop_active", "Ends the active run.", &nothing, &stop_result, false},
    {"RunControl.save_current", "Writes a run into a file of its own, also while it is recorded.",
     &save_params, &saved, false},
    {"RunControl.open_saved", "Opens a run file.", &open_params, &opened, false},
    {"RunControl.select_run", "Chooses what questions without a run are about.", &select_params,
     &selected, false},
    {"RunControl.export",
     "Writes a run as a file for other tools. The file is written by the server, with its rights; "
     "of a run that goes on it has what there was when writing began.",
     &export_params, &exported, false},
    {"Profiler.top", "The hottest functions.", &top_params, &top, true},
    {"Profiler.flamegraph", "The call tree with its weights.", &flamegraph_params, &flamegraph,
     true},
    {"Profiler.threads", "What each thread did.", &threads_params, &threads, true},
    {"Profiler.intervals", "Single waits: the longest, the newest, the oldest.", &intervals_params,
     &intervals, true},
    {"Profiler.wakers", "Who wakes a thread, and how much of its waiting each of them ended.",
     &wakers_params, &wakers, true},
    {"Profiler.timeline", "Activity over time.", &timeline_params, &timeline, true},
    {"Profiler.now", "The waits that are not over yet, and who stands in whose way.", &now_params,
     &now, false},
    {"Profiler.total_on_cpu_ns", "On-CPU time of a view.", &view_params, &total, true},
    {"Profiler.annotated", "The instructions of a function, with their samples and source lines.",
     &annotated_params, &annotated, true},
    {"Profiler.cfg", "The basic blocks of a function, with their samples.", &cfg_params, &cfg,
     true},
    {"Profiler.neighbors", "Who calls a function, and what it calls.", &neighbors_params,
     &neighbors, true},
    {"Profiler.compare", "What has become slower or faster from some runs to others.",
     &compare_params, &comparison, false},
    {"Live.tree", "The call tree by columns; to a subscriber: what has changed.", &live_tree_params,
     &live_tree, true},
    {"Live.top", "The hottest functions by columns.", &top_params, &live_top, true},
    {"Live.timeline", "Activity over time by columns; to a subscriber: what has changed.",
     &timeline_params, &live_timeline, true},
    {"Profiler.set_paused",
     "Makes the active run take in no samples for a while. What is dropped is lost.",
     &set_paused_params, &paused, false},
    {"Profiler.is_paused", "Whether the active run takes in samples.", &nothing, &paused, false},
    {"Profiler.subscribe",
     "Answers a question at once, and again whenever there is something new, as "
     "notifications named `subscription`.",
     &subscribe_params, &subscription, false},
    {"Profiler.unsubscribe", "Ends a subscription.", &subscription, &nothing, false},
    {"Profiler.resubscribe",
     "Gives a subscription another question, or another interval. Its next message answers it in "
     "full.",
     &resubscribe_params, &epoch, false},
    {"Profiler.ack", "Of a subscription with `ack`: its last message has been worked off.",
     &ack_params, &nothing, false},
    {"rpc.discover", "This protocol as an OpenRPC document.", &nothing, &openrpc_document, false},
    {.name = NULL},
};

const struct rpc_type *const rpc_types[] = {
    &view,
    &time_range,
    &symbol,
    &health,
    &truncated,
    &off_cpu,
    &run_summary,
    &status,
    &capabilities,
    &capability,
    &run_list,
    &diagnostics_params,
    &file_report,
    &diagnostics,
    &server_report,
    &run_report,
    &memory_report,
    &capture_report,
    &image_report,
    &debuginfod_report,
    &debuginfod_server,
    &debuginfod_transfer,
    &debuginfod_failure,
    &jit_report,
    &unexplained_wait,
    &truncation_report,
    &truncated_thread,
    &start_attach_params,
    &started,
    &save_params,
    &saved,
    &open_params,
    &opened,
    &select_params,
    &selected,
    &import_params,
    &imported,
    &wait_active_params,
    &wait_condition,
    &wait_result,
    &stop_result,
    &export_params,
    &exported,
    &view_params,
    &top_params,
    &top,
    &top_entry,
    &flamegraph_params,
    &flamegraph,
    &flame_nodes,
    &flame_waits,
    &threads_params,
    &threads,
    &thread,
    &intervals_params,
    &intervals,
    &interval,
    &frame,
    &wakers_params,
    &wakers,
    &waker,
    &timeline_params,
    &timeline,
    &timeline_bucket,
    &timeline_thread,
    &now_params,
    &now,
    &now_wait,
    &now_owner,
    &now_deadlock,
    &compare_params,
    &annotated_params,
    &annotated,
    &annotated_line,
    &cfg_block,
    &cfg_edge,
    &cfg_version,
    &inlined_at,
    &code_version,
    &cfg_params,
    &cfg,
    &neighbors_params,
    &neighbors,
    &neighbors_tree,
    &recursion,
    &source_map,
    &function_match,
    &inlined_host,
    &code_note,
    &source_header,
    &code_changes,
    &comparison,
    &compare_side,
    &compared_run,
    &compare_row,
    &compare_amount,
    &total,
    &live_tree_params,
    &live_tree,
    &live_functions,
    &live_nodes,
    &live_values,
    &live_top,
    &live_rows,
    &live_timeline,
    &live_timeline_thread,
    &live_bucket_waits,
    &set_paused_params,
    &paused,
    &subscribe_params,
    &subscription,
    &resubscribe_params,
    &epoch,
    &ack_params,
    &rpc_notification,
    &notified_error,
    &openrpc_document,
    &nothing,
    NULL,
};

const struct rpc_method *rpc_method_find(const char *name)
{
    for (const struct rpc_method *method = rpc_methods; method->name != NULL; method++) {
        if (strcmp(method->name, name) == 0) {
            return method;
        }
    }
    return NULL;
}

// ---- Errors ------------------------------------------------------------------------------------

static const struct {
    const char *name;
    int code;
    const char *doc;
} errors[] = {
    [RPC_ERROR_PARSE] = {"parse_error", -32700, "The line is not JSON. The connection goes on."},
    [RPC_ERROR_INVALID_REQUEST] = {"invalid_request", -32600,
                                   "JSON, but not a JSON-RPC 2.0 request."},
    [RPC_ERROR_UNKNOWN_METHOD] = {"unknown_method", -32601, "There is no such method."},
    [RPC_ERROR_INVALID_PARAMS] = {"invalid_params", -32602,
                                  "A parameter is wrong; the message names it."},
    [RPC_ERROR_INTERNAL] = {"internal", -32603, "A fault of the server."},
    [RPC_ERROR_NO_ACTIVE_RUN] = {"no_active_run", -32000, "Nothing is being recorded."},
    [RPC_ERROR_ALREADY_ACTIVE] = {"already_active", -32001, "Another run is being recorded."},
    [RPC_ERROR_UNKNOWN_RUN] = {"unknown_run", -32002,
                               "No run has that id, or there is no run yet."},
    [RPC_ERROR_NOT_FOUND] = {"not_found", -32003,
                             "The run has no such thread, or there is no such "
                             "process."},
    [RPC_ERROR_PERMISSION] = {"permission", -32004,
                              "The kernel does not allow it; the message says "
                              "which setting forbids it."},
    [RPC_ERROR_CAPTURE_FAILED] = {"capture_failed", -32005, "Recording could not start."},
    [RPC_ERROR_TIMED_OUT] = {"timed_out", -32006, "The answer took too long."},
    [RPC_ERROR_TOO_LARGE] = {"too_large", -32007,
                             "The request or its answer is larger than allowed, "
                             "or there are too many of a kind."},
};
_Static_assert(ARRAY_LEN(errors) == RPC_ERROR_KIND_COUNT, "every error has its row");

const char *rpc_error_name(enum rpc_error_kind kind)
{
    return errors[kind].name;
}

int rpc_error_code(enum rpc_error_kind kind)
{
    return errors[kind].code;
}

const char *rpc_error_doc(enum rpc_error_kind kind)
{
    return errors[kind].doc;
}

enum rpc_error_kind rpc_error_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        if (strcmp(errors[i].name, name) == 0) {
            return (enum rpc_error_kind)i;
        }
    }
    return RPC_ERROR_INTERNAL;
}
