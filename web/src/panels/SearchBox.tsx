// Search highlights and counts; only "keep" and "drop" change what is counted.

import { useEffect, useRef } from "preact/hooks";
import type { Query } from "../model/state";
import { useApp } from "./hooks";
import { useShell } from "./shell";

const LONGEST = 1024;

export function SearchBox() {
    const app = useApp();
    const shell = useShell();
    const input = useRef<HTMLInputElement>(null);
    const query = app.state.query;
    const set = (change: Partial<Query>) => (query.value = { ...query.value, ...change });
    useEffect(() => {
        shell.focusSearch = () => {
            input.current?.focus();
            input.current?.select();
        };
    }, []);
    return (
        <div class="search" role="search">
            <input
                ref={input}
                type="search"
                aria-label="Search functions"
                placeholder="Search functions ( / )"
                spellcheck={false}
                autocomplete="off"
                maxLength={LONGEST}
                value={query.value.text}
                onInput={(event) => set({ text: event.currentTarget.value.slice(0, LONGEST) })}
            />
        </div>
    );
}
