// What a person can do, each with a name, and most with a key: the same list makes the keyboard work, fills the
// palette and prints the help. Panels add theirs when they are made.

export type Place = "global" | "flame" | "timeline" | "table" | "code";

export interface Action {
    readonly id: string;
    /** As in a menu: "Zoom to the selected function". */
    readonly label: string;
    readonly place: Place;
    /**
     * Keys that do it, as people read them: "f", "Shift+F", "Ctrl+K", "ArrowUp", "0". Letters are bound by their place
     * on the keyboard. In a place other than "global" they count only while that panel has the focus.
     */
    readonly keys: readonly string[];
    /** A global one that is done again as long as its key is held; others always are. */
    readonly repeats?: boolean;
    /** Absent: always. */
    enabled?(): boolean;
    run(): void;
}

export class Actions {
    private readonly byId = new Map<string, Action>();

    /** Later ones with the same id replace earlier ones: a panel may be made anew. */
    add(actions: readonly Action[]): void {
        actions.forEach((action) => this.byId.set(action.id, action));
    }

    get all(): readonly Action[] {
        return [...this.byId.values()];
    }

    run(id: string): void {
        const action = this.byId.get(id);
        if (action && (action.enabled?.() ?? true)) {
            action.run();
        }
    }
}
