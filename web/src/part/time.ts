// What there is around the flamegraph: whose time, activity over time, waits, threads.

import { registerPart } from "../lib/parts";
import { FilterBar } from "../panels/FilterBar";
import { SidePanel } from "../panels/SidePanel";
import { TimelinePanel } from "../panels/TimelinePanel";
import filters from "../style/filters.css";
import style from "../style/time.css";

registerPart("time", { filters: FilterBar, timeline: TimelinePanel, side: SidePanel }, filters + style);
