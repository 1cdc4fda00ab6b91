#pragma once

// The functions of one binary by address, immutable once made.
//
// Addresses are those of the file itself (ELF's p_vaddr). A frame holds a file offset, so the table
// also knows the loadable segments and translates. The kernel's table has one segment that maps
// every address to itself.

#include "base/bytes.h"
#include "base/err.h"

#include <stdbool.h>

enum symbol_lang { SYMBOL_C, SYMBOL_CPP, SYMBOL_RUST, SYMBOL_D, SYMBOL_UNKNOWN };

// "c", "c++", "rust", "d", or "" when not known.
const char *symbol_lang_name(enum symbol_lang lang);

struct symbol {
    uint64_t addr;
    uint64_t end;       // one past its last byte; what st_size said, or up to the next symbol
    const char *name;   // as in the file, mangled; owned by the table
    const char *module; // kernel modules only: "nf_tables"; NULL otherwise
};

struct symtab_segment {
    uint64_t file_off;
    uint64_t size;
    uint64_t addr;
    bool executable;
};

// A place in memory that the dynamic linker fills with the address of something in another binary:
// `call [rip+slot]` calls what its name says.
struct symtab_slot {
    uint64_t addr;
    const char *name; // as in the file, mangled; owned by the table
};

struct symtab;

// Makes a table. Of several symbols at one address the one that a reader would expect wins: global
// before weak before local, a sized one before a sizeless one, the shorter name of those that are
// left; it takes over the size of a loser when it has none. The marks `$a`, `$d`, `$t` and `$x` of
// ARM and RISC-V are no symbols.
struct symtab_builder;
struct symtab_builder *symtab_builder_new(void);
void symtab_builder_free(struct symtab_builder *builder); // accepts NULL

enum symbol_binding { SYMBOL_LOCAL, SYMBOL_WEAK, SYMBOL_GLOBAL };

// `size` 0: up to the next symbol or the next wall. Copies the name, of which LIMIT_SYMBOL_BYTES
// are kept. `module` is empty for none. False: full, or no name.
bool symtab_builder_add(struct symtab_builder *builder, uint64_t addr, uint64_t size,
                        struct slice name, struct slice module, enum symbol_binding binding);

// A sizeless symbol never reaches across `addr`: the start or the end of a section. A sizeless
// symbol with neither a symbol nor a wall behind it covers one byte.
void symtab_builder_add_wall(struct symtab_builder *builder, uint64_t addr);

// Both ends are walls too. Segments beyond SYMTAB_SEGMENTS_MAX are left out.
enum { SYMTAB_SEGMENTS_MAX = 128 };
void symtab_builder_add_segment(struct symtab_builder *builder, const struct symtab_segment *seg);

// `name` is copied, as those of symbols. Slots are no symbols: symtab_find() never answers one. Of
// several at one address the one that was added first counts. False: full, or no name.
bool symtab_builder_add_slot(struct symtab_builder *builder, uint64_t addr, struct slice name);

// The finished table; frees the builder.
struct symtab *symtab_builder_finish(struct symtab_builder *builder);

void symtab_free(struct symtab *symtab); // accepts NULL

size_t symtab_count(const struct symtab *symtab);
uint64_t symtab_bytes(const struct symtab *symtab); // of memory

// The symbol that covers address `addr`, or NULL: a gap behind a sized symbol belongs to nobody.
// Where symbols overlap, the one that starts last of those that cover it (so the innermost of
// nested ones); SYMTAB_NESTING_MAX bounds how many that end before `addr` are looked through.
// O(log n), lock-free.
enum { SYMTAB_NESTING_MAX = 64 };
const struct symbol *symtab_find(const struct symtab *symtab, uint64_t addr);

// The n-th symbol by address, for walking all of them.
const struct symbol *symtab_at(const struct symtab *symtab, size_t n);

// The slot at exactly this address, or NULL. O(log n), lock-free.
const struct symtab_slot *symtab_find_slot(const struct symtab *symtab, uint64_t addr);

// All slots, by address. Borrowed; how many.
size_t symtab_slots(const struct symtab *symtab, const struct symtab_slot **ret);

// The segments, in the order in which they are asked. Borrowed; how many.
size_t symtab_segments(const struct symtab *symtab, const struct symtab_segment **ret);

// Translates. False when no segment holds it; executable segments are asked first.
bool symtab_addr_of_off(const struct symtab *symtab, uint64_t file_off, uint64_t *ret_addr);
bool symtab_off_of_addr(const struct symtab *symtab, uint64_t addr, uint64_t *ret_file_off);
