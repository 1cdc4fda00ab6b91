// Any bytes as an event stream. What parses must survive being put and parsed again unchanged.

#include "event/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct event *event)
{
    CLEANUP(text_fini) struct text once = {0};
    CLEANUP(text_fini) struct text twice = {0};
    CLEANUP(wire_scratch_fini) struct wire_scratch scratch = {0};
    wire_put(&once, event);
    struct reader again = reader_of((struct slice){(const uint8_t *)once.at, once.n});
    struct event copy;
    ASSERT(wire_parse(&again, &scratch, &copy) == WIRE_OK);
    ASSERT(wire_parse(&again, &scratch, &copy) == WIRE_E_END);
    wire_put(&twice, &copy);
    ASSERT(once.n == twice.n && memcmp(once.at, twice.at, once.n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader from = reader_of((struct slice){data, size});
    struct wire_header header;
    struct err err;
    if (wire_parse_header(&from, &header, &err) < 0) {
        from = reader_of((struct slice){data, size}); // bare events are worth a look, too
    }
    CLEANUP(wire_scratch_fini) struct wire_scratch scratch = {0};
    struct event event;
    while (wire_parse(&from, &scratch, &event) == WIRE_OK) {
        check_round_trip(&event);
    }
    return 0;
}
