#include "server/answer_code_parts.h"
#include "server/answers.h"

void answer_neighbors(struct text *to, struct analysis *analysis, const struct question *question)
{
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    put_view_fields(&j, analysis, question->kept);
    put_target_fields(&j, analysis, question->code);
    json_object_end(&j);
}
