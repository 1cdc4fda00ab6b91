// Names and shares as cells show them.

import { shorten, visible } from "../lib/format";
import { REASONS } from "../model/scope";

const LONGEST_NAME = 300; // in the page; what is cut off then does not fit anyway

/** A name of a target: text only, whatever is in it, and it turns nothing around it. */
export function Name({ text }: { text: string }) {
    const shown = shorten(text, LONGEST_NAME);
    return <bdi title={visible(text)}>{shown}</bdi>;
}

export function FunctionName({ name, binary, inlined }: { name: string; binary: string; inlined: boolean }) {
    return (
        <>
            {name === "" ? <i>no name</i> : <Name text={name} />}
            {inlined && <span class="inlined"> inlined</span>}
            {binary !== "" && (
                <span class="binary">
                    {" "}
                    <Name text={binary} />
                </span>
            )}
        </>
    );
}

/** `reason`: index into REASONS; beyond its end nothing is shown. */
export function ReasonCode({ reason }: { reason: number }) {
    const known = REASONS[reason];
    return known === undefined ? null : (
        <span class="reason" title={known.label}>
            <span class="swatch" style={{ background: `var(--reason-${known.name})` }} />
            {known.code}
        </span>
    );
}

/** A share as a bar behind its number. `width`: 0 to 1. */
export function Bar({ width, text }: { width: number; text: string }) {
    return (
        <>
            <span class="bar" style={{ transform: `scaleX(${Math.max(0, Math.min(1, width)).toFixed(3)})` }} />
            <span class="over">{text}</span>
        </>
    );
}
