// Thread and mode.

import { useEffect } from "preact/hooks";
import type { Mode } from "../model/scope";
import { timelineView } from "../model/timeline_view";
import { whyNoWaits } from "../model/waits";
import { useApp, useFollow } from "./hooks";
import { ThreadPicker } from "./ThreadPicker";

const INTERVAL_MS = 1000;

interface ModeChoice {
    readonly mode: Mode;
    readonly label: string;
    readonly key: string;
    readonly title: string;
}

const MODES: readonly ModeChoice[] = [
    { mode: "on_cpu", label: "On CPU", key: "1", title: "Time that threads ran" },
    { mode: "off_cpu", label: "Waiting", key: "2", title: "Time that threads waited for something" },
    { mode: "wall", label: "Wall", key: "3", title: "Both together: time as a clock shows it" },
];

export function FilterBar() {
    const app = useApp();
    const view = timelineView(app);
    // Of all threads, whichever is chosen: it is what one chooses from.
    useFollow(
        "Profiler.threads",
        () => {
            const { tid: _, ...rest } = app.view.value;
            return { view: rest, limit: view.threadLimit.value };
        },
        INTERVAL_MS,
        (answer) => app.threads.set(answer),
        (error) => app.threads.fail(error.message),
    );
    return (
        <div class="filter-bar" role="group" aria-label="What is shown">
            <ThreadPicker />
            <ModeSwitch />
        </div>
    );
}

function ModeSwitch() {
    const app = useApp();
    const { mode } = app.state.scope.value;
    const why = whyNoWaits(app);
    const isDisabled = (choice: Mode) => why !== "" && choice !== "on_cpu";
    const choose = (choice: Mode) => {
        const { scope } = app.state;
        if (scope.value.mode !== choice) {
            app.setScope({ mode: choice, reason: choice === "on_cpu" ? null : scope.value.reason });
        }
    };
    useEffect(() => {
        app.actions.add(
            MODES.map(({ mode: choice, label, key }) => ({
                id: `mode.${choice}`,
                label: `Weigh: ${label}`,
                place: "global" as const,
                keys: [key],
                enabled: () => choice === "on_cpu" || whyNoWaits(app) === "",
                run: () => choose(choice),
            })),
        );
    }, []);
    const onKeyDown = (event: KeyboardEvent) => {
        const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key] ?? 0;
        if (by === 0 || event.ctrlKey || event.altKey || event.metaKey) {
            return;
        }
        const open = MODES.filter((choice) => !isDisabled(choice.mode));
        const at = open.findIndex((choice) => choice.mode === mode);
        const next = open[(Math.max(at, 0) + by + open.length) % open.length];
        choose(next.mode);
        (event.currentTarget as HTMLElement).querySelector<HTMLElement>(`[data-mode="${next.mode}"]`)?.focus();
        event.preventDefault();
        event.stopPropagation();
    };
    return (
        <div class="modes" role="radiogroup" aria-label="What weighs" onKeyDown={onKeyDown}>
            {MODES.map((choice) => (
                <button
                    key={choice.mode}
                    type="button"
                    role="radio"
                    data-mode={choice.mode}
                    aria-checked={mode === choice.mode}
                    aria-disabled={isDisabled(choice.mode)}
                    tabIndex={mode === choice.mode ? 0 : -1}
                    title={isDisabled(choice.mode) ? `Waits are not seen here: ${why}` : `${choice.title}. Key: ${choice.key}`}
                    onClick={() => !isDisabled(choice.mode) && choose(choice.mode)}
                >
                    {choice.label}
                </button>
            ))}
        </div>
    );
}
