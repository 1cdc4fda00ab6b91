// What parts of the page use of the page itself: two copies of it would not know of each other, or be too much.

import * as signals from "@preact/signals";
import * as preact from "preact";
import * as preactHooks from "preact/hooks";
import * as jsx from "preact/jsx-runtime";
import * as format from "./format";
import * as flameView from "../panels/FlameView";
import * as hooks from "../panels/hooks";
import * as tableNames from "../panels/TableNames";
import * as virtualRows from "../panels/VirtualRows";

// build.mjs reads the names from here.
const SHARED = {
    "@preact/signals": signals,
    "preact": preact,
    "preact/hooks": preactHooks,
    "preact/jsx-runtime": jsx,
    "lib/format": format,
    "panels/FlameView": flameView,
    "panels/TableNames": tableNames,
    "panels/VirtualRows": virtualRows,
    "panels/hooks": hooks,
};

declare global {
    // `var`, since only that puts a name onto globalThis
    var __staxShared: Record<string, unknown> | undefined;
}

/** Before any part is loaded. */
export function shareModules(): void {
    globalThis.__staxShared = SHARED;
}
