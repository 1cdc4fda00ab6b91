#include "server/sent.h"

struct sent *sent_new(void)
{
    return NEW(struct sent);
}

void sent_free(struct sent *sent)
{
    if (sent != NULL) {
        code_sent_fini(&sent->code);
        live_tree_sent_fini(&sent->tree);
        live_functions_fini(&sent->top.functions);
        live_timeline_sent_fini(&sent->timeline);
        free(sent);
    }
}
