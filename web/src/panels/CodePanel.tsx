// The instructions of a function, with the lines of its source, and how hot each is.

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { exact, milliseconds, percentOf, visible } from "../lib/format";
import { keep, recall } from "../lib/keep";
import type { AnnotatedLine } from "../lib/protocol";
import type { App } from "../model/app";
import { inlinedText, isCall, ROW_INSTRUCTION, ROW_SOURCE, tokens, type Code } from "../model/code";
import { NO_ADDRESS } from "../model/tables";
import { CodeArrows } from "./CodeArrows";
import { CodeSource } from "./CodeSource";
import { askedOf, checkAnswer, useDetails, useStale } from "./details";
import { useApp, useFollow } from "./hooks";
import { FunctionName } from "./TableNames";
import { VirtualRows, type Row, type RowsHandle } from "./VirtualRows";

const INTERVAL_MS = 500;
export const CODE_ROW_HEIGHT = 20;
const MOST_LINES = 20_000;
const HOTTEST = 50; // lines that `h` goes through

/** Chooses a function of which only the address is known. */
export async function chooseAddress(app: App, address: string): Promise<void> {
    const params = { view: app.view.value, address, limit: 1, source: false };
    const answer = await app.client.call("Profiler.annotated", params);
    const { function_name: name, binary, base_address: base, language, inlined } = answer;
    const frame = app.frames.find(name, binary) ?? app.frames.add(name, binary, 1, language, inlined, base);
    app.tables.setExact(frame, base);
    app.choose(frame);
}

/** Follows Profiler.annotated for the function of the details. */
function useCode(app: App): { code: Code; stale: boolean } {
    const { code } = useDetails();
    const asked = useComputed(() => askedOf(app));
    const [stale, answered] = useStale(asked);
    useFollow(
        "Profiler.annotated",
        () => asked.value && { ...asked.value, view: app.view.value, limit: MOST_LINES },
        INTERVAL_MS,
        (answer) => {
            answered();
            if (!code.apply(answer)) {
                code.fail("stax-server sent changes of code that it did not send before");
            } else if (answer.inlined_host === undefined) {
                checkAnswer(app, answer);
            }
        },
        (error) => {
            answered();
            code.fail(error.message);
            if (error.kind === "not_found") {
                checkAnswer(app, null);
            }
        },
    );
    return { code, stale };
}

/** Another function, or another listing of it: the instruction that is wanted, or the hottest, comes into sight once. */
function useFirstSight(code: Code, goTo: (line: number) => void): void {
    const { wanted } = useDetails();
    const seen = useRef(-1);
    useSignalEffect(() => {
        void code.version.value;
        const listing = code.listing.value;
        const address = wanted.value;
        const hottest = code.heat.hottest(1);
        const isNew = seen.current !== listing && hottest.length > 0;
        if (code.lines.length === 0 || (!isNew && address === null)) {
            return;
        }
        seen.current = listing;
        const at = code.lineAt(address ?? undefined);
        wanted.value = null;
        requestAnimationFrame(() => goTo(at >= 0 ? at : (hottest[0] ?? 0)));
    });
}

export function CodePanel() {
    const app = useApp();
    const { code, stale } = useCode(app);
    const handle = useRef<RowsHandle | null>(null);
    const current = useSignal(0);
    const rank = useRef(0);
    const source = useSignal(recall("code.source") !== "off");
    const bytes = useSignal(recall("code.bytes") === "on");
    const trouble = useSignal("");

    const goTo = (line: number) => {
        current.value = code.rowOf(line);
        handle.current?.show(current.value, true);
    };
    const goToHottest = (step: number) => {
        const hottest = code.heat.hottest(HOTTEST);
        if (hottest.length > 0) {
            rank.current = (rank.current + step + hottest.length) % hottest.length;
            goTo(hottest[rank.current]);
            handle.current?.focus();
        }
    };
    const toggle = (what: "source" | "bytes") => {
        const line = code.rowLine[current.value] ?? 0;
        const signal = what === "source" ? source : bytes;
        signal.value = !signal.value;
        keep(`code.${what}`, signal.value ? "on" : "off");
        if (what === "source") {
            code.setSource(signal.value);
            goTo(line);
        }
    };
    useEffect(() => {
        code.setSource(source.value);
        app.actions.add([
            action("code.hottest", "Next hottest instruction", "h", () => goToHottest(1)),
            action("code.hotter", "Previous hottest instruction", "Shift+H", () => goToHottest(-1)),
            action("code.source", "Source lines on or off", "s", () => toggle("source")),
            action("code.bytes", "Bytes of instructions on or off", "b", () => toggle("bytes")),
        ]);
    }, []);
    useFirstSight(code, (line) => {
        rank.current = 0;
        goTo(line);
    });

    const follow = (line: AnnotatedLine) => {
        const to = isCall(line.text) ? -1 : code.lineAt(line.target_address);
        trouble.value = "";
        if (to >= 0) {
            goTo(to);
            handle.current?.focus();
        } else if (line.target_address !== undefined) {
            chooseAddress(app, line.target_address).catch((error: unknown) => {
                trouble.value = error instanceof Error ? error.message : String(error);
            });
        }
    };
    void code.version.value;
    const onKey = (event: KeyboardEvent) => {
        if (event.ctrlKey || event.metaKey || event.altKey) {
            return false;
        }
        switch (event.code) {
            case "KeyH":
                goToHottest(event.shiftKey ? -1 : 1);
                return true;
            case "KeyS":
                toggle("source");
                return true;
            case "KeyB":
                toggle("bytes");
                return true;
            default:
                return false;
        }
    };
    const row = (index: number) => rowOf(code, index, bytes.value, follow);
    return (
        <div class={`code ${bytes.value ? "with-bytes" : ""} ${stale ? "stale" : ""}`} aria-busy={stale}>
            <CodeNotes app={app} code={code} trouble={trouble.value} />
            <VirtualRows
                label="Instructions"
                class="code-rows"
                count={code.rows}
                rowHeight={CODE_ROW_HEIGHT}
                head={<CodeHead bytes={bytes.value} source={source.value} onToggle={toggle} />}
                row={row}
                current={current.value}
                onCurrent={(index) => (current.value = index)}
                onKey={(event, index) => {
                    if (event.key === "Enter" && code.rowKind[index] === ROW_INSTRUCTION) {
                        follow(code.lines[code.rowLine[index]]);
                        return true;
                    }
                    return onKey(event);
                }}
                text={(index) => code.lines[code.rowLine[index]].text}
                overlay={(first, last) => <CodeArrows code={code} first={first} last={last} />}
                handle={handle}
                empty={code.trouble.value || (askedOf(app) === null ? "Choose a function: it has no code here." : "…")}
            />
        </div>
    );
}

function action(id: string, label: string, key: string, run: () => void) {
    return { id, label, place: "code" as const, keys: [key], run };
}

interface HeadProps {
    readonly bytes: boolean;
    readonly source: boolean;
    readonly onToggle: (what: "source" | "bytes") => void;
}

function CodeHead({ bytes, source, onToggle }: HeadProps) {
    return (
        <>
            <div role="columnheader" class="cell" title="samples right at this instruction, of the function's">
                self %
            </div>
            <div role="columnheader" class="cell" title="samples in what is called from here">
                below %
            </div>
            <div role="columnheader" class="cell left">
                address
            </div>
            {bytes && (
                <div role="columnheader" class="cell left">
                    bytes
                </div>
            )}
            <div role="columnheader" class="cell left head-tools">
                <span>instruction</span>
                <span class="spring" />
                <button type="button" aria-pressed={source} title="s" onClick={() => onToggle("source")}>
                    source
                </button>
                <button type="button" aria-pressed={bytes} title="b" onClick={() => onToggle("bytes")}>
                    bytes
                </button>
            </div>
        </>
    );
}

// One line, however much there is to say: what stands below must not move.
function CodeNotes({ app, code, trouble }: { app: App; code: Code; trouble: string }) {
    const head = code.head;
    if (head === null) {
        return <div class="notes" />;
    }
    const host = head.inlined_host;
    const cut = head.n_lines - code.lines.length;
    const notes = head.notes.map((note) => visible(note.text));
    if (host !== undefined) {
        const share = `${exact(host.samples_here)} of its ${exact(host.samples)} samples`;
        notes.unshift(`${visible(host.function_name)} is inlined; ${share} are in ${visible(head.function_name)}`);
    }
    if (cut > 0) {
        notes.unshift(`${exact(cut)} lines with ${exact(head.cut_self_samples)} samples are left out`);
    }
    if (trouble !== "") {
        notes.unshift(visible(trouble));
    }
    return (
        <div class="notes">
            <span class="dim">
                {exact(head.self_samples)} samples in it, {milliseconds(head.self_on_cpu_ns)} ms
            </span>
            <Matches app={app} code={code} />
            {notes.length > 0 && (
                <details class="popup">
                    <summary class="warn">
                        {notes.length > 1 && `${notes.length} notes: `}
                        {notes[0]}
                    </summary>
                    <ul>
                        {notes.map((note) => (
                            <li key={note}>{note}</li>
                        ))}
                    </ul>
                </details>
            )}
        </div>
    );
}

/** Other functions that were meant, perhaps. */
function Matches({ app, code }: { app: App; code: Code }) {
    const head = code.head;
    if (head === null || head.matches.length === 0) {
        return null;
    }
    return (
        <details class="popup">
            <summary>{exact(head.n_matches - 1)} other functions fit this name</summary>
            <ul>
                {head.matches.map((match) => (
                    <li key={`${match.function_name} ${match.binary} ${match.address}`}>
                        <button
                            type="button"
                            onClick={() => {
                                const { function_name: name, binary, inlined, address } = match;
                                const frame = app.frames.add(name, binary, 1, "", inlined, address);
                                app.tables.setExact(frame, address);
                                app.choose(frame);
                            }}
                        >
                            <FunctionName name={match.function_name} binary={match.binary} inlined={match.inlined} />
                        </button>
                    </li>
                ))}
            </ul>
        </details>
    );
}

function rowOf(code: Code, index: number, bytes: boolean, follow: (line: AnnotatedLine) => void): Row {
    const line = code.rowLine[index];
    if (code.rowKind[index] === ROW_INSTRUCTION) {
        const isHot = code.heat.selfSamples[line] > code.samples * 0.1;
        return {
            key: line,
            class: isHot ? "hot" : "",
            cells: <Instruction code={code} line={line} bytes={bytes} follow={follow} />,
        };
    }
    if (code.rowKind[index] === ROW_SOURCE) {
        return {
            key: `s${line}`,
            class: "source",
            cells: <SourceRow code={code} line={line} language={code.head?.language ?? ""} />,
        };
    }
    const version = code.head?.versions.find((each) => each.first_line - (code.head?.first_line ?? 0) === line);
    return {
        key: `v${line}`,
        class: "source",
        cells: (
            <div role="gridcell" class="cell left instruction">
                made {((version?.loaded_ns ?? 0) / 1e9).toFixed(3)} s after the start, with{" "}
                {exact(version?.self_samples ?? 0)} samples
            </div>
        ),
    };
}

function SourceRow({ code, line, language }: { code: Code; line: number; language: string }) {
    const header = code.source(line);
    const before = line === 0 ? null : code.source(line - 1);
    const inlined = inlinedText(code.inlined(line));
    const file = header?.file.split("/").pop() ?? "";
    const isNewFile = header !== null && header.file !== before?.file;
    const place = header === null ? "no line is known" : visible(`${isNewFile ? header.file : file}:${header.line}`);
    return (
        <>
            <div role="gridcell" class="cell left place" title={header === null ? "" : visible(header.file)}>
                <bdi>{place}</bdi>
            </div>
            <div role="gridcell" class="cell left instruction">
                {header?.text !== undefined && <CodeSource text={header.text} language={language} />}
                {inlined !== "" && <span class="inlined"> inlined: {visible(inlined)}</span>}
            </div>
        </>
    );
}

interface InstructionProps {
    readonly code: Code;
    readonly line: number;
    readonly bytes: boolean;
    readonly follow: (line: AnnotatedLine) => void;
}

function Instruction({ code, line: number, bytes, follow }: InstructionProps) {
    const line = code.lines[number];
    const { selfSamples, totalSamples } = code.heat;
    const share = (samples: number) => (samples > 0 ? percentOf(samples, code.samples) : "");
    const heat = code.samples > 0 ? selfSamples[number] / code.samples : 0;
    return (
        <>
            <div role="gridcell" class="cell" title={`${exact(selfSamples[number])} samples`}>
                <span class="heat" style={{ opacity: Math.min(0.55, heat * 2).toFixed(3) }} />
                <span class="over">{share(selfSamples[number])}</span>
            </div>
            <div role="gridcell" class="cell dim">
                {share(totalSamples[number] - selfSamples[number])}
            </div>
            <div role="gridcell" class="cell left dim">
                {line.address === NO_ADDRESS ? "?" : visible(line.address)}
            </div>
            {bytes && (
                <div role="gridcell" class="cell left dim">
                    {visible(line.bytes).replace(/..(?=.)/g, "$& ")}
                </div>
            )}
            <div role="gridcell" class={`cell left instruction ${line.is_data ? "data" : ""}`}>
                {line.text === "" ? <span class="dim">no code</span> : <Tokens text={line.text} />}
                {line.target_name !== undefined && (
                    <button type="button" class="link" tabIndex={-1} onClick={() => follow(line)}>
                        {visible(line.target_name.slice(0, 200))}
                    </button>
                )}
            </div>
        </>
    );
}

function Tokens({ text }: { text: string }) {
    return (
        <>
            {tokens(visible(text)).map(([kind, piece]) =>
                kind === "" ? piece : <span class={`t-${kind}`}>{piece}</span>,
            )}
        </>
    );
}
