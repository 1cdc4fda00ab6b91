// A window over the page that has all keys until it is closed: by Esc, by a click beside it, or by what is in it.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Dialog as Name } from "../model/shell";
import { useShell } from "./shell";

interface Props {
    readonly name: Name;
    readonly label: string;
    readonly children: ComponentChildren;
}

export function Dialog({ name, label, children }: Props) {
    const { dialog } = useShell();
    return dialog.value === name ? <Open label={label}>{children}</Open> : null;
}

function Open({ label, children }: Omit<Props, "name">) {
    const { dialog } = useShell();
    const element = useRef<HTMLDialogElement>(null);
    // Before anything else happens: the next key is for the dialog already.
    useLayoutEffect(() => {
        const before = document.activeElement as HTMLElement | null;
        element.current?.showModal();
        return () => {
            if (before?.isConnected === true) {
                before.focus();
            }
        };
    }, []);
    const close = () => (dialog.value = "none");
    return (
        <dialog
            ref={element}
            class="dialog"
            aria-label={label}
            onClose={close}
            onClick={(event) => event.target === element.current && close()}
        >
            <div class="dialog-body">{children}</div>
        </dialog>
    );
}
