#pragma once

// Every quantity that a client, a target or a file controls, and how far it may go. Beyond a limit
// the thing is refused or left out, and counted or said; the program never just grows.

// What a target controls.
enum {
    LIMIT_STACK_DEPTH = 1024,      // frames of one stack; the kernel's own default is 127
    LIMIT_STACK_NODES = 1 << 26,   // distinct (caller, frame) pairs of a run
    LIMIT_FRAMES = 1 << 24,        // distinct code addresses of a run
    LIMIT_THREADS = 1 << 20,       // threads that ever lived in a run
    LIMIT_PROCESSES = 1 << 16,     // processes that ever lived in a run (--follow)
    LIMIT_IMAGES = 1 << 16,        // distinct mapped files of a run
    LIMIT_MAPPINGS = 1 << 17,      // mappings of one address space; the kernel's default is 65530
    LIMIT_STRINGS = 1 << 22,       // distinct names and paths of a run
    LIMIT_NAME_BYTES = 4096,       // a path or a thread's name
    LIMIT_SYMBOL_BYTES = 64 << 10, // one symbol's name, mangled or not
    LIMIT_SYMBOLS = 1 << 24,       // symbols of one file
    LIMIT_SYMBOL_FILE_BYTES = 0x7fffffff, // a file that is looked into for symbols
    LIMIT_DEBUGDATA_BYTES = 1 << 28,      // a symbol table that lies packed in a binary
    LIMIT_KEPT_ROOTS = 64,                // root directories held open, to read from them later
    LIMIT_LOADED_IMAGES = 1 << 14,        // files with symbols in memory, over all runs
    LIMIT_CHILDREN = 1 << 10,             // child processes whose CPU time is watched
    LIMIT_FOREIGN_THREADS = 1 << 12,      // threads of other programs that wake or are woken
    LIMIT_PLACES = 1 << 12,               // names of kernel functions that threads wait in
    LIMIT_CFI_ROWS = 1 << 24,             // of one file: where its unwinding rules change
    LIMIT_CFI_BYTES = 1 << 28,            // of one file's .eh_frame or .debug_frame, unpacked
    LIMIT_JIT_RULES = 1 << 16,            // of a process: functions that come with such rules,
    LIMIT_JIT_RULES_BYTES = 1 << 24,      // and bytes that say them
    LIMIT_CFI_RULES = 1 << 16,            // of one file: different ones
    LIMIT_CFI_CIES = 1 << 16,             // of one section: what functions have in common
    LIMIT_CFI_EXPRESSIONS = 1 << 14,      // of one file: different ones that are not simple
    LIMIT_CFI_EXPRESSION_BYTES = 1 << 10, // of one of them
    LIMIT_EXPRESSION_STEPS = 1 << 13,     // operations in all expressions of one walk
    LIMIT_JIT_CODES = 1 << 22,            // functions that JITs made in a run
    LIMIT_JIT_FILE_BYTES = 0x7fffffff,    // of a jitdump or a perf map that are read
    LIMIT_JIT_CODE_BYTES = 256 << 20,     // of the instructions of those functions; first ones win
    LIMIT_JIT_STRINGS = 1 << 21,          // strings of a run beyond which code has none of its own
    LIMIT_JIT_SOURCES = 256,              // jitdumps and perf maps that a run follows
    LIMIT_JIT_QUEUE_BYTES = 64 << 20,     // read from them, and not yet taken by the recording
    LIMIT_ANON_EPOCHS = 1 << 12,          // of a process: see run/jit_code.h
    LIMIT_INLINE_DEPTH = 64,              // functions inlined into each other at one address
    LIMIT_INLINE_DIES = 1 << 26,          // entries of one unit of DWARF that are walked over
    LIMIT_INLINE_SPANS = 1 << 23,         // address ranges of one unit, and units of one file
    LIMIT_INLINE_BYTES = 1 << 30,         // what is known of inlined functions, over all images
    LIMIT_INLINE_OPEN_BYTES = 1 << 29,    // of files that are kept open for more such questions
    LIMIT_LINE_ROWS = 1 << 23,            // of the line table of one unit of DWARF
    LIMIT_LINE_FILES = 1 << 20,           // source files, and directories, of one
    LIMIT_LINE_BYTES = 1 << 30,           // of line tables of one file that are read, in all
    LIMIT_LINE_PATH_BYTES = 64 << 20,     // of paths of source files that are told of one file
    LIMIT_DWARF_BYTES = 0x7fffffff,       // of one file with its alternate, uncompressed
    LIMIT_KCORE_SEGMENTS = 1 << 12,       // of the kernel's memory
    LIMIT_DEEP_THREADS = 256,   // threads of which longer stacks are copied than of others
    LIMIT_REASONED_STACKS = 64, // of one thread: stacks of waits whose reason was looked up
};

// What a client controls.
enum {
    LIMIT_CONNECTIONS = 256,           // at the same time
    LIMIT_REQUEST_BYTES = 1 << 20,     // one line; a longer one is refused and the peer dropped
    LIMIT_FAREWELL_MS = 5000,          // a connection that was told of its end is gone by then
    LIMIT_REQUESTS_PER_CONNECTION = 8, // unanswered ones; reading pauses beyond
    LIMIT_SUBSCRIPTIONS_PER_CONNECTION = 32,
    LIMIT_WEB_CLIENTS = 64,          // of HTTP, at the same time; the one that takes longest goes
    LIMIT_WEB_HEAD_BYTES = 32 << 10, // of a request; other servers on localhost set cookies, too
    LIMIT_WEB_HEAD_MS = 10000,       // until it has come
    LIMIT_WEB_ANSWER_MS = 60000,     // until its answer has been read
    LIMIT_WEB_IDLE_S = 120,          // that nothing is heard of a browser's machine
    LIMIT_WAITERS = 512,             // wait_active calls in flight, over all connections
    LIMIT_ANSWER_BYTES = 64 << 20,   // one answer; a larger one becomes a `too_large` error
    LIMIT_TOP_ENTRIES = 10000,
    LIMIT_FLAME_NODES = 50000,
    LIMIT_INTERVAL_ENTRIES = 10000,
    LIMIT_TIMELINE_BUCKETS = 2000,
    LIMIT_TIMELINE_THREADS = 1000,
    LIMIT_NOW_LOOKS = 1000,        // threads that one question looks at while they wait
    LIMIT_COMPARE_RUNS = 64,       // on each side of a comparison
    LIMIT_COMPARE_ENTRIES = 10000, // that a comparison is answered with
    LIMIT_COMPARE_TESTED = 4096,   // functions, stacks or threads that are tested: the heaviest
    LIMIT_COMPARE_CELLS = 1 << 22, // places of one run of a comparison, times blocks
    LIMIT_EXCLUDED_SYMBOLS = 256,  // of each list of a view
    LIMIT_PAUSES = 256,            // of one run
    LIMIT_LABEL_BYTES = 4096,
    LIMIT_EXPORTS = 2, // that are worked on at the same time: others wait
    LIMIT_JSON_DEPTH = 32,
    LIMIT_RUNS = 64,                  // kept in memory; the oldest stopped one goes first
    LIMIT_HISTORY_BYTES = 0x7fffffff, // memory of all stopped runs; as above
    LIMIT_OPENED = 256,          // files that were opened; the one asked about longest ago goes
    LIMIT_IMPORTS = 4,           // at the same time
    LIMIT_FREQUENCY_HZ = 100000, // the kernel's own timer goes no faster than this
    LIMIT_TIME_LIMIT_S = 86400 * 365,
};

// What a run file, or whoever made it, controls.
enum {
    LIMIT_FACTS = 1 << 12,            // facts about a run
    LIMIT_FACT_BYTES = 64 << 10,      // of one of them
    LIMIT_FACTS_BYTES = 1 << 20,      // of all of them, as they are read from a file
    LIMIT_BLOB_BYTES = 64 << 20,      // one blob, packed or not
    LIMIT_STRING_BYTES = 1 << 30,     // of all names, paths and code of JITs together
    LIMIT_RESIDENT_BYTES = 512 << 20, // rows of one run that stay in memory
    LIMIT_SAVED_TARGETS = 1 << 22,    // of one file: functions that have names only, being called
    LIMIT_SAVED_SYMBOLS = (1 << 24) + LIMIT_SAVED_TARGETS, // of one file; with lines and code
    LIMIT_SAVED_EDGES = 1 << 22, // of one binary: lines at which inlined functions are looked up
    LIMIT_SAVED_LINES = 1 << 26,
    LIMIT_SAVED_CODE_BYTES = 256 << 20,   // of one binary
    LIMIT_SAVED_FUNCTION_BYTES = 1 << 20, // of one function's code; beyond, there are no lines
};

// What a perf.data file, or whoever made it, controls.
enum {
    LIMIT_PERF_EVENTS = 1 << 10,          // that it has records of
    LIMIT_PERF_IDS = 1 << 20,             // one per event and CPU, or thread
    LIMIT_PERF_SECTION_BYTES = 64 << 20,  // of one of its sections but for the data
    LIMIT_PERF_WAITING_BYTES = 256 << 20, // records that wait for older ones to come
    LIMIT_PERF_UNPACKED_MIB = 1 << 17,    // of its records
};

// What debuginfod servers, and those who name them, control. Times: image/debuginfod_servers.h.
enum {
    LIMIT_DEBUGINFOD_SERVERS = 16,
    LIMIT_DEBUGINFOD_URL_BYTES = 1024,
    LIMIT_DEBUGINFOD_URLS_BYTES = 64 << 10, // of a list of them
    LIMIT_DEBUGINFOD_TRANSFERS = 3,         // at the same time; one of them for sources only
    LIMIT_DEBUGINFOD_REDIRECTS = 5,
    LIMIT_DEBUGINFOD_FILE_BYTES = 0x7fffffff, // as LIMIT_SYMBOL_FILE_BYTES
    LIMIT_DEBUGINFOD_CACHE_MIB = 5 << 10,     // on disk; the file used longest ago goes first
    LIMIT_DEBUGINFOD_TEMP_MIB = 1 << 10,      // likewise, when there is no place for a cache
    LIMIT_DEBUGINFOD_CACHE_FILES = 1 << 14,
    LIMIT_DEBUGINFOD_SPARE_DISK_MIB = 256, // always left free for others
    LIMIT_DEBUGINFOD_FAILURES = 16,        // that are remembered with their reasons
};

// What functions, their debug information and their sources control, when somebody looks at code.
enum {
    LIMIT_LISTING_BYTES = LIMIT_SAVED_FUNCTION_BYTES, // of instructions; what is more is left out
    LIMIT_LISTING_RANGES = 64,                        // versions of one function of a JIT
    LIMIT_LISTED_LINES = 1 << 20, // of one run's listings, that are kept: some 150 bytes each
    LIMIT_LISTINGS = 16,          // of one run, that are kept: the last used
    LIMIT_SOURCE_FILE_BYTES = 16 << 20,
    LIMIT_SOURCE_FILES = 64,       // that are kept
    LIMIT_SOURCE_BYTES = 64 << 20, // of them
    LIMIT_SOURCE_LINE_BYTES = 400, // that are shown
    LIMIT_SOURCE_MAPS = 32,        // of one question
    LIMIT_SOURCE_FETCHES = 64,     // of one listing
    LIMIT_SOURCES_WANTED = 256,    // from debuginfod servers, that have not come
    LIMIT_RUST_TOOLCHAINS = 64,    // that are looked into for Rust's own sources
    LIMIT_ANNOTATED_LINES = 50000, // of one answer
};
