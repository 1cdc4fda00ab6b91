// What there is beside the flamegraph: activity over time, waits, threads.

import { registerPart } from "../lib/parts";
import { SidePanel } from "../panels/SidePanel";
import { TimelinePanel } from "../panels/TimelinePanel";
import style from "../style/time.css";

registerPart("time", { timeline: TimelinePanel, side: SidePanel }, style);
