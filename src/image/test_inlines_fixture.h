#pragma once

// Places in the shared library test_inlines_fixture.c.

extern volatile int fixture_number;

void fixture_outer(void); // middle() < innermost() inlined
void fixture_split(void); // split()
int fixture_twice(void);  // number() and number()
void fixture_alone(void); // nothing
void fixture_deep(void);  // level_90() < level_89() … level_10() < level_0(): 82

void mark_innermost(void);
void mark_middle(void);
void mark_outer(void);
void mark_hot(void);
void mark_cold(void);
void mark_alone(void);
void mark_deepest(void);
