#pragma once

// What is needed only while a store is being restored: see restore.h.

struct restoring;

void restoring_free(struct restoring *restoring); // accepts NULL
