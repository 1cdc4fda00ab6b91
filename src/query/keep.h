#pragma once

// Which threads and stacks a view keeps, one byte per id, so that a pass over rows costs two loads
// and no branch. Judged once per id, as they appear; stacks are judged again when names change.
//
// Belongs to the query thread.

#include "query/names.h"
#include "query/view.h"

struct keep_symbol {
    struct view_symbol symbol; // its texts are the view's
    uint8_t mark;              // of functions that match it
};

struct keep {
    VEC(uint8_t) threads;            // by thread_id: 1 when the view has it, never a foreign one
    VEC(uint8_t) stacks;             // by stack_id: 1 when it is kept
    VEC(uint8_t) marks;              // by stack_id: which of the view's symbols are on it
    VEC(uint8_t) functions;          // by function_id: the same; 0 not looked at
    VEC(struct keep_symbol) symbols; // of the view
    struct map by_name;              // hash of the function's name -> symbols
    uint64_t names_version;          // that the marks were found with
    uint64_t inlined_version;
};

void keep_fini(struct keep *keep); // a zeroed one is empty, and ready

// Judges what is published, for one and the same view, and each time the same store and names; the
// texts of the view's symbols stay where they are. True when names have changed in a way that
// matters to this view: all that was counted with `stacks` before must be forgotten. A view that
// has symbols judges no stacks beyond the frames that `names` covers: rows with such a stack have
// to wait.
bool keep_refresh(struct keep *keep, const struct view *view, const struct store *store,
                  const struct names *names);

// Whether it has judged with the names as they are now.
bool keep_is_current(const struct keep *keep, const struct view *view, const struct names *names);

// Whether rows with this stack can be counted already.
static inline bool keep_knows_stack(const struct keep *keep, stack_id stack)
{
    return stack < keep->stacks.n;
}
