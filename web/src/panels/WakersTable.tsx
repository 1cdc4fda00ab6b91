// Who ended the waits of the thread that is looked at.

import { count, milliseconds, shorten, visible } from "../lib/format";
import type { Waker } from "../lib/protocol";
import { useAtMostEvery } from "./at_most";
import { useApp, useFollow } from "./hooks";

const INTERVAL_MS = 1000;
const LIMIT = 20;
const NAME_CHARACTERS = 40;

export function WakersTable() {
    const app = useApp();
    const { tid } = app.state.scope.value;
    useFollow(
        "Profiler.wakers",
        () => {
            const { tid: wakee, ...rest } = app.view.value;
            return wakee === undefined ? null : { view: rest, tid: wakee, limit: LIMIT };
        },
        INTERVAL_MS,
        (answer) => app.wakers.set(answer),
        (error) => app.wakers.fail(error.message),
    );
    void useAtMostEvery(INTERVAL_MS / 2, app.wakers.version).value;
    const answer = app.wakers.value;
    const isOfThread = answer !== null && answer.wakee_tid === tid;
    const name = isOfThread ? `${shorten(answer.wakee_name, NAME_CHARACTERS)} ${tid}` : `thread ${tid}`;
    return (
        <div class="wakers">
            <div class="side-head">
                <h2>{tid === null ? "Wakers" : `Wakers of ${name}`}</h2>
                {isOfThread && answer.available && (
                    <span class="side-total" title="How often it was made ready">
                        {count(answer.total_wakeups)}
                    </span>
                )}
            </div>
            <WakersBody />
        </div>
    );
}

function WakersBody() {
    const app = useApp();
    const { tid } = app.state.scope.value;
    const answer = app.wakers.value;
    const wakeups = app.status.value?.capabilities.wakeups;
    if (tid === null) {
        const unseen = wakeups?.available === false ? ` Wakeups are not seen here: ${wakeups.reason}` : "";
        return <p class="side-note">Choose a thread to see who wakes it (key t).{unseen}</p>;
    }
    if (app.wakers.trouble !== "") {
        return <p class="side-note">{app.wakers.trouble}</p>;
    }
    if (answer === null || answer.wakee_tid !== tid) {
        return <p class="side-note">…</p>;
    }
    if (!answer.available) {
        return <p class="side-note">Wakeups are not seen here: {answer.reason}</p>;
    }
    if (answer.entries.length === 0) {
        return <p class="side-note">Nobody has woken this thread in this scope.</p>;
    }
    return (
        <table aria-label="Wakers">
            <thead>
                <tr>
                    <th scope="col">waker</th>
                    <th scope="col">function</th>
                    <th scope="col" class="number" title="How often">
                        times
                    </th>
                    <th scope="col" class="number" title="Waiting that it ended, in milliseconds">
                        ended ms
                    </th>
                </tr>
            </thead>
            <tbody>
                {answer.entries.map((entry, i) => (
                    <WakerRow key={i} entry={entry} />
                ))}
            </tbody>
        </table>
    );
}

function WakerRow({ entry }: { entry: Waker }) {
    const app = useApp();
    const canGo = !entry.interrupt && !entry.foreign;
    const go = () => canGo && app.setScope({ tid: entry.waker_tid });
    const where = entry.waker_function_name || "not known";
    const about = entry.approximate_count > 0 ? ` (${count(entry.approximate_count)} of another wakeup by it)` : "";
    return (
        <tr class={canGo ? "waker-go" : undefined} onClick={go}>
            <td>
                {canGo ? (
                    <button type="button" title={`Look at thread ${entry.waker_tid}`}>
                        <bdi>{visible(entry.waker_name)}</bdi> {entry.waker_tid}
                    </button>
                ) : (
                    <span title={entry.interrupt ? "an interrupt: a timer, a device" : "a thread of another program"}>
                        <bdi>{visible(entry.waker_name)}</bdi>
                        {entry.interrupt ? "" : ` ${entry.waker_tid}`}
                    </span>
                )}
            </td>
            <td class="waker-function" title={`${visible(where)} ${visible(entry.waker_binary)}${about}`}>
                <bdi>{visible(where)}</bdi>
            </td>
            <td class="number">
                {entry.approximate_count > 0 ? "≈" : ""}
                {count(entry.count)}
            </td>
            <td class="number">{milliseconds(entry.ended_ns)}</td>
        </tr>
    );
}
