// Stopping a recording cannot be taken back: it asks first.

import { Dialog } from "./Dialog";
import { useShell } from "./shell";

export function ConfirmStop() {
    const shell = useShell();
    const close = () => (shell.dialog.value = "none");
    const stop = () => {
        close();
        shell.stopRecording();
    };
    return (
        <Dialog name="stop" label="Stop recording?">
            <h2>Stop recording?</h2>
            <p>The run ends and stays as it is. The program goes on.</p>
            <p class="buttons">
                <button onClick={close}>Keep recording</button>
                <button class="danger" onClick={stop}>
                    Stop recording
                </button>
            </p>
        </Dialog>
    );
}
