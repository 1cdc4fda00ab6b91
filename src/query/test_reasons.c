#include "query/reasons.h"

#include "query/fake_library.h"
#include "query/reasons_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// ---- Stacks from text --------------------------------------------------------------------------
//
//     "schedule;do_futex|pthread_cond_wait;uv_cond_wait;libuv.so.1!worker;?"
//
// From the leaf outwards: functions of the kernel, then of the program and its libraries (`app` if
// no binary is named). A `?` is a place without a name.

enum { BINARIES_MAX = 8, SYMBOL_BYTES = 16, NAME_MAX_BYTES = 8192 };

struct binary {
    char *name;
    image_id image;
    uint32_t library;
    VEC(char *) symbols;
};

struct world {
    struct store *store;
    struct library library;
    struct names names;
    struct reasons reasons;
    image_id kernel; // of names
    struct binary binaries[BINARIES_MAX];
    size_t n_binaries;
};

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    w->store = store_new(0, 0, 1);
    fake_library_init(&w->library);
    w->kernel = store_add_image(
        w->store, &(struct image_row){.kind = IMAGE_ROW_NAMED, .library = UINT32_MAX});
    names_init(&w->names, w->store, &w->library);
    reasons_init(&w->reasons, &w->names);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < w->n_binaries; i++) {
        for (size_t k = 0; k < w->binaries[i].symbols.n; k++) {
            free(w->binaries[i].symbols.at[k]);
        }
        vec_fini(&w->binaries[i].symbols);
        free(w->binaries[i].name);
    }
    reasons_fini(&w->reasons);
    names_fini(&w->names);
    fake_library_fini(&w->library);
    store_free(w->store);
    free(w);
    return 0;
}

static struct binary *binary_of(struct world *w, struct slice name)
{
    for (size_t i = 0; i < w->n_binaries; i++) {
        if (slice_equal(slice_of_text(w->binaries[i].name), name)) {
            return &w->binaries[i];
        }
    }
    assert_true(w->n_binaries < BINARIES_MAX);
    struct binary *binary = &w->binaries[w->n_binaries++];
    binary->name = alloc_text((const char *)name.data, name.n);
    binary->library = fake_library_add(&w->library, IMAGE_FILE);
    binary->image = store_add_image(
        w->store, &(struct image_row){.path = strings_add(&w->store->strings, name),
                                      .library = binary->library});
    return binary;
}

static uint64_t off_of(struct binary *binary, struct slice symbol)
{
    size_t i = 0;
    while (i < binary->symbols.n && !slice_equal(slice_of_text(binary->symbols.at[i]), symbol)) {
        i++;
    }
    if (i == binary->symbols.n) {
        vec_push(&binary->symbols, alloc_text((const char *)symbol.data, symbol.n));
    }
    return i * SYMBOL_BYTES;
}

static frame_id program_frame(struct world *w, struct slice name)
{
    struct slice file = slice_of_text("app");
    const uint8_t *mark = memchr(name.data, '!', name.n);
    if (mark != NULL) {
        file = (struct slice){name.data, (size_t)(mark - name.data)};
        name = (struct slice){mark + 1, name.n - file.n - 1};
    }
    struct binary *binary = binary_of(w, file);
    struct frame_row row = {.image = binary->image, .off = UINT32_MAX};
    if (!slice_equal(name, slice_of_text("?"))) {
        row.off = off_of(binary, name);
    }
    return stacks_frame(&w->store->stacks, &row);
}

static frame_id kernel_frame(struct world *w, struct slice name)
{
    string_id off = strings_add(&w->store->strings, name);
    return stacks_frame(&w->store->stacks, &(struct frame_row){.off = off, .image = w->kernel});
}

// The frames of a part, the outermost one first.
static stack_id push_part(struct world *w, stack_id stack, struct slice part, bool kernel)
{
    while (part.n > 0) {
        const uint8_t *mark = memrchr(part.data, ';', part.n);
        size_t at = mark == NULL ? 0 : (size_t)(mark - part.data) + 1;
        struct slice name = {part.data + at, part.n - at};
        bool cut = false;
        stack = stacks_push(&w->store->stacks, stack,
                            kernel ? kernel_frame(w, name) : program_frame(w, name), &cut);
        part.n = at == 0 ? 0 : at - 1;
    }
    return stack;
}

static stack_id push(struct world *w, const char *text)
{
    const char *bar = strchr(text, '|');
    struct slice kernel = {(const uint8_t *)text,
                           bar == NULL ? strlen(text) : (size_t)(bar - text)};
    stack_id stack = bar == NULL ? STACK_ROOT
                                 : push_part(w, STACK_ROOT, slice_of_text(bar + 1), false);
    return push_part(w, stack, kernel, true);
}

static void refresh(struct world *w)
{
    names_refresh(&w->names, atomic_load(&w->store->stacks.n_frames));
}

// From here on the names of the program are known.
static void publish(struct world *w)
{
    for (size_t i = 0; i < w->n_binaries; i++) {
        const struct binary *binary = &w->binaries[i];
        struct symtab_builder *builder = symtab_builder_new();
        symtab_builder_add_segment(builder, &(struct symtab_segment){.size = 0x1000000});
        for (size_t k = 0; k < binary->symbols.n; k++) {
            symtab_builder_add(builder, k * SYMBOL_BYTES, SYMBOL_BYTES,
                               slice_of_text(binary->symbols.at[k]), slice_of_text(""),
                               SYMBOL_GLOBAL);
        }
        fake_library_publish(&w->library, binary->library, symtab_builder_finish(builder));
    }
    refresh(w);
}

// ---- Reasons -----------------------------------------------------------------------------------

struct chain {
    enum event_reason reason;
    const char *stack;
};

static void check_chains(struct world *w, const struct chain *chains, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        push(w, chains[i].stack);
    }
    publish(w);
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++) {
        enum event_reason reason = reasons_of_stack(&w->reasons, push(w, chains[i].stack));
        if (reason != chains[i].reason) {
            print_message("%s, not %s: %s\n", event_reason_name(reason),
                          event_reason_name(chains[i].reason), chains[i].stack);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

// Taken from a recording of small programs under Linux 6.18 (perf record -e context-switches -c 1
// -g), shortened on the outside.
static const struct
    chain
        recorded_chains
            [] =
                {
                    {EVENT_REASON_SLEEP,
                     "schedule;do_nanosleep;hrtimer_nanosleep;common_nsleep_timens;__x64_sys_clock_nanosleep;do_syscall_64;entry_SYSCALL_64_after_hwframe|clock_nanosleep@GLIBC_2.2.5;?"},
                    {EVENT_REASON_LOCK,
                     "schedule;futex_do_wait;__futex_wait;futex_wait;do_futex;__x64_sys_futex;do_syscall_64;entry_SYSCALL_64_after_hwframe|__futex_abstimed_wait_common"},
                    {EVENT_REASON_READINESS,
                     "schedule;schedule_hrtimeout_range_clock;poll_schedule_timeout.constprop.0;do_sys_poll;__x64_sys_poll;do_syscall_64;entry_SYSCALL_64_after_hwframe|__poll"},
                    {EVENT_REASON_READINESS,
                     "schedule;schedule_hrtimeout_range_clock;poll_schedule_timeout.constprop.0;do_select;core_sys_select;do_pselect.constprop.0;__x64_sys_pselect6;do_syscall_64;entry_SYSCALL_64_after_hwframe|__select;?"},
                    {EVENT_REASON_READINESS,
                     "schedule;schedule_hrtimeout_range_clock;do_epoll_wait;__x64_sys_epoll_wait;do_syscall_64;entry_SYSCALL_64_after_hwframe|epoll_wait"},
                    {EVENT_REASON_OTHER,
                     "schedule;do_wait;kernel_wait4;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___wait4;?"},
                    {EVENT_REASON_IPC,
                     "schedule;anon_pipe_read;vfs_read;ksys_read;do_syscall_64;entry_SYSCALL_64_after_hwframe|read;?"},
                    {EVENT_REASON_IPC,
                     "schedule;anon_pipe_write;vfs_write;ksys_write;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___libc_write;?"},
                    {EVENT_REASON_IPC,
                     "schedule;wait_for_partner;fifo_open;do_dentry_open;vfs_open;path_openat;do_filp_open;do_sys_openat2;__x64_sys_openat;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___libc_open;?"},
                    {EVENT_REASON_IPC,
                     "schedule;schedule_timeout;unix_stream_read_generic;unix_stream_recvmsg;sock_recvmsg;__sys_recvfrom;__x64_sys_recvfrom;do_syscall_64;entry_SYSCALL_64_after_hwframe|__libc_recv"},
                    {EVENT_REASON_IPC,
                     "schedule;schedule_timeout;sock_alloc_send_pskb;unix_stream_sendmsg;__sys_sendto;__x64_sys_sendto;do_syscall_64;entry_SYSCALL_64_after_hwframe|__send"},
                    {EVENT_REASON_IPC,
                     "schedule;schedule_timeout;__skb_wait_for_more_packets;__unix_dgram_recvmsg;sock_recvmsg;__sys_recvfrom;__x64_sys_recvfrom;do_syscall_64;entry_SYSCALL_64_after_hwframe|__libc_recv"},
                    {EVENT_REASON_CONNECT,
                     "schedule;schedule_timeout;inet_csk_accept;inet_accept;do_accept;__sys_accept4;__x64_sys_accept4;do_syscall_64;entry_SYSCALL_64_after_hwframe|accept4;?"},
                    {EVENT_REASON_IPC,
                     "schedule;schedule_timeout;wait_woken;sk_stream_wait_memory;tcp_sendmsg_locked;tcp_sendmsg;__sys_sendto;__x64_sys_sendto;do_syscall_64;entry_SYSCALL_64_after_hwframe|__send"},
                    {EVENT_REASON_IPC,
                     "schedule;schedule_timeout;wait_woken;sk_wait_data;tcp_recvmsg_locked;tcp_recvmsg;sock_recvmsg;__sys_recvfrom;__x64_sys_recvfrom;do_syscall_64;entry_SYSCALL_64_after_hwframe|__libc_recv"},
                    {EVENT_REASON_IPC,
                     "schedule;schedule_timeout;__skb_wait_for_more_packets;__skb_recv_udp;udp_recvmsg;sock_recvmsg;__sys_recvfrom;__x64_sys_recvfrom;do_syscall_64;entry_SYSCALL_64_after_hwframe|__libc_recv"},
                    {EVENT_REASON_CONNECT,
                     "schedule;schedule_timeout;__skb_wait_for_more_packets;__skb_recv_datagram;skb_recv_datagram;unix_accept;do_accept;__sys_accept4;__x64_sys_accept4;do_syscall_64;entry_SYSCALL_64_after_hwframe|accept4;?"},
                    {EVENT_REASON_CONNECT,
                     "schedule;schedule_timeout;unix_wait_for_peer;unix_stream_connect;__sys_connect;__x64_sys_connect;do_syscall_64;entry_SYSCALL_64_after_hwframe|__libc_connect;?"},
                    {EVENT_REASON_CONNECT,
                     "schedule;schedule_timeout;wait_woken;__inet_stream_connect;inet_stream_connect;__sys_connect;__x64_sys_connect;do_syscall_64;entry_SYSCALL_64_after_hwframe|__libc_connect;?"},
                    {EVENT_REASON_IPC,
                     "schedule;do_wait_intr_irq;eventfd_read;vfs_read;ksys_read;do_syscall_64;entry_SYSCALL_64_after_hwframe|read;?"},
                    {EVENT_REASON_SLEEP,
                     "schedule;do_wait_intr_irq;timerfd_read_iter;vfs_read;ksys_read;do_syscall_64;entry_SYSCALL_64_after_hwframe|read;?"},
                    {EVENT_REASON_LOCK,
                     "schedule;futex_do_wait;__futex_wait;futex_wait;do_futex;__x64_sys_futex;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___lll_lock_wait;?"},
                    {EVENT_REASON_LOCK,
                     "schedule;futex_do_wait;__futex_wait;futex_wait;do_futex;__x64_sys_futex;do_syscall_64;entry_SYSCALL_64_after_hwframe|pthread_barrier_wait@@GLIBC_2.34"},
                    {EVENT_REASON_SEMAPHORE,
                     "schedule;schedule_hrtimeout_range_clock;__do_semtimedop;do_semtimedop;do_syscall_64;entry_SYSCALL_64_after_hwframe|__semtimedop;?"},
                    {EVENT_REASON_IPC,
                     "schedule;do_msgrcv;do_syscall_64;entry_SYSCALL_64_after_hwframe|__libc_msgrcv;?"},
                    {EVENT_REASON_IPC,
                     "schedule;schedule_hrtimeout_range_clock;wq_sleep;do_mq_timedreceive;__x64_sys_mq_timedreceive;do_syscall_64;entry_SYSCALL_64_after_hwframe|mq_timedreceive@@GLIBC_2.34;?"},
                    {EVENT_REASON_IPC,
                     "schedule;schedule_hrtimeout_range_clock;wq_sleep;do_mq_timedsend;__x64_sys_mq_timedsend;do_syscall_64;entry_SYSCALL_64_after_hwframe|mq_timedsend@@GLIBC_2.34;?"},
                    {EVENT_REASON_LOCK,
                     "schedule;locks_lock_inode_wait;__do_sys_flock;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___flock;?"},
                    {EVENT_REASON_LOCK,
                     "schedule;fcntl_setlk;do_fcntl;__x64_sys_fcntl;do_syscall_64;entry_SYSCALL_64_after_hwframe|__libc_fcntl64"},
                    {EVENT_REASON_OTHER,
                     "schedule;__x64_sys_pause;do_syscall_64;entry_SYSCALL_64_after_hwframe|__libc_pause;?"},
                    {EVENT_REASON_OTHER,
                     "schedule;schedule_hrtimeout_range_clock;do_sigtimedwait.isra.0;__x64_sys_rt_sigtimedwait;do_syscall_64;entry_SYSCALL_64_after_hwframe|__sigtimedwait;?;?"},
                    {EVENT_REASON_OTHER,
                     "schedule;sigsuspend.isra.0;__x64_sys_rt_sigsuspend;do_syscall_64;entry_SYSCALL_64_after_hwframe|__sigsuspend;?"},
                    {EVENT_REASON_OTHER,
                     "schedule;signalfd_read_iter;vfs_read;ksys_read;do_syscall_64;entry_SYSCALL_64_after_hwframe|read;?"},
                    {EVENT_REASON_IO_WRITE,
                     "schedule;io_schedule;bit_wait_io;__wait_on_bit;out_of_line_wait_on_bit;__sync_dirty_buffer;ext4_write_inode;__writeback_single_inode;writeback_single_inode;sync_inode_metadata;generic_buffers_fsync_noflush;ext4_fsync_nojournal.constprop.0;ext4_sync_file;do_fsync;__x64_sys_fsync;do_syscall_64;entry_SYSCALL_64_after_hwframe|fsync"},
                    {EVENT_REASON_IO_WRITE,
                     "schedule;io_schedule;folio_wait_bit;folio_wait_writeback;__filemap_fdatawait_range;file_write_and_wait_range;generic_buffers_fsync_noflush;ext4_fsync_nojournal.constprop.0;ext4_sync_file;do_fsync;__x64_sys_fsync;do_syscall_64;entry_SYSCALL_64_after_hwframe|fsync"},
                    {EVENT_REASON_IO_WRITE,
                     "schedule;schedule_timeout;io_schedule_timeout;wait_for_completion_io_timeout;submit_bio_wait;blkdev_issue_flush;ext4_sync_file;do_fsync;__x64_sys_fsync;do_syscall_64;entry_SYSCALL_64_after_hwframe|fsync"},
                    {EVENT_REASON_IO_WRITE,
                     "schedule;io_schedule;bit_wait_io;__wait_on_bit;out_of_line_wait_on_bit;fsync_buffers_list;ext4_fsync_nojournal.constprop.0;ext4_sync_file;do_fsync;__x64_sys_fsync;do_syscall_64;entry_SYSCALL_64_after_hwframe|fsync"},
                    {EVENT_REASON_IO_WRITE,
                     "schedule;wb_wait_for_completion;sync_inodes_sb;__iterate_supers;ksys_sync;__x64_sys_sync;do_syscall_64;entry_SYSCALL_64_after_hwframe|sync;?"},
                    {EVENT_REASON_IO_WRITE,
                     "schedule;io_schedule;folio_wait_bit;folio_wait_writeback;__filemap_fdatawait_range;filemap_fdatawait_keep_errors;sync_bdevs;ksys_sync;__x64_sys_sync;do_syscall_64;entry_SYSCALL_64_after_hwframe|sync;?"},
                    {EVENT_REASON_IO_WRITE,
                     "schedule;io_schedule;folio_wait_bit;folio_wait_writeback;__filemap_fdatawait_range;filemap_fdatawait_keep_errors;sync_inodes_sb;__iterate_supers;ksys_sync;__x64_sys_sync;do_syscall_64;entry_SYSCALL_64_after_hwframe|sync;?"},
                    {EVENT_REASON_IO_READ,
                     "schedule;schedule_timeout;io_schedule_timeout;__iomap_dio_rw;iomap_dio_rw;ext4_file_read_iter;do_iter_readv_writev;vfs_readv;do_readv;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___readv;?"},
                    {EVENT_REASON_IO_WRITE,
                     "schedule;schedule_timeout;io_schedule_timeout;__iomap_dio_rw;iomap_dio_rw;ext4_file_write_iter;do_iter_readv_writev;vfs_writev;do_writev;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___writev;?"},
                    {EVENT_REASON_IO_READ,
                     "schedule;io_schedule;folio_wait_bit_common;filemap_get_pages;filemap_read;vfs_read;ksys_read;do_syscall_64;entry_SYSCALL_64_after_hwframe|read;?"},
                    {EVENT_REASON_IO_READ,
                     "schedule;io_schedule;folio_wait_bit_common;filemap_fault;__do_fault;do_fault;__handle_mm_fault;handle_mm_fault;exc_page_fault;asm_exc_page_fault|?"},
                    {EVENT_REASON_IO_READ,
                     "schedule;io_schedule;folio_wait_bit_common;filemap_get_pages;filemap_read;__kernel_read;bprm_execve;do_execveat_common.isra.0;__x64_sys_execve;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___execve"},
                    {EVENT_REASON_IO_READ,
                     "schedule;io_schedule;folio_wait_bit_common;filemap_fault;__do_fault;do_fault;__handle_mm_fault;handle_mm_fault;exc_page_fault;asm_exc_page_fault;elf_load;load_elf_binary;bprm_execve;do_execveat_common.isra.0;__x64_sys_execve;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___execve"},
                    {EVENT_REASON_IO_WRITE,
                     "schedule;io_schedule;rq_qos_wait;wbt_wait;__rq_qos_throttle;blk_mq_submit_bio;__submit_bio;submit_bio_noacct_nocheck;ext4_bio_write_folio;mpage_process_page_bufs;mpage_prepare_extent_to_map;ext4_do_writepages;ext4_writepages;do_writepages;filemap_fdatawrite_wbc;__filemap_fdatawrite_range;file_write_and_wait_range;generic_buffers_fsync_noflush;ext4_fsync_nojournal.constprop.0;ext4_sync_file;__do_sys_msync;do_syscall_64;entry_SYSCALL_64_after_hwframe|msync;?"},
                    {EVENT_REASON_IO_WRITE,
                     "schedule;schedule_timeout;io_schedule_timeout;wait_for_completion_io_timeout;submit_bio_wait;blkdev_issue_flush;ext4_sync_file;__do_sys_msync;do_syscall_64;entry_SYSCALL_64_after_hwframe|msync;?"},
                    {EVENT_REASON_READINESS,
                     "schedule;read_events;do_io_getevents;__x64_sys_io_getevents;do_syscall_64;entry_SYSCALL_64_after_hwframe|syscall;?"},
                    {EVENT_REASON_READINESS,
                     "schedule;io_cqring_wait;__do_sys_io_uring_enter;do_syscall_64;entry_SYSCALL_64_after_hwframe|syscall;?"},
                    {EVENT_REASON_OTHER,
                     "schedule;schedule_timeout;__wait_for_common;wait_for_completion_state;kernel_clone;__x64_sys_vfork;do_syscall_64;entry_SYSCALL_64_after_hwframe|__vfork"},
                    {EVENT_REASON_IO_READ,
                     "schedule;schedule_timeout;wait_woken;n_tty_read;tty_read;vfs_read;ksys_read;do_syscall_64;entry_SYSCALL_64_after_hwframe|read;?"},
                    {EVENT_REASON_READINESS,
                     "schedule;schedule_timeout;wait_woken;inotify_read;vfs_read;ksys_read;do_syscall_64;entry_SYSCALL_64_after_hwframe|read;?"},
                    {EVENT_REASON_IPC,
                     "schedule;schedule_timeout;__skb_wait_for_more_packets;__skb_recv_datagram;skb_recv_datagram;netlink_recvmsg;sock_recvmsg;__sys_recvfrom;__x64_sys_recvfrom;do_syscall_64;entry_SYSCALL_64_after_hwframe|__libc_recv"},
                    {EVENT_REASON_OTHER,
                     "schedule;schedule_timeout;wait_for_completion;synchronize_rcu_normal;__x64_sys_membarrier;do_syscall_64;entry_SYSCALL_64_after_hwframe|syscall;?"},
                    {EVENT_REASON_IO_WRITE,
                     "schedule;schedule_timeout;io_schedule_timeout;wait_for_completion_io_timeout;submit_bio_wait;blkdev_issue_discard;ext4_free_blocks;ext4_ext_remove_space;ext4_ext_truncate;ext4_truncate;ext4_evict_inode;evict;vfs_rmdir;do_rmdir;__x64_sys_rmdir;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___rmdir;?"},
                    {EVENT_REASON_LOCK,
                     "schedule;schedule_preempt_disabled;rwsem_down_write_slowpath;down_write;do_unlinkat;__x64_sys_unlink;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___unlink;?;?"},
                    {EVENT_REASON_LOCK,
                     "schedule;schedule_preempt_disabled;rwsem_down_write_slowpath;down_write;path_openat;do_filp_open;do_sys_openat2;__x64_sys_openat;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___libc_open;?"},
                    {EVENT_REASON_OTHER,
                     "schedule;ptrace_stop;get_signal;arch_do_signal_or_restart;exit_to_user_mode_loop;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___kill"},
                    {EVENT_REASON_OTHER,
                     "schedule;do_signal_stop;get_signal;arch_do_signal_or_restart;exit_to_user_mode_loop;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___kill"},
                    {EVENT_REASON_IO_READ,
                     "schedule;io_schedule;bit_wait_io;__wait_on_bit;out_of_line_wait_on_bit;__ext4_find_entry;ext4_lookup;path_openat;do_filp_open;do_sys_openat2;__x64_sys_openat;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___libc_open;?"},
                    {EVENT_REASON_IO_READ,
                     "schedule;io_schedule;bit_wait_io;__wait_on_bit;out_of_line_wait_on_bit;ext4_read_bh;ext4_bread;__ext4_read_dirblock;htree_dirblock_to_tree;ext4_htree_fill_tree;ext4_readdir;iterate_dir;__x64_sys_getdents64;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___getdents64;?"},
                    {EVENT_REASON_IO_READ,
                     "schedule;io_schedule;bit_wait_io;__wait_on_bit;out_of_line_wait_on_bit;__ext4_get_inode_loc;__ext4_get_inode_loc_noinmem;__ext4_iget;ext4_lookup;__lookup_slow;walk_component;path_lookupat;filename_lookup;vfs_statx;vfs_fstatat;__do_sys_newfstatat;do_syscall_64;entry_SYSCALL_64_after_hwframe|__GI___fstatat64;?"},
                    {EVENT_REASON_OTHER,
                     "schedule;irqentry_exit_to_user_mode;asm_exc_page_fault|PyDict_SetDefault;?"},
};

// Other versions and machines, other file systems, and the functions of programs.
static const struct chain chains[] = {
    {EVENT_REASON_OTHER, ""},
    {EVENT_REASON_OTHER, "|main"},
    {EVENT_REASON_OTHER, "schedule;vendor_driver_wait;vendor_ioctl;__x64_sys_ioctl|ioctl;main"},
    {EVENT_REASON_OTHER, "schedule;schedule_timeout;wait_woken"},
    {EVENT_REASON_OTHER, "schedule;exit_to_user_mode_loop;irqentry_exit_to_user_mode|main"},
    {EVENT_REASON_OTHER, "handle_userfault;handle_mm_fault;exc_page_fault;asm_exc_page_fault|f"},
    {EVENT_REASON_OTHER, "do_signal_stop;get_signal;do_notify_resume;el0_svc|__GI___kill"},
    {EVENT_REASON_OTHER,
     "futex_wait_queue_me;futex_wait;do_futex|__futex_abstimed_wait_common;"
     "__pthread_clockjoin_ex;pthread_join@@GLIBC_2.34;std::thread::join();main"},
    {EVENT_REASON_OTHER, "futex_wait_queue|__futex_abstimed_wait_common;std::thread::join();main"},
    {EVENT_REASON_OTHER, "futex_wait_queue|thrd_join;main"},
    {EVENT_REASON_OTHER, "futex_do_wait|pthread_join;std::sys::pal::unix::thread::Thread::join;"
                         "std::thread::JoinInner<T>::join;main"},
    // 5.10 to 6.12, AArch64, and what /proc/TID/wchan says
    {EVENT_REASON_LOCK,
     "__schedule;schedule;futex_wait_queue_me;futex_wait;do_futex;__arm64_sys_futex;"
     "el0_svc_common.constprop.0;do_el0_svc;el0_svc;el0_sync_handler;el0_sync|"
     "pthread_cond_wait@@GLIBC_2.17;wait_for_reply;main"},
    {EVENT_REASON_LOCK, "futex_wait_queue"},
    {EVENT_REASON_LOCK, "futex_lock_pi;do_futex|__pthread_mutex_lock_full;f"},
    {EVENT_REASON_LOCK, "futex_wait_requeue_pi.constprop.0;do_futex|__futex_lock_pi64;f"},
    {EVENT_REASON_LOCK, "__down_read_common;down_read;do_user_addr_fault;exc_page_fault|f"},
    {EVENT_REASON_LOCK, "schedule_preempt_disabled;__mutex_lock.constprop.0;__mutex_lock_slowpath;"
                        "mutex_lock;pipe_write;vfs_write;ksys_write|write"},
    {EVENT_REASON_LOCK, "percpu_rwsem_wait;__percpu_down_read;ext4_writepages;do_writepages"},
    {EVENT_REASON_LOCK, "__lock_sock;lock_sock_nested;tcp_sendmsg"},
    {EVENT_REASON_IPC, "__schedule;schedule;pipe_read;new_sync_read;vfs_read;ksys_read;"
                       "__arm64_sys_read;el0_svc|read"},
    {EVENT_REASON_IPC, "pipe_wait_readable"},
    {EVENT_REASON_IPC, "wait_woken;sk_wait_data;tcp_recvmsg_locked;tcp_recvmsg;inet6_recvmsg|recv"},
    {EVENT_REASON_IPC, "unix_wait_for_peer;unix_dgram_sendmsg;sock_sendmsg;__sys_sendto|send"},
    {EVENT_REASON_IPC, "wait_woken|__libc_recv;main"},
    {EVENT_REASON_IPC, "fuse_dev_do_read.isra.0;fuse_dev_read;vfs_read|read"},
    {EVENT_REASON_READINESS, "schedule_hrtimeout_range;ep_poll;do_epoll_wait;__x64_sys_epoll_wait|"
                             "epoll_wait;uv__io_poll;uv_run;main"},
    {EVENT_REASON_READINESS, "poll_schedule_timeout.constprop.0"},
    {EVENT_REASON_READINESS, "ep_poll|epoll_wait;runtime.netpoll;runtime.findRunnable"},
    {EVENT_REASON_READINESS, "io_cqring_wait_schedule;io_cqring_wait;__do_sys_io_uring_enter|"
                             "syscall"},
    {EVENT_REASON_SLEEP, "hrtimer_nanosleep"},
    {EVENT_REASON_SLEEP, "timerfd_read;vfs_read;ksys_read|read"},
    {EVENT_REASON_SLEEP, "do_nanosleep;hrtimer_nanosleep|runtime.usleep.abi0;runtime.sysmon"},
    {EVENT_REASON_CONNECT, "inet_csk_wait_for_connect;inet_csk_accept;inet_accept|accept4"},
    {EVENT_REASON_CONNECT, "wait_woken;inet_wait_for_connect;__inet_stream_connect|connect"},
    {EVENT_REASON_SEMAPHORE, "do_semtimedop;ksys_semtimedop;__x64_sys_semop|semop"},
    // Files
    {EVENT_REASON_IO_READ, "io_schedule;wait_on_page_bit_common;wait_on_page_bit"},
    {EVENT_REASON_IO_READ,
     "io_schedule;wait_on_page_bit_common;generic_file_buffered_read;"
     "generic_file_read_iter;ext4_file_read_iter;new_sync_read;vfs_read|read"},
    {EVENT_REASON_IO_READ, "io_schedule;__lock_page_or_retry;do_swap_page;__handle_mm_fault;"
                           "handle_mm_fault;do_page_fault;do_mem_abort;el0_da|f"},
    {EVENT_REASON_IO_READ, "io_schedule;blk_mq_get_tag;__blk_mq_alloc_requests;submit_bio_noacct;"
                           "vfs_read|read"},
    {EVENT_REASON_IO_READ, "rpc_wait_bit_killable;__rpc_execute;nfs_proc_getattr;vfs_statx|stat"},
    {EVENT_REASON_IO_READ, "request_wait_answer;fuse_simple_request;fuse_lookup|stat"},
    {EVENT_REASON_IO_READ, "folio_wait_bit_common|pthread_mutex_lock;main"},
    {EVENT_REASON_IO_WRITE, "rpc_wait_bit_killable;nfs_wb_all;nfs_file_fsync;do_fsync|fsync"},
    {EVENT_REASON_IO_WRITE, "request_wait_answer;fuse_simple_request;fuse_fsync;do_fsync|fsync"},
    {EVENT_REASON_IO_WRITE, "io_schedule;blk_mq_get_tag;submit_bio_noacct;vfs_write|write"},
    {EVENT_REASON_IO_WRITE, "jbd2_log_wait_commit;jbd2_complete_transaction;ext4_sync_file|fsync"},
    {EVENT_REASON_IO_WRITE, "wait_transaction_locked;add_transaction_credits;start_this_handle;"
                            "jbd2__journal_start;ext4_dirty_inode;file_update_time|write"},
    {EVENT_REASON_IO_WRITE,
     "io_schedule_timeout;balance_dirty_pages;"
     "balance_dirty_pages_ratelimited;generic_perform_write;vfs_write|write"},
    {EVENT_REASON_IO_WRITE, "xlog_wait_on_iclog;xfs_file_fsync;do_fsync|fsync"},
    {EVENT_REASON_IO_WRITE,
     "io_schedule;wbt_wait;__rq_qos_throttle;submit_bio_noacct;vfs_read|read"},
    {EVENT_REASON_IO_WRITE, "schedule_timeout;n_tty_write;tty_write;vfs_write|write"},
    // Without the kernel's part
    {EVENT_REASON_SLEEP, "|clock_nanosleep@@GLIBC_2.17;main"},
    {EVENT_REASON_READINESS, "|__GI___poll;main"},
    {EVENT_REASON_IPC, "|__libc_recvmsg;main"},
    {EVENT_REASON_CONNECT, "|accept4;main"},
    {EVENT_REASON_IO_WRITE, "|fdatasync;main"},
    {EVENT_REASON_IO_READ, "|__getdents64;readdir;main"},
    {EVENT_REASON_LOCK, "|flock;main"},
    {EVENT_REASON_SEMAPHORE, "|semtimedop;main"},
    {EVENT_REASON_SEMAPHORE, "|__new_sem_wait_slow64.constprop.0;main"},
    {EVENT_REASON_OTHER, "|parse;poll;main"}, // a function of the program that is called so
    {EVENT_REASON_LOCK, "futex_do_wait|?;poll;main"},
    // Mutexes, semaphores, condition variables
    {EVENT_REASON_LOCK, "futex_do_wait|__lll_lock_wait;___pthread_mutex_lock;std::mutex::lock();f"},
    {EVENT_REASON_LOCK, "futex_do_wait|__GI___lll_lock_wait"},
    {EVENT_REASON_LOCK, "futex_do_wait|syscall;parking_lot::raw_mutex::RawMutex::lock_slow;f"},
    {EVENT_REASON_LOCK, "futex_do_wait|syscall;std::sys::sync::mutex::futex::Mutex::lock_contended;"
                        "f"},
    {EVENT_REASON_LOCK, "futex_do_wait|runtime.futex.abi0;runtime.futexsleep;runtime.lock2;"
                        "runtime.findRunnable"},
    {EVENT_REASON_LOCK, "futex_do_wait|__futex_abstimed_wait_common;"
                        "void std::condition_variable::wait<f()::{lambda()#1}>(lock&);f"},
    {EVENT_REASON_LOCK, "futex_do_wait|do_futex_wait.constprop.0;__new_sem_wait_slow64;sem_wait;"
                        "PyThread_acquire_lock_timed;lock_PyThread_acquire_lock;main"},
    {EVENT_REASON_LOCK, "futex_do_wait|pthread_cond_timedwait;take_gil;PyEval_RestoreThread;main"},
    {EVENT_REASON_SEMAPHORE, "futex_wait_queue|__futex_abstimed_wait_common64;"
                             "__new_sem_wait_slow64.constprop.1;sem_wait;f;main"},
    {EVENT_REASON_SEMAPHORE, "futex_do_wait|sem_clockwait@@GLIBC_2.30;std::counting_semaphore<1l>::"
                             "try_acquire_for(long);f"},
    {EVENT_REASON_SEMAPHORE, "futex_do_wait|syscall;void std::__atomic_wait_address_bare<f>(int*);"
                             "std::counting_semaphore<1l>::acquire();f"},
    {EVENT_REASON_SEMAPHORE, "futex_do_wait|pthread_cond_wait;QWaitCondition::wait(QMutex*);"
                             "QSemaphore::acquire(int);f"},
    {EVENT_REASON_SEMAPHORE, "futex_do_wait|_dispatch_sema4_wait;dispatch_semaphore_wait;f"},
    // Idle workers
    {EVENT_REASON_IDLE, "futex_do_wait|__futex_abstimed_wait_common;pthread_cond_wait;uv_cond_wait;"
                        "libuv.so.1!worker;start_thread"},
    {EVENT_REASON_IDLE, "futex_do_wait|?;node!worker;?"},
    {EVENT_REASON_LOCK, "futex_do_wait|pthread_cond_wait;worker;start_thread"},
    {EVENT_REASON_LOCK, "futex_do_wait|pthread_mutex_lock;uv_mutex_lock;libuv.so.1!worker"},
    {EVENT_REASON_LOCK, "futex_do_wait|pthread_cond_wait;users_work;libuv.so.1!worker"},
    {EVENT_REASON_IO_READ, "io_schedule;filemap_read;vfs_read|read;uv__fs_work;libuv.so.1!worker"},
    {EVENT_REASON_IDLE, "futex_do_wait|syscall;g_cond_wait;g_async_queue_pop_intern_unlocked;"
                        "g_thread_pool_wait_for_new_task;g_thread_pool_thread_proxy;start_thread"},
    {EVENT_REASON_IDLE, "futex_do_wait|pthread_cond_wait;uv_cond_wait;node::TaskQueue<v8::Task>::"
                        "BlockingPop();node::(anonymous namespace)::PlatformWorkerThread(void*)"},
    {EVENT_REASON_IDLE, "futex_do_wait|syscall;std::sys::sync::condvar::futex::Condvar::wait;"
                        "rayon_core::sleep::Sleep::sleep;rayon_core::registry::WorkerThread::"
                        "wait_until_cold;users_closure"},
    {EVENT_REASON_IDLE, "futex_do_wait|syscall;parking_lot::condvar::Condvar::wait_until_internal;"
                        "tokio::runtime::scheduler::multi_thread::park::Inner::park_condvar;main"},
    {EVENT_REASON_IDLE, "futex_do_wait|syscall;std::sys::sync::condvar::futex::Condvar::"
                        "wait_timeout;tokio::runtime::blocking::pool::Inner::run;start_thread"},
    {EVENT_REASON_IDLE, "futex_do_wait|runtime.futex.abi0;runtime.futexsleep;runtime.notesleep;"
                        "runtime.mPark;runtime.stopm;runtime.findRunnable;runtime.schedule"},
    {EVENT_REASON_IDLE, "futex_do_wait|pthread_cond_wait;bioProcessBackgroundJobs;start_thread"},
    {EVENT_REASON_IDLE, "futex_do_wait|pthread_cond_wait;ngx_thread_cond_wait_is_inlined;?"
                        ";g_thread_pool_wait_for_new_task"},
    {EVENT_REASON_IDLE, "futex_do_wait|sem_timedwait;_dispatch_worker_thread;start_thread"},
    {EVENT_REASON_IDLE, "schedule_timeout;io_wq_worker;ret_from_fork"},
    {EVENT_REASON_IDLE, "kvm_vcpu_block;kvm_vcpu_halt;kvm_arch_vcpu_ioctl_run|ioctl;kvm_cpu_exec"},
    {EVENT_REASON_IO_READ, "io_schedule;folio_wait_bit_common;io_issue_sqe;io_wq_submit_work;"
                           "io_worker_handle_work;io_wq_worker;ret_from_fork"},
    // What a signal interrupted says nothing
    {EVENT_REASON_OTHER, "vendor_wait|handler;__restore_rt;pthread_mutex_lock;main"},
    {EVENT_REASON_LOCK, "futex_do_wait|pthread_cond_wait;handler;__restore_rt;runtime.stopm"},
};

static void test_recorded_chains(void **state)
{
    check_chains(*state, recorded_chains, ARRAY_LEN(recorded_chains));
}

static void test_chains(void **state)
{
    check_chains(*state, chains, ARRAY_LEN(chains));
}

static void test_every_reason_is_met(void **state)
{
    (void)state;
    unsigned met = 0;
    for (size_t i = 0; i < ARRAY_LEN(recorded_chains); i++) {
        met |= 1U << recorded_chains[i].reason;
    }
    assert_int_equal(met | 1U << EVENT_REASON_IDLE, (1U << EVENT_REASON_COUNT) - 1);
}

// Every name of the table, as the one function of a stack, does what its role says.
static enum event_reason alone(const struct reasons_group *group)
{
    bool tells = group->role == ROLE_DECIDES || group->role == ROLE_UNLESS ||
                 group->role == ROLE_INNERMOST || group->role == ROLE_SWITCHES;
    return tells && group->reason != EVENT_REASON_COUNT ? group->reason : EVENT_REASON_OTHER;
}

static stack_id push_alone(struct world *w, const struct reasons_group *group, const char *name)
{
    CLEANUP(text_fini) struct text text = {0};
    size_t n = strlen(name);
    bool prefix = name[n - 1] == '*';
    if (group->where == IN_PROGRAM) {
        text_addf(&text, "|%s!", group->binary_prefix[0] == NULL ? "app" : group->binary_prefix[0]);
    }
    text_addf(&text, "%.*s%s", (int)(prefix ? n - 1 : n), name, prefix ? "zzz" : "");
    return push(w, text_get(&text));
}

static void test_every_name(void **state)
{
    struct world *w = *state;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t g = 0; g < reasons_table_n; g++) {
            const struct reasons_group *group = &reasons_table[g];
            for (size_t i = 0; group->names[i] != NULL; i++) {
                stack_id stack = push_alone(w, group, group->names[i]);
                if (pass == 1 && reasons_of_stack(&w->reasons, stack) != alone(group)) {
                    fail_msg("%s", group->names[i]);
                }
            }
        }
        if (pass == 0) {
            publish(w);
        }
    }
}

static void test_the_table_is_well_formed(void **state)
{
    (void)state;
    for (size_t g = 0; g < reasons_table_n; g++) {
        const struct reasons_group *group = &reasons_table[g];
        bool has_reason = group->reason != EVENT_REASON_COUNT;
        bool needs_reason = group->role == ROLE_DECIDES || group->role == ROLE_UNLESS ||
                            group->role == ROLE_INNERMOST;
        assert_true(has_reason || !needs_reason);
        bool worker = group->role == ROLE_WORKER || group->role == ROLE_LOOP;
        assert_true(!worker || (group->reason == EVENT_REASON_IDLE && group->where == IN_PROGRAM));
        for (size_t i = 0; group->names[i] != NULL; i++) {
            const char *name = group->names[i];
            const char *star = strchr(name, '*');
            struct slice plain = reasons_plain_name(name, group->where);
            if (name[0] == 0 || (star != NULL && star[1] != 0) ||
                !slice_equal(plain, slice_of_text(name))) {
                fail_msg("not as names are looked up: %s", name);
            }
        }
    }
}

static void test_no_name_stands_twice(void **state)
{
    (void)state;
    struct map seen = {0};
    for (size_t g = 0; g < reasons_table_n; g++) {
        for (size_t i = 0; reasons_table[g].names[i] != NULL; i++) {
            const char *name = reasons_table[g].names[i];
            uint64_t hash = hash_pair(hash_bytes(name, strlen(name)), reasons_table[g].where);
            if (map_find(&seen, hash) != MAP_NONE) {
                fail_msg("twice: %s", name);
            }
            map_set(&seen, hash, 1);
        }
    }
    map_fini(&seen);
}

static void test_plain_names(void **state)
{
    (void)state;
    static const struct {
        enum reasons_where where;
        const char *name;
        const char *plain;
    } cases[] = {
        {IN_KERNEL, "__x64_sys_read", "sys_read"},
        {IN_KERNEL, "__arm64_sys_read", "sys_read"},
        {IN_KERNEL, "__ia32_compat_sys_ppoll_time32", "sys_ppoll_time32"},
        {IN_KERNEL, "__do_sys_flock", "sys_flock"},
        {IN_KERNEL, "ksys_read", "sys_read"},
        {IN_KERNEL, "x64_sys_call", "sys_call"},
        {IN_KERNEL, "do_syscall_64", "do_syscall_64"},
        {IN_KERNEL, "sigsuspend.isra.0", "sigsuspend"},
        {IN_KERNEL, "poll_schedule_timeout.constprop.0.cold", "poll_schedule_timeout"},
        {IN_PROGRAM, "__GI___lll_lock_wait", "lll_lock_wait"},
        {IN_PROGRAM, "___pthread_mutex_lock", "pthread_mutex_lock"},
        {IN_PROGRAM, "__libc_recv", "recv"},
        {IN_PROGRAM, "__GI___libc_open", "open"},
        {IN_PROGRAM, "pthread_join@@GLIBC_2.34", "pthread_join"},
        {IN_PROGRAM, "do_futex_wait.constprop.0", "do_futex_wait"},
        {IN_PROGRAM, "f.part.0.isra.1", "f"},
        {IN_PROGRAM, "wait [clone .cold]", "wait"},
        {IN_PROGRAM, "void std::condition_variable::wait<f>()",
         "std::condition_variable::wait<f>()"},
        {IN_PROGRAM, "runtime.stopm", "runtime.stopm"},
        {IN_PROGRAM, "runtime.futex.abi0", "runtime.futex"},
        {IN_PROGRAM, "@", "@"},
        {IN_PROGRAM, "____", ""},
        {IN_PROGRAM, "", ""},
        {IN_KERNEL, "", ""},
        {IN_KERNEL, ".", "."},
        {IN_KERNEL, "__x64_sys_", "sys_"},
        {IN_KERNEL, "k", "k"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice plain = reasons_plain_name(cases[i].name, cases[i].where);
        assert_true(slice_equal(plain, slice_of_text(cases[i].plain)));
    }
}

// A program may call its functions what it likes, and a kernel function's name says nothing there.
static void test_places(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *place;
        enum event_reason reason;
    } rows[] = {
        {"hrtimer_nanosleep", EVENT_REASON_SLEEP}, {"futex_do_wait", EVENT_REASON_LOCK},
        {"do_epoll_wait", EVENT_REASON_READINESS}, {"anon_pipe_read", EVENT_REASON_IPC},
        {"no_such_function", EVENT_REASON_OTHER},  {"", EVENT_REASON_OTHER},
        {"sem_wait", EVENT_REASON_OTHER}, // a name of the program: the kernel has none such
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(reasons_of_place(&w->reasons, slice_of_text(rows[i].place)),
                         rows[i].reason);
    }
}

static void test_sides_are_kept_apart(void **state)
{
    struct world *w = *state;
    static const struct chain some[] = {
        {EVENT_REASON_OTHER, "|vfs_read;main"},
        {EVENT_REASON_OTHER, "|do_nanosleep;main"},
        {EVENT_REASON_OTHER, "|schedule;pipe_read;main"},
        {EVENT_REASON_OTHER, "sem_wait;runtime.stopm"},
        {EVENT_REASON_OTHER, "pthread_mutex_lock"},
    };
    check_chains(w, some, ARRAY_LEN(some));
    stack_id stack = push(w, "|schedule;pipe_read;main");
    assert_int_equal(reasons_waiting_stack(&w->reasons, stack), stack);
    assert_false(reasons_is_interrupt(&w->reasons, push(w, "|schedule;pipe_read;main")));
}

static void test_hostile_names(void **state)
{
    struct world *w = *state;
    char name[NAME_MAX_BYTES];
    uint64_t random = 1;
    VEC(stack_id) stacks = {0};
    for (size_t i = 0; i < 300; i++) {
        size_t n = i * 13;
        for (size_t k = 0; k < n; k++) {
            random = hash_u64(random + 1);
            static const char alphabet[] = "_____....@@*[] (<~\x01\x7f\xff\nsyslibcdofutex";
            name[k] = alphabet[random % (sizeof alphabet - 1)];
        }
        bool cut = false;
        struct slice slice = {(const uint8_t *)name, n};
        vec_push(&stacks, stacks_push(&w->store->stacks, STACK_ROOT, kernel_frame(w, slice), &cut));
        name[n] = 0;
        for (size_t k = 0; k < n; k++) {
            name[k] = name[k] == '!' || name[k] == ';' ? 'x' : name[k];
        }
        slice.n = MAX(n, (size_t)1);
        name[0] = n == 0 ? '_' : name[0];
        vec_push(&stacks,
                 stacks_push(&w->store->stacks, STACK_ROOT, program_frame(w, slice), &cut));
    }
    publish(w);
    for (size_t i = 0; i < stacks.n; i++) {
        assert_true(reasons_of_stack(&w->reasons, stacks.at[i]) < EVENT_REASON_COUNT);
        assert_true(reasons_waiting_stack(&w->reasons, stacks.at[i]) != STACK_ROOT);
        assert_non_null(reasons_waker_function(&w->reasons, stacks.at[i]));
    }
    vec_fini(&stacks);
}

static void test_names_that_come_late(void **state)
{
    struct world *w = *state;
    stack_id stack = push(w, "futex_do_wait|sem_wait;main");
    refresh(w);
    assert_int_equal(reasons_of_stack(&w->reasons, stack), EVENT_REASON_LOCK);
    assert_int_equal(reasons_of(&w->reasons, EVENT_REASON_SLEEP, stack), EVENT_REASON_SLEEP);
    publish(w);
    assert_int_equal(reasons_of_stack(&w->reasons, stack), EVENT_REASON_SEMAPHORE);
    assert_int_equal(reasons_of(&w->reasons, REASON_BY_STACK, stack), EVENT_REASON_SEMAPHORE);
}

// 100,000 stacks, each asked for twice, cost what one walk of each costs.
static void test_many_stacks(void **state)
{
    struct world *w = *state;
    enum { MANY = 100000, DEPTH = 20 };
    frame_id waits[] = {kernel_frame(w, slice_of_text("pipe_read")),
                        kernel_frame(w, slice_of_text("futex_wait"))};
    stack_id *stacks = NEW_ARRAY(stack_id, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        bool cut = false;
        stack_id stack = STACK_ROOT;
        for (uint32_t depth = 0; depth < DEPTH; depth++) {
            char name[32];
            int n = snprintf(name, sizeof name, "f%u", (i >> (depth % 17)) % 1000);
            struct slice slice = {(const uint8_t *)name, (size_t)n};
            stack = stacks_push(&w->store->stacks, stack, kernel_frame(w, slice), &cut);
        }
        stacks[i] = stacks_push(&w->store->stacks, stack, waits[i % 2], &cut);
    }
    refresh(w);
    for (uint32_t i = 0; i < 2 * MANY; i++) {
        enum event_reason reason = reasons_of_stack(&w->reasons, stacks[i % MANY]);
        assert_int_equal(reason, i % 2 == 0 ? EVENT_REASON_IPC : EVENT_REASON_LOCK);
    }
    free(stacks);
}

// ---- Where a thread waits, who wakes -----------------------------------------------------------

static void test_waiting_stacks(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *stack;
        const char *waiting;
    } cases[] = {
        {"__schedule;schedule;do_nanosleep|nanosleep;main", "do_nanosleep|nanosleep;main"},
        {"perf_event_task_sched_out;__schedule;schedule;schedule_timeout;unix_stream_read_generic",
         "unix_stream_read_generic"},
        {"schedule;schedule_hrtimeout_range_clock;do_epoll_wait|epoll_wait",
         "do_epoll_wait|epoll_wait"},
        {"schedule;io_schedule;folio_wait_bit_common;vfs_read|read",
         "folio_wait_bit_common;vfs_read|read"},
        {"schedule;schedule_preempt_disabled;rwsem_down_write_slowpath",
         "rwsem_down_write_slowpath"},
        {"perf_trace_sched_switch;preempt_schedule_common;__cond_resched;unmap_page_range|munmap",
         "unmap_page_range|munmap"},
        {"schedule;irqentry_exit_to_user_mode;asm_exc_page_fault|compute;main", "|compute;main"},
        {"schedule;exit_to_user_mode_loop;do_syscall_64;entry_SYSCALL_64_after_hwframe|read;main",
         "|read;main"},
        {"pipe_read;schedule;vfs_read", "pipe_read;schedule;vfs_read"},
        {"futex_do_wait|main", "futex_do_wait|main"},
        {"schedule", "schedule"}, // nothing would be left
        {"schedule;do_syscall_64", "schedule;do_syscall_64"},
        {"|main", "|main"},
        {"", ""},
    };
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            stack_id stack = push(w, cases[i].stack);
            stack_id waiting = push(w, cases[i].waiting);
            if (pass == 1) {
                assert_int_equal(reasons_waiting_stack(&w->reasons, stack), waiting);
            }
        }
        if (pass == 0) {
            publish(w);
        }
    }
}

static const struct waker_case {
    const char *stack;
    bool interrupt;
    const char *function; // NULL: none
} waker_cases[] = {
    {"", false, NULL},
    {"try_to_wake_up;hrtimer_wakeup;__hrtimer_run_queues;hrtimer_interrupt;"
     "__sysvec_apic_timer_interrupt;sysvec_apic_timer_interrupt;asm_sysvec_apic_timer_interrupt|"
     "compute;main",
     true, "hrtimer_wakeup"},
    {"try_to_wake_up;hrtimer_wakeup;hrtimer_interrupt;asm_sysvec_apic_timer_interrupt;"
     "folios_put_refs;__x64_sys_munmap;do_syscall_64;entry_SYSCALL_64_after_hwframe|munmap;main",
     true, "hrtimer_wakeup"},
    {"try_to_wake_up;call_timer_fn;run_timer_softirq;handle_softirqs;__irq_exit_rcu;"
     "sysvec_apic_timer_interrupt;asm_sysvec_apic_timer_interrupt",
     true, "call_timer_fn"},
    {"try_to_wake_up;kick_pool;__queue_work;vring_interrupt;handle_irq_event;common_interrupt;"
     "asm_common_interrupt|main",
     true, "vring_interrupt"},
    {"try_to_wake_up;hrtimer_wakeup;arch_timer_handler_virt;gic_handle_irq;el1_interrupt;"
     "el1h_64_irq_handler;el1h_64_irq;vfs_read",
     true, "hrtimer_wakeup"},
    {"try_to_wake_up;hrtimer_wakeup;gic_handle_irq;el0_irq_naked|main", true, "hrtimer_wakeup"},
    {"try_to_wake_up;asm_sysvec_call_function|main", true, "try_to_wake_up"},
    {"asm_sysvec_call_function|main", true, "asm_sysvec_call_function"},
    {"try_to_wake_up;wake_up_q;futex_wake;do_futex;__x64_sys_futex;do_syscall_64|"
     "pthread_cond_signal@@GLIBC_2.3.2",
     false, "pthread_cond_signal@@GLIBC_2.3.2"},
    {"try_to_wake_up;autoremove_wake_function;__wake_up_common;__wake_up_sync_key;anon_pipe_write;"
     "vfs_write;ksys_write|libc.so.6!write;reply;main",
     false, "reply"},
    {"try_to_wake_up;ep_autoremove_wake_function;__wake_up_sync;ep_poll_callback;sock_def_readable;"
     "tcp_data_queue;tcp_v4_rcv;process_backlog;net_rx_action;handle_softirqs;do_softirq.part.0;"
     "__local_bh_enable_ip;__dev_queue_xmit;ip_output;tcp_sendmsg;__sys_sendto|libc.so.6!send;main",
     false, "main"},
    {"try_to_wake_up;wake_up_q;futex_wake|libc.so.6!pthread_mutex_unlock;libfoo.so!done;libfoo.so!?",
     false, "pthread_mutex_unlock"},
    {"try_to_wake_up;complete_signal;__send_signal_locked;do_notify_parent;do_exit", false,
     "complete_signal"},
    {"try_to_wake_up;complete_all;migration_cpu_stop;cpu_stopper_thread", false,
     "migration_cpu_stop"},
    // Work of its own on the way back from an interrupt
    {"try_to_wake_up;__wake_up_common;pipe_release;__fput;task_work_run;exit_to_user_mode_loop;"
     "irqentry_exit_to_user_mode;asm_sysvec_reschedule_ipi|libc.so.6!close;main",
     false, "main"},
    {"try_to_wake_up", false, "try_to_wake_up"},
    {"|main", false, "main"},
};

static void test_wakers(void **state)
{
    struct world *w = *state;
    image_id app = binary_of(w, slice_of_text("app"))->image;
    process_id process = store_add_process(w->store, 1, 0, 0, 0);
    atomic_store(&store_process_mut(w->store, process)->main_image, app);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < ARRAY_LEN(waker_cases); i++) {
            const struct waker_case *c = &waker_cases[i];
            stack_id stack = push(w, c->stack);
            if (pass == 0) {
                continue;
            }
            assert_int_equal(reasons_is_interrupt(&w->reasons, stack), c->interrupt);
            const struct function *function = reasons_waker_function(&w->reasons, stack);
            if (c->function == NULL) {
                assert_null(function);
            } else {
                assert_string_equal(function->name, c->function);
            }
        }
        if (pass == 0) {
            publish(w);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_recorded_chains),
        TEST(test_chains),
        cmocka_unit_test(test_every_reason_is_met),
        TEST(test_every_name),
        cmocka_unit_test(test_the_table_is_well_formed),
        cmocka_unit_test(test_no_name_stands_twice),
        cmocka_unit_test(test_plain_names),
        TEST(test_places),
        TEST(test_sides_are_kept_apart),
        TEST(test_hostile_names),
        TEST(test_names_that_come_late),
        TEST(test_many_stacks),
        TEST(test_waiting_stacks),
        TEST(test_wakers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
