// A decoy: shares.c with other names for the same code. Tests put it where a careless reader would
// look for a binary that is really elsewhere (another mount namespace, another root).

#define share_50 decoy_50
#define share_30 decoy_30
#define share_20 decoy_20
#include "shares.c"
