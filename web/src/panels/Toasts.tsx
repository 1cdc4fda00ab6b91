// Sentences that come and go; read aloud as they come.

import { useApp } from "./hooks";

export function Toasts() {
    const { messages } = useApp();
    return (
        <div class="toasts" role="status" aria-label="Messages">
            {messages.list.value.map((message) => (
                <div key={message.id} class={message.bad ? "toast bad" : "toast"}>
                    <span>{message.text}</span>
                    <button class="plain" aria-label="Dismiss" onClick={() => messages.remove(message.id)}>
                        ×
                    </button>
                </div>
            ))}
        </div>
    );
}
