#pragma once

// An event stream as bytes: what `stax-server --tap FILE` writes and capture/replay reads.
//
// A file is the 24 bytes of the header (magic, version, the frequency of the recording, whether it
// has all switches, padding) and then events, each a 32-bit length and that many bytes. Integers
// have the byte order of the machine that wrote it; the magic tells a foreign one apart. The format
// is for tests, benchmarks and bug reports of this very version of stax: another version is
// refused, never guessed at.
//
//     length | kind pid tid cpu time | the fields of the kind, in the order of event/event.h
//       u32  |  u8  u32 u32 u32 u64  | bool: u8 · bytes: u32 and that many · stack: see wire.c

#include "base/err.h"
#include "base/text.h"
#include "event/event.h"

enum {
    WIRE_HEADER_BYTES = 24,
    WIRE_VERSION = 2,
    WIRE_COPY_MAX_BYTES = 1 << 16, // a stack copy; perf's own limit is a little below
    WIRE_CODE_MAX_BYTES = 1 << 22, // the code, or the eh_frame, of one function of a JIT
    WIRE_EVENT_MAX_BYTES = 1 << 24,
};

enum wire_outcome {
    WIRE_OK = 0,
    WIRE_E_END = 1, // nothing left: a clean end
    WIRE_E_CUT = 2, // the stream ends in the middle of an event
    WIRE_E_BAD = 3, // an event that no version of us would write
};

struct wire_header {
    uint32_t frequency_hz;
    bool switches; // whenever a thread left a CPU or came back, there is an event, unless it was
                   // lost: on-CPU times are exact
};

void wire_put_header(struct text *to, const struct wire_header *header);

// What is longer than the limits (above, and in base/limits.h) is cut to them, and code that is
// longer is left out: whatever is put can be parsed.
void wire_put(struct text *to, const struct event *event);

// Reads the header. 0, or -EINVAL with the reason in `reterr`.
int wire_parse_header(struct reader *from, struct wire_header *ret, struct err *reterr);

// Where the arrays of a parsed event live: they need alignment, which the stream does not have.
struct wire_scratch {
    uint64_t *addrs;
    size_t room;
    struct event_regs regs;
};

void wire_scratch_fini(struct wire_scratch *scratch);

// Reads the next event. Its slices borrow from the stream and from `scratch`, until the next call.
// `from` moves on only with WIRE_OK: what can't be read stays in front.
enum wire_outcome wire_parse(struct reader *from, struct wire_scratch *scratch, struct event *ret);
