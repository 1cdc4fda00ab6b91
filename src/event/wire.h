#pragma once

// An event stream as bytes: what `stax-server --tap FILE` writes and capture/replay reads.
//
// A file is the 16 bytes of the header (magic, version, the frequency of the recording) and then
// events, each a 32-bit length and that many bytes. Integers have the byte order of the machine
// that wrote it; the magic tells a foreign one apart. The format is for tests, benchmarks and bug
// reports of this very version of stax: another version is refused, never guessed at.

#include "base/err.h"
#include "base/text.h"
#include "event/event.h"

enum { WIRE_HEADER_BYTES = 16, WIRE_VERSION = 1 };

enum wire_outcome {
    WIRE_OK = 0,
    WIRE_E_END = 1, // nothing left: a clean end
    WIRE_E_CUT = 2, // the stream ends in the middle of an event
    WIRE_E_BAD = 3, // an event that no version of us would write
};

void wire_put_header(struct text *to, uint32_t frequency_hz);
void wire_put(struct text *to, const struct event *event);

// Reads the header. 0, or -EINVAL with the reason in `reterr`.
int wire_parse_header(struct reader *from, uint32_t *ret_frequency_hz, struct err *reterr);

// Where the arrays of a parsed event live: they need alignment, which the stream does not have.
struct wire_scratch {
    uint64_t *addrs;
    size_t room;
    struct event_regs regs;
};

void wire_scratch_fini(struct wire_scratch *scratch);

// Reads the next event. Its slices borrow from the stream and from `scratch`, until the next call.
enum wire_outcome wire_parse(struct reader *from, struct wire_scratch *scratch, struct event *ret);
