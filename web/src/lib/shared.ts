// What parts of the page use of the page itself: two copies of it would not know of each other.

import * as signals from "@preact/signals";

declare global {
    // `var`, since only that puts a name onto globalThis
    var __staxShared: Record<string, unknown> | undefined;
}

/** Names: those of SHARED in build.mjs. Before any part is loaded. */
export function shareModules(): void {
    globalThis.__staxShared = { "@preact/signals": signals };
}
