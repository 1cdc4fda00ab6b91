// Thread, mode and search.

export function FilterBar() {
    return null;
}
