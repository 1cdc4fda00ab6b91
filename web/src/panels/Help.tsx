// Every key that does something, by the place where it does: printed from the same list that makes them work.

import type { Action, Place } from "../model/actions";
import { Dialog } from "./Dialog";
import { useApp } from "./hooks";
import { useShell } from "./shell";

const PLACES: readonly (readonly [Place, string])[] = [
    ["global", "Anywhere"],
    ["flame", "In the flamegraph"],
    ["timeline", "In the timeline"],
    ["table", "In tables"],
    ["code", "In code"],
];

const SIGNS: Record<string, string> = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→" };

/** "Shift+ArrowUp" as its keys. */
export function Keys({ text }: { readonly text: string }) {
    const parts = text.length > 1 ? text.split(/\+(?=.)/) : /[A-Z]/.test(text) ? ["Shift", text] : [text];
    return (
        <span class="keys">
            {parts.map((part) => (
                <kbd key={part}>{SIGNS[part] ?? part}</kbd>
            ))}
        </span>
    );
}

function Group({ title, actions }: { readonly title: string; readonly actions: readonly Action[] }) {
    return (
        <section>
            <h3>{title}</h3>
            <dl>
                {actions.map((action) => (
                    <div key={action.id}>
                        <dt>
                            {action.keys.map((key) => (
                                <Keys key={key} text={key} />
                            ))}
                        </dt>
                        <dd>{action.label}</dd>
                    </div>
                ))}
            </dl>
        </section>
    );
}

export function Help() {
    return (
        <Dialog name="help" label="Keys">
            <Body />
        </Dialog>
    );
}

// Made when it is opened: panels have said by then what they can do.
function Body() {
    const app = useApp();
    const { dialog } = useShell();
    const bound = app.actions.all.filter((action) => action.keys.length > 0);
    return (
        <>
            <header>
                <h2>Keys</h2>
                <button onClick={() => (dialog.value = "none")}>Close</button>
            </header>
            <p class="dim">
                Keys of a panel count while it has the focus: <Keys text="F6" /> goes from one to the next.
            </p>
            <div class="help">
                {PLACES.map(([place, title]) => {
                    const actions = bound.filter((action) => action.place === place);
                    return actions.length > 0 && <Group key={place} title={title} actions={actions} />;
                })}
            </div>
        </>
    );
}
