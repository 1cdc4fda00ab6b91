// What can be done with a box, where the pointer is.

import { useEffect, useRef } from "preact/hooks";
import { shorten } from "../lib/format";
import type { App } from "../model/app";
import type { FlameControl } from "./flame_control";
import { useApp } from "./hooks";

const NAME_AT_MOST = 48;

/** Ids of actions, in the order of the menu; null: a line between groups. */
const ITEMS = [
    "flame.focus",
    "flame.drop",
    null,
    "flame.zoom",
    "flame.merge",
    "flame.collapse",
    null,
    "flame.copyName",
    "flame.copyStack",
    null,
    "flame.showCode",
    "flame.showCallers",
] as const;

export function FlameMenu({ control }: { readonly control: FlameControl }) {
    const place = control.menu.value;
    return place === null ? null : <OpenMenu key={`${place.x} ${place.y}`} control={control} x={place.x} y={place.y} />;
}

interface Props {
    readonly control: FlameControl;
    readonly x: number;
    readonly y: number;
}

function OpenMenu({ control, x, y }: Props) {
    const app = useApp();
    const list = useRef<HTMLDivElement>(null);
    const close = () => {
        control.menu.value = null;
        document.querySelector<HTMLElement>(".flame-main .flame-box")?.focus({ preventScroll: true });
    };
    useEffect(() => {
        fit(list.current as HTMLElement, x, y);
        const away = (event: Event) => !list.current?.contains(event.target as Node) && (control.menu.value = null);
        document.addEventListener("pointerdown", away, true);
        window.addEventListener("blur", close);
        window.addEventListener("resize", close);
        return () => {
            document.removeEventListener("pointerdown", away, true);
            window.removeEventListener("blur", close);
            window.removeEventListener("resize", close);
        };
    }, []);
    const run = (id: string) => {
        close();
        app.actions.run(id);
    };
    const frame = control.frame();
    return (
        <div
            class="flame-menu"
            role="menu"
            aria-label="What to do with this function"
            ref={list}
            tabIndex={-1}
            onKeyDown={(event) => handleKey(event, close)}
            onContextMenu={(event) => event.preventDefault()}
        >
            <div class="flame-menu-title">
                {frame === null ? "everything" : shorten(app.frames.name[frame], NAME_AT_MOST)}
            </div>
            {ITEMS.map((id, i) => (id === null ? <hr key={i} /> : <Item key={id} app={app} id={id} run={run} />))}
        </div>
    );
}

function Item({ app, id, run }: { readonly app: App; readonly id: string; run(id: string): void }) {
    const action = app.actions.all.find((one) => one.id === id);
    if (action === undefined) {
        return null;
    }
    const isEnabled = action.enabled?.() ?? true;
    return (
        <button role="menuitem" tabIndex={-1} aria-disabled={!isEnabled} onClick={() => isEnabled && run(id)}>
            <span>{action.label}</span>
            {action.keys.length > 0 && <kbd>{action.keys[0]}</kbd>}
        </button>
    );
}

// Within the page, and with the first thing that can be done under the keys.
function fit(list: HTMLElement, x: number, y: number): void {
    const rect = list.getBoundingClientRect();
    list.style.left = `${Math.max(0, Math.min(x, window.innerWidth - rect.width - 4))}px`;
    list.style.top = `${Math.max(0, Math.min(y, window.innerHeight - rect.height - 4))}px`;
    (list.querySelector<HTMLElement>("[role=menuitem][aria-disabled=false]") ?? list).focus();
}

function handleKey(event: KeyboardEvent, close: () => void): void {
    const list = event.currentTarget as HTMLElement;
    const items = [...list.querySelectorAll<HTMLElement>("[role=menuitem][aria-disabled=false]")];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to !== undefined) {
        items[(to + items.length) % Math.max(1, items.length)]?.focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
        close();
    } else if (event.key === "Enter" || event.key === " ") {
        event.stopPropagation(); // the button presses itself
        return;
    } else {
        event.stopPropagation();
        return;
    }
    event.preventDefault();
    event.stopPropagation();
}
