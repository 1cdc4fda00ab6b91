// The tabs of the details, and what they know.

import { registerPart } from "../lib/parts";
import { Details } from "../model/details";
import { CfgPanel } from "../panels/CfgPanel";
import { CodePanel } from "../panels/CodePanel";
import { IntervalsPanel } from "../panels/IntervalsPanel";
import { NeighborsPanel } from "../panels/NeighborsPanel";
import { TreePanel } from "../panels/TreePanel";

registerPart("details", {
    makeDetails: (frames) => new Details(frames),
    panels: { code: CodePanel, neighbors: NeighborsPanel, intervals: IntervalsPanel, cfg: CfgPanel, tree: TreePanel },
});
