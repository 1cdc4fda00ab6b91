#pragma once

// Questions about one function: `annotated`, `cfg`, `neighbors`.
//
//     target ──find──► function ──► heat: where in its code the samples are
//                          └──────► listing: its code, made once by the lister (code/lister.h)
//
// The query thread asks the lister for a listing and goes on with other questions; the listings of
// a run are kept, so the next answer has it at once. Belongs to the query thread.

#include "code/lister.h"
#include "query/find_function.h"
#include "query/function_heat.h"
#include "server/analysis.h"

// What is asked: copied with the question.
struct code_params {
    struct function_target target;
    enum disasm_syntax syntax;
    bool source;
    struct source_maps maps;
    uint32_t first_line; // of the answer's
    uint32_t limit;      // lines
};

// On the way to the answer.
struct code_work {
    struct code_params params;
    struct found_functions found;
    function_id function;      // whose code it is: FUNCTION_NONE: no sample was ever in it
    function_id inlined;       // that was asked for, and has no code of its own; else FUNCTION_NONE
    uint64_t host_samples;     // of it, how many are in `function`
    struct function unsampled; // when it is FUNCTION_NONE; its name is owned
    struct function_heat heat;
    struct listing *listing;
};

struct code_work *code_work_new(void);
struct code_work *code_work_copy(const struct code_work *model); // what is asked, nothing else
void code_work_free(struct code_work *work);                     // accepts NULL

// The function that the answer is about: of neighbors, perhaps an inlined one.
const struct function *code_work_function(const struct code_work *work,
                                          const struct analysis *analysis);

// ---- Listings of a run -------------------------------------------------------------------------

struct kept_listing {
    struct listing_wish wish;
    struct listing *listing;     // NULL: it has never been made
    const struct symtab *symtab; // of its image, when it was asked for
    uint64_t sources;            // the count of sources that had arrived, likewise
    bool under_way;
    uint64_t last_used;
};

struct listings {
    VEC(struct kept_listing) all;
    uint64_t uses;
    uint32_t n_under_way; // jobs that look at the run
};

void listings_fini(struct listings *listings); // a zeroed one is empty, and ready

// What lists, and how many sources have arrived so far (image/debuginfod.h).
struct listing_desk {
    struct lister *lister;
    _Atomic uint64_t *sources;
    const char *source_cache; // as in struct listing_run; these three too
    void (*fetch_source)(void *context, const struct build_id *build_id, const char *path);
    void *context;
};

// A job is done: its listing takes its place.
void listings_take(struct listings *listings, struct lister_job *job);

// ---- The work ----------------------------------------------------------------------------------

enum code_step {
    CODE_READY,     // the answer can be made, at once
    CODE_WAITS,     // for a listing that is being made
    CODE_NOT_FOUND, // `reterr` says it, and names the hottest functions
};

// When the question's view has caught up. `needs_code`: not of neighbors.
enum code_step code_work_advance(struct code_work *work, struct analysis *analysis,
                                 const struct question *question, const struct listing_desk *desk,
                                 bool needs_code, struct err *reterr);

// A number that moves with what an answer shows beside what the view has counted.
uint64_t code_work_revision(const struct code_work *work);
