// The hottest functions.

export function TopTable() {
    return null;
}
