// What the parts around the panels share.

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Shell } from "../model/shell";

export const ShellContext = createContext<Shell | null>(null);

export function useShell(): Shell {
    const shell = useContext(ShellContext);
    if (shell === null) {
        throw new Error("a part of the shell stands outside of it");
    }
    return shell;
}
