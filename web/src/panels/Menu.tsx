// A button that opens a list of things to do.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

export interface MenuItem {
    readonly label: string;
    readonly note?: string;
    /** A box that is ticked or not, rather than something that is done once. */
    readonly checked?: boolean;
    /** Why it cannot be done; absent: it can. */
    readonly disabled?: string | undefined;
    run(): void;
}

interface Props {
    readonly label: string;
    readonly class?: string;
    readonly title?: string;
    readonly children: ComponentChildren;
    /** Asked while it is open. */
    items(): readonly (MenuItem | "line")[];
    onOpen?(): void;
}

export function Menu({ label, class: name = "", title, children, items, onOpen }: Props) {
    const open = useSignal(false);
    const root = useRef<HTMLDivElement>(null);
    const button = useRef<HTMLButtonElement>(null);
    const close = (refocus: boolean) => {
        open.value = false;
        if (refocus) {
            button.current?.focus();
        }
    };
    const toggle = () => {
        if (!open.value) {
            onOpen?.();
        }
        open.value = !open.value;
    };
    useEffect(() => {
        if (!open.value) {
            return;
        }
        const away = (event: PointerEvent) => root.current?.contains(event.target as Node) !== true && close(false);
        document.addEventListener("pointerdown", away);
        return () => document.removeEventListener("pointerdown", away);
    }, [open.value]);
    const choose = (item: MenuItem) => {
        close(true);
        item.run();
    };
    return (
        <div class="menu" ref={root}>
            <button
                ref={button}
                class={name}
                aria-label={label}
                aria-haspopup="menu"
                aria-expanded={open.value}
                title={title}
                onClick={toggle}
                onKeyDown={(event) => {
                    if (event.key === "ArrowDown" && !open.value) {
                        toggle();
                        event.preventDefault();
                    }
                }}
            >
                {children}
            </button>
            {open.value && <List label={label} items={items()} choose={choose} close={close} />}
        </div>
    );
}

interface ListProps {
    readonly label: string;
    readonly items: readonly (MenuItem | "line")[];
    choose(item: MenuItem): void;
    close(refocus: boolean): void;
}

function List({ label, items, choose, close }: ListProps) {
    const list = useRef<HTMLDivElement>(null);
    const buttons = () => [...(list.current?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])];
    useEffect(() => (buttons().find((one) => one.ariaDisabled !== "true") ?? list.current)?.focus(), []);
    const handleKey = (event: KeyboardEvent) => {
        const all = buttons();
        const at = all.indexOf(document.activeElement as HTMLElement);
        const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
        if (to !== undefined) {
            all[(to + all.length) % all.length]?.focus();
        } else if (event.key === "Escape" || event.key === "Tab") {
            close(true);
        } else if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey) {
            const starts = (one: HTMLElement) => one.innerText.trim().toLowerCase().startsWith(event.key.toLowerCase());
            [...all.slice(at + 1), ...all.slice(0, at + 1)].find(starts)?.focus();
        } else {
            return;
        }
        event.preventDefault();
    };
    return (
        <div class="menu-list" role="menu" aria-label={label} tabIndex={-1} ref={list} onKeyDown={handleKey}>
            {items.map((item, i) =>
                item === "line" ? (
                    <hr key={i} />
                ) : (
                    <button
                        key={i}
                        role={item.checked === undefined ? "menuitem" : "menuitemcheckbox"}
                        aria-checked={item.checked}
                        aria-disabled={item.disabled !== undefined}
                        tabIndex={-1}
                        title={item.disabled}
                        onClick={() => item.disabled === undefined && choose(item)}
                    >
                        <span class="tick">{item.checked === true ? "✓" : ""}</span>
                        <span class="text">{item.label}</span>
                        {item.note !== undefined && <span class="note">{item.note}</span>}
                    </button>
                ),
            )}
        </div>
    );
}
