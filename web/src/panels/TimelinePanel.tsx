// Activity over time, with the brush that chooses a range.

export function TimelinePanel() {
    return null;
}
