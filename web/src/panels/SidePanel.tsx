// Why threads wait, and who wakes the one that is looked at; or all threads as a table. What is not shown is not asked.

import { useSignal } from "@preact/signals";
import { keep, recall } from "../lib/keep";
import { useEffect } from "preact/hooks";
import { OffCpuLegend } from "./OffCpuLegend";
import { ThreadsGrid } from "./ThreadsGrid";
import { WakersTable } from "./WakersTable";
import { useApp } from "./hooks";

const SIDES = [
    { side: "waits", label: "Waiting" },
    { side: "threads", label: "Threads" },
] as const;
type Side = (typeof SIDES)[number]["side"];

const KEY = "side";

export function SidePanel() {
    const app = useApp();
    const side = useSignal<Side>(recall(KEY) === "threads" ? "threads" : "waits");
    const choose = (chosen: Side) => {
        side.value = chosen;
        keep(KEY, chosen);
    };
    useEffect(() => {
        app.actions.add([
            {
                id: "side.threads",
                label: "Show the table of threads, or what is waited for",
                place: "global",
                keys: ["Shift+W"],
                run: () => choose(side.value === "waits" ? "threads" : "waits"),
            },
        ]);
    }, []);
    const onKeyDown = (event: KeyboardEvent) => {
        if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
            choose(side.value === "waits" ? "threads" : "waits");
            (event.currentTarget as HTMLElement).querySelector<HTMLElement>(`#side-tab-${side.value}`)?.focus();
            event.preventDefault();
            event.stopPropagation();
        }
    };
    return (
        <section class="side" data-place="table" aria-label="Waiting and threads">
            <div class="side-tabs" role="tablist" aria-label="Waiting or threads" onKeyDown={onKeyDown}>
                {SIDES.map(({ side: one, label }) => (
                    <button
                        key={one}
                        id={`side-tab-${one}`}
                        type="button"
                        role="tab"
                        aria-selected={side.value === one}
                        aria-controls="side-body"
                        tabIndex={side.value === one ? 0 : -1}
                        onClick={() => choose(one)}
                    >
                        {label}
                    </button>
                ))}
            </div>
            <div id="side-body" class="side-body" role="tabpanel" aria-labelledby={`side-tab-${side.value}`}>
                {side.value === "waits" ? (
                    <>
                        <OffCpuLegend />
                        <WakersTable />
                    </>
                ) : (
                    <ThreadsGrid />
                )}
            </div>
        </section>
    );
}
