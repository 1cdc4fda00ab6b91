#include "query/reasons_table.h"

// ---- The table ---------------------------------------------------------------------------------
//
// Kernel functions have other names in each version; those of 5.10 to 6.18 are here, on x86-64 and
// AArch64. A group is one sentence of docs/waiting.md.

#define NAMES(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

#define KERNEL(role, reason, what, ...)                                                            \
    {                                                                                              \
        IN_KERNEL, role, reason, what, NAMES(__VA_ARGS__),                                         \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
#define PROGRAM(role, reason, what, ...)                                                           \
    {                                                                                              \
        IN_PROGRAM, role, reason, what, NAMES(__VA_ARGS__),                                        \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

// clang-format off
const struct reasons_group reasons_table[] = {
    // ---- Idle
    KERNEL(ROLE_DECIDES, EVENT_REASON_IDLE, "a worker of io_uring or vhost without work",
        "io_wq_worker", "io_sq_thread", "vhost_task_fn"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_IDLE, "a virtual CPU that its guest has halted",
        "kvm_vcpu_block", "kvm_vcpu_halt"),
    PROGRAM(ROLE_WORKER, EVENT_REASON_IDLE, "waits for work: GLib, Node.js, V8",
        "g_thread_pool_wait_for_new_task", "node::TaskQueue<*", "v8::platform::TaskQueue::GetNext*",
        "v8::platform::DelayedTaskQueue::GetNext*"),
    PROGRAM(ROLE_WORKER, EVENT_REASON_IDLE, "waits for work: rayon, Tokio",
        "rayon_core::sleep::*", "tokio::park::*", "tokio::runtime::park::*",
        "tokio::runtime::scheduler::current_thread::Context::park*",
        "tokio::runtime::scheduler::multi_thread::park::*",
        "tokio::runtime::scheduler::multi_thread::worker::Context::park*",
        "tokio::runtime::thread_pool::park::*", "tokio::runtime::thread_pool::worker::Context::park*",
        "<tokio::park::*", "<tokio::runtime::park::*", "<tokio::runtime::thread_pool::park::*"),
    PROGRAM(ROLE_WORKER, EVENT_REASON_IDLE, "waits for work: the Go runtime",
        "runtime.findRunnable", "runtime.findrunnable", "runtime.mPark", "runtime.stopm",
        "runtime.stoplockedm", "runtime.gcstopm", "runtime.templateThread", "runtime.sysmon",
        "os/signal.signal_recv"),
    PROGRAM(ROLE_WORKER, EVENT_REASON_IDLE, "waits for work: OpenMP, Chromium, Erlang, HotSpot, "
                                           "MySQL, Apache httpd",
        "gomp_simple_barrier_wait", "kmp_fork_barrier*",
        "base::internal::WorkerThread::Delegate::WaitForWork*", "scheduler_wait",
        "CompileQueue::get*", "Per_thread_connection_handler::block_until_new_connection*",
        "ap_queue_pop_something"),
    PROGRAM(ROLE_LOOP, EVENT_REASON_IDLE, "a worker's loop: nginx, Redis and Valkey, GLib, Node.js, "
                                         "Tokio's blocking pool, OpenMP, oneTBB",
        "ngx_thread_pool_cycle", "bioProcessBackgroundJobs", "g_thread_pool_thread_proxy",
        "node::(anonymous namespace)::PlatformWorkerThread*",
        "tokio::runtime::blocking::pool::Inner::run*", "gomp_thread_start", "kmp_launch_worker",
        "tbb::detail::r1::rml::private_worker::*"),
    PROGRAM(ROLE_LOOP, EVENT_REASON_IDLE, "a worker's loop: RocksDB, LLVM, Qt, Mesa, OpenBLAS, zstd, "
                                         "FFmpeg, x264, Varnish, HotSpot, libdispatch",
        "rocksdb::ThreadPoolImpl::Impl::BGThread*", "llvm::StdThreadPool::processTasks*",
        "llvm::ThreadPool::processTasks*", "QThreadPoolThread::run*", "util_queue_thread_func",
        "blas_thread_server", "POOL_thread", "frame_worker_thread", "threadpool_thread_internal",
        "Pool_Work_Thread", "WorkerThread::run*", "GangWorker::loop*", "dispatch_worker_thread*"),
    {IN_PROGRAM, ROLE_LOOP, EVENT_REASON_IDLE, "libuv's thread pool (only in libuv and Node.js)",
        NAMES("worker"), {"libuv", "node"}},

    // ---- Lock
    KERNEL(ROLE_UNLESS, EVENT_REASON_LOCK, "a futex: what mutexes, condition variables, semaphores "
                                           "and joins of a program are made of",
        "futex_*", "do_futex", "sys_futex*"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_LOCK, "a futex with priority inheritance",
        "futex_lock_pi*", "rt_mutex_wait_proxy_lock"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_LOCK, "a lock of the kernel",
        "mutex_lock*", "ww_mutex_lock*", "rt_mutex_lock*", "rt_mutex_slowlock*", "rtlock_*",
        "rwbase_*", "down", "down_common", "down_interruptible", "down_killable", "down_timeout",
        "down_read*", "down_write*", "rwsem_down_*", "percpu_down_*", "percpu_rwsem_wait",
        "lock_sock", "lock_sock_nested", "vma_start_read*", "vma_start_write*", "d_alloc_parallel",
        "d_wait_lookup"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_LOCK, "a lock on a file: flock, fcntl, a lease",
        "locks_lock_inode_wait", "locks_lock_file_wait", "flock_lock_inode_wait",
        "posix_lock_inode_wait", "do_lock_file_wait", "fcntl_setlk*", "break_lease", "sys_flock"),
    PROGRAM(ROLE_UNLESS, EVENT_REASON_LOCK, "a condition variable, or what waits for a futex",
        "pthread_cond_wait", "pthread_cond_timedwait",
        "pthread_cond_clockwait", "cnd_wait", "cnd_timedwait", "futex_abstimed_wait*",
        "futex_wait*", "lll_futex*", "timedwait*", "std::condition_variable*",
        "std::_V2::condition_variable*", "std::__1::condition_variable*",
        "std::__atomic_futex_unsigned_base::*", "uv_cond_wait", "uv_cond_timedwait",
        "g_cond_wait*", "runtime.futex*", "runtime.note*", "Unsafe_Park", "Parker::park*",
        "PyParkingLot_Park", "QWaitCondition::wait*", "absl::CondVar::*"),
    PROGRAM(ROLE_DECIDES, EVENT_REASON_LOCK, "a mutex, a read-write lock, a barrier",
        "pthread_mutex_*", "pthread_rwlock_*", "pthread_barrier_wait", "lll_lock_wait*",
        "mtx_lock", "mtx_timedlock", "std::mutex::lock*", "std::__1::mutex::lock*",
        "std::__1::recursive_mutex::lock*", "std::shared_mutex::*", "std::sys::sync::mutex::*",
        "std::sys::sync::rwlock::*", "std::sys::unix::locks::futex_mutex::*",
        "std::sys::unix::locks::futex_rwlock::*", "parking_lot::raw_mutex::*",
        "parking_lot::raw_rwlock::*", "absl::Mutex::*", "uv_mutex_lock", "uv_rwlock_*",
        "uv_barrier_wait", "g_mutex_lock*", "g_rw_lock_*", "runtime.lock", "runtime.lock2",
        "gomp_mutex_lock*", "QMutex::lock*", "QBasicMutex::lock*"),
    PROGRAM(ROLE_DECIDES, EVENT_REASON_LOCK, "a lock of CPython or HotSpot, whatever it is made of",
        "PyThread_acquire_lock*", "PyMutex_Lock*", "take_gil", "ObjectMonitor::*"),
    PROGRAM(ROLE_INNERMOST, EVENT_REASON_LOCK, "a lock on a file", "flock"),

    // ---- Semaphore
    KERNEL(ROLE_DECIDES, EVENT_REASON_SEMAPHORE, "a semaphore of System V",
        "do_semtimedop", "semtimedop", "sys_semop", "sys_semtimedop*"),
    PROGRAM(ROLE_UNLESS, EVENT_REASON_SEMAPHORE, "a semaphore of the program",
        "sem_wait*", "sem_timedwait*", "sem_clockwait*", "new_sem_wait*", "old_sem_wait*",
        "do_sem_wait", "do_new_sem_wait", "std::counting_semaphore*", "std::__atomic_semaphore*",
        "std::__platform_semaphore*", "std::__1::counting_semaphore*",
        "std::__1::__atomic_semaphore_base*", "dispatch_sema4_*", "dispatch_semaphore_wait*", "uv_sem_wait",
        "v8::base::Semaphore::Wait*", "QSemaphore::*", "SDL_SemWait*", "SDL_WaitSemaphore*",
        "PosixSemaphore::*", "PySemaphore_Wait*", "gomp_sem_wait*"),
    PROGRAM(ROLE_INNERMOST, EVENT_REASON_SEMAPHORE, "a semaphore of System V",
        "semop", "semtimedop"),

    // ---- IPC
    KERNEL(ROLE_DECIDES, EVENT_REASON_IPC, "a pipe or fifo, reading, writing or opening it",
        "pipe_read", "pipe_write", "anon_pipe_read", "anon_pipe_write", "fifo_pipe_read",
        "fifo_pipe_write", "pipe_wait", "pipe_wait_readable", "pipe_wait_writable",
        "wait_for_partner", "fifo_open", "ipipe_prep*", "opipe_prep*", "splice_from_pipe*"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_IPC, "a Unix socket",
        "unix_stream_read_generic", "unix_stream_data_wait", "unix_stream_recvmsg",
        "unix_stream_sendmsg", "unix_dgram_recvmsg", "unix_dgram_sendmsg",
        "unix_seqpacket_recvmsg", "unix_seqpacket_sendmsg"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_IPC, "a network, netlink or vsock socket",
        "sk_wait_data", "sk_stream_wait_memory", "sk_stream_wait_close", "sock_wait_for_wmem",
        "tcp_recvmsg*", "tcp_sendmsg*", "udp_recvmsg", "udp_sendmsg", "udpv6_recvmsg",
        "udpv6_sendmsg", "inet_recvmsg", "inet_sendmsg", "inet6_recvmsg", "inet6_sendmsg",
        "netlink_recvmsg", "netlink_sendmsg", "netlink_attachskb", "packet_recvmsg",
        "packet_sendmsg", "raw_recvmsg", "raw_sendmsg", "vsock_connectible_*", "vsock_dgram_*", "vsock_seqpacket_*",
        "vsock_stream_*", "mptcp_recvmsg", "mptcp_sendmsg", "sctp_recvmsg", "sctp_sendmsg",
        "tls_sw_*", "sock_recvmsg*", "sock_sendmsg*", "sock_read_iter", "sock_write_iter",
        "sys_recvfrom", "sys_recvmsg*", "sys_recvmmsg*", "sys_sendto", "sys_sendmsg*",
        "sys_sendmmsg*"),
    KERNEL(ROLE_UNLESS, EVENT_REASON_IPC, "a socket: something arrives, or there is room",
        "skb_wait_for_more_packets", "skb_recv_datagram", "sock_alloc_send_pskb",
        "unix_wait_for_peer"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_IPC, "a message queue of POSIX or System V",
        "do_msgrcv", "do_msgsnd", "sys_msgrcv", "sys_msgsnd", "do_mq_timedreceive",
        "do_mq_timedsend", "wq_sleep", "sys_mq_timed*"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_IPC, "an eventfd; the requests that a FUSE server waits for",
        "eventfd_read", "eventfd_write", "fuse_dev_do_read", "fuse_dev_read"),
    PROGRAM(ROLE_INNERMOST, EVENT_REASON_IPC, "a socket or a message queue",
        "recv", "recvfrom", "recvmsg", "recvmmsg", "send", "sendto", "sendmsg", "sendmmsg",
        "msgrcv", "msgsnd", "mq_receive", "mq_timedreceive", "mq_send", "mq_timedsend"),

    // ---- Connect
    KERNEL(ROLE_DECIDES, EVENT_REASON_CONNECT, "accepting a connection, or making one",
        "inet_csk_accept", "inet_csk_wait_for_connect", "inet_accept", "unix_accept",
        "unix_stream_connect", "unix_dgram_connect", "inet_wait_for_connect",
        "inet_stream_connect", "inet_dgram_connect", "tcp_v4_connect", "tcp_v6_connect",
        "vsock_accept", "vsock_connect", "sctp_accept", "mptcp_stream_accept", "do_accept",
        "sys_accept", "sys_accept4", "sys_connect"),
    PROGRAM(ROLE_INNERMOST, EVENT_REASON_CONNECT, "accepting a connection, or making one",
        "accept", "accept4", "connect"),

    // ---- Reading
    KERNEL(ROLE_UNLESS, EVENT_REASON_IO_READ, "a page, a buffer or a disk; a function further out "
                                              "says whether it is read or written",
        "folio_wait_bit*", "folio_wait_locked*", "folio_lock*", "folio_put_wait_locked",
        "wait_on_page_bit*", "wait_on_page_locked*", "put_and_wait_on_page_locked", "lock_page*",
        "bit_wait_io*", "wait_on_buffer", "wait_for_completion_io*", "wait_for_common_io*",
        "submit_bio_wait", "blk_execute_rq*", "blk_mq_get_tag", "rq_qos_wait", "xfs_buf_iowait",
        "blkdev_direct_IO*", "iomap_dio_rw*", "do_blockdev_direct_IO", "dio_await_one"),
    KERNEL(ROLE_UNLESS, EVENT_REASON_IO_READ, "the answer of another machine, or of a FUSE server",
        "rpc_wait_bit_killable", "nfs_wait_bit_killable", "request_wait_answer",
        "p9_client_rpc*", "p9_virtio_request", "wait_for_response", "ceph_mdsc_wait_request"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_IO_READ, "reading a file, a directory or a device",
        "filemap_read*", "filemap_get_pages", "filemap_update_page", "filemap_splice_read",
        "generic_file_read_iter", "generic_file_buffered_read", "generic_file_splice_read",
        "do_read_cache_folio", "do_read_cache_page", "read_cache_folio", "read_cache_page*",
        "page_cache_ra_*", "page_cache_sync_ra", "page_cache_async_ra", "ondemand_readahead",
        "ext4_bread", "ext4_read_bh*", "bread_gfp", "bh_read", "xfs_buf_read*",
        "read_extent_buffer*", "btrfs_read_extent_buffer*", "ext4_file_read_iter",
        "xfs_file_read_iter", "btrfs_file_read_iter", "blkdev_read_iter", "nfs_file_read",
        "fuse_file_read_iter", "v9fs_file_read_iter", "vfs_read", "vfs_readv", "kernel_read",
        "sys_read", "sys_readv", "sys_pread64", "sys_preadv*", "sys_readahead", "iterate_dir",
        "sys_getdents*"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_IO_READ, "a page of memory that lies in a file or in swap",
        "filemap_fault", "do_swap_page", "swap_readpage", "swap_read_folio", "swapin_readahead",
        "shmem_swapin*", "handle_mm_fault", "do_user_addr_fault", "do_page_fault",
        "exc_page_fault", "do_translation_fault", "do_mem_abort", "faultin_page"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_IO_READ, "reading from a terminal", "n_tty_read", "tty_read"),
    PROGRAM(ROLE_INNERMOST, EVENT_REASON_IO_READ, "reading a directory",
        "getdents64", "readdir", "readdir64"),

    // ---- Writing
    KERNEL(ROLE_DECIDES, EVENT_REASON_IO_WRITE, "pages that are being written",
        "folio_wait_writeback*", "folio_wait_stable", "wait_on_page_writeback*",
        "wait_for_stable_page", "filemap_fdatawait*", "filemap_fdatawrite*",
        "filemap_write_and_wait*", "file_write_and_wait*", "do_writepages", "writeback_*",
        "wb_wait_for_completion", "balance_dirty_pages*", "wbt_wait"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_IO_WRITE, "fsync, sync, msync, and a flush of the disk",
        "do_fsync", "vfs_fsync*", "sys_fsync", "sys_fdatasync", "sys_msync", "sys_sync",
        "sys_syncfs", "sys_sync_file_range*", "sync_file_range", "sync_filesystem",
        "sync_inodes_sb", "sync_bdevs", "iterate_supers", "sync_dirty_buffer", "write_dirty_buffer",
        "fsync_buffers_list", "sync_mapping_buffers", "generic_buffers_fsync*", "ext4_sync_file",
        "xfs_file_fsync", "btrfs_sync_file", "btrfs_sync_log", "f2fs_sync_file", "nfs_file_fsync",
        "nfs_wb_all", "fuse_fsync", "v9fs_file_fsync*", "blkdev_fsync", "blkdev_issue_flush",
        "blkdev_issue_discard", "blkdev_issue_zeroout"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_IO_WRITE, "the journal of a file system",
        "jbd2_*", "wait_transaction_locked", "add_transaction_credits", "start_this_handle",
        "do_get_write_access", "xfs_log_*", "xlog_*", "btrfs_commit_transaction",
        "btrfs_wait_for_commit", "wait_current_trans"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_IO_WRITE, "writing or changing a file, a directory or a device",
        "generic_perform_write", "generic_file_write_iter", "ext4_file_write_iter",
        "ext4_buffered_write_iter", "xfs_file_write_iter", "xfs_file_buffered_write",
        "btrfs_file_write_iter", "btrfs_do_write_iter", "blkdev_write_iter", "nfs_file_write",
        "fuse_file_write_iter", "v9fs_file_write_iter", "inode_dio_wait", "vfs_write", "vfs_writev",
        "kernel_write", "sys_write", "sys_writev", "sys_pwrite64", "sys_pwritev*", "vfs_create",
        "vfs_fallocate", "vfs_link", "vfs_mkdir", "vfs_mknod", "vfs_rename", "vfs_rmdir",
        "vfs_symlink", "vfs_truncate", "vfs_unlink", "do_truncate", "notify_change"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_IO_WRITE, "writing to a terminal",
        "n_tty_write", "tty_write", "tty_wait_until_sent"),
    PROGRAM(ROLE_INNERMOST, EVENT_REASON_IO_WRITE, "fsync and the like",
        "fsync", "fdatasync", "msync", "sync", "syncfs", "sync_file_range"),

    // ---- Readiness
    KERNEL(ROLE_DECIDES, EVENT_REASON_READINESS, "epoll, poll, select",
        "do_epoll_wait", "ep_poll", "sys_epoll_*", "do_poll", "sys_poll", "sys_ppoll*",
        "poll_schedule_timeout", "do_select", "core_sys_select", "do_pselect", "sys_select",
        "sys_pselect6*"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_READINESS, "completions of io_uring and of asynchronous I/O",
        "io_cqring_wait", "io_cqring_schedule*", "sys_io_uring_enter", "read_events",
        "do_io_getevents", "sys_io_getevents*", "sys_io_pgetevents*"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_READINESS, "changes of files: inotify, fanotify",
        "inotify_read", "fanotify_read"),
    PROGRAM(ROLE_INNERMOST, EVENT_REASON_READINESS, "epoll, poll, select, io_uring",
        "epoll_wait*", "epoll_pwait*", "poll", "ppoll", "select", "pselect*", "io_getevents",
        "io_uring_enter*", "runtime.epollwait*"),

    // ---- Sleep
    KERNEL(ROLE_DECIDES, EVENT_REASON_SLEEP, "nanosleep and the like",
        "do_nanosleep", "hrtimer_nanosleep*", "common_nsleep*", "alarm_timer_nsleep",
        "alarmtimer_do_nsleep", "do_cpu_nanosleep", "posix_cpu_nsleep*", "sys_nanosleep*",
        "sys_clock_nanosleep*", "msleep*", "usleep_range*", "fsleep"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_SLEEP, "reading a timerfd", "timerfd_read*"),
    PROGRAM(ROLE_INNERMOST, EVENT_REASON_SLEEP, "nanosleep and the like",
        "clock_nanosleep*", "nanosleep", "sleep", "usleep", "thrd_sleep", "runtime.usleep"),

    // ---- Other
    KERNEL(ROLE_DECIDES, EVENT_REASON_OTHER, "the end of a child process, or its exec after vfork",
        "do_wait", "kernel_wait4", "kernel_waitid*", "sys_wait4", "sys_waitid", "wait_for_vfork_done",
        "kernel_clone"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_OTHER, "a signal",
        "sys_pause", "sigsuspend", "sys_rt_sigsuspend", "do_sigtimedwait", "sys_rt_sigtimedwait*",
        "signalfd_read*", "signalfd_dequeue"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_OTHER, "stopped: by a signal, a debugger, or frozen",
        "do_signal_stop", "ptrace_stop", "do_jobctl_trap", "do_freezer_trap", "refrigerator",
        "ptrace_notify", "ptrace_event"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_OTHER, "another process answers for this one: userfaultfd, "
                                             "a seccomp supervisor",
        "handle_userfault", "userfaultfd_read*", "seccomp_do_user_notification",
        "seccomp_notify_recv"),
    KERNEL(ROLE_DECIDES, EVENT_REASON_OTHER, "the kernel itself: other CPUs, other threads, "
                                             "randomness",
        "synchronize_rcu*", "synchronize_srcu*", "wait_rcu_gp", "stop_one_cpu",
        "affine_move_task", "migration_entry_wait*", "wait_for_random_bytes", "sys_getrandom",
        "sys_membarrier", "coredump_wait", "coredump_task_exit", "de_thread"),
    KERNEL(ROLE_UNLESS, EVENT_REASON_OTHER, "something; a function further out says what",
        "wait_woken", "wait_for_completion*", "wait_for_common*", "do_wait_intr*", "bit_wait",
        "bit_wait_timeout"),
    PROGRAM(ROLE_DECIDES, EVENT_REASON_OTHER, "the end of another thread",
        "pthread_join", "pthread_timedjoin_*", "pthread_clockjoin_*", "thrd_join", "lll_wait_tid",
        "std::thread::join*", "std::jthread::join*", "std::__1::thread::join*",
        "std::thread::JoinInner*", "std::thread::JoinHandle*", "std::sys::unix::thread::Thread::join*",
        "std::sys::pal::unix::thread::Thread::join*", "std::sys::thread::unix::Thread::join*",
        "uv_thread_join", "g_thread_join"),

    // ---- What is no reason
    PROGRAM(ROLE_PASSES, EVENT_REASON_COUNT, "wraps a wait without saying what for",
        "syscall", "syscall_cancel*", "syscall_cp*", "internal_syscall_cancel*", "std::sys::*", "std::thread::park*",
        "std::sync::*", "std::__atomic_wait*", "std::__detail::*", "std::__1::__libcpp_*",
        "parking_lot::*", "parking_lot_core::*", "<parking_lot_core::*", "crossbeam_utils::sync::*",
        "core::ops::function::*", "node::ConditionVariableBase<*", "v8::base::ConditionVariable::*",
        "g_async_queue_*", "std::unique_lock*", "gthread_*"),
    PROGRAM(ROLE_STOPS, EVENT_REASON_COUNT, "a signal interrupted what is further out",
        "restore_rt", "kernel_rt_sigreturn"),
    KERNEL(ROLE_STOPS, EVENT_REASON_COUNT, "a worker of io_uring that runs a request",
        "io_worker_handle_work", "io_wq_submit_work", "io_issue_sqe"),
    KERNEL(ROLE_SWITCHES, EVENT_REASON_IO_READ, "the scheduler, on behalf of a disk",
        "io_schedule*"),
    KERNEL(ROLE_SWITCHES, EVENT_REASON_COUNT, "the scheduler, and perf that watches it",
        "schedule", "schedule_timeout*", "schedule_hrtimeout*", "schedule_preempt_disabled",
        "schedule_idle", "schedule_rtlock", "rt_mutex_schedule", "freezable_schedule*",
        "preempt_schedule*", "cond_resched*", "dynamic_cond_resched", "context_switch",
        "switch_to*", "prepare_task_switch", "finish_task_switch", "perf_event_task_sched_out",
        "perf_trace_*", "perf_event_*", "perf_swevent_*", "perf_sw_event*", "perf_tp_event*",
        "perf_callchain*", "get_perf_callchain", "trace_*", "bpf_trace_*"),
    KERNEL(ROLE_ENTRY, EVENT_REASON_COUNT, "the way into the kernel",
        "do_syscall_64", "sys_call", "do_fast_syscall_32", "do_int80_syscall_32",
        "entry_SYSCALL_*", "entry_SYSENTER_*", "entry_INT80_*", "asm_exc_*", "el0_svc*",
        "do_el0_svc*", "el0t_64_sync*", "el0t_32_sync*", "el0_sync*", "invoke_syscall*",
        "el0_da", "el0_ia", "ret_from_fork*"),
    KERNEL(ROLE_RETURN, EVENT_REASON_COUNT, "the way back to the program, where a thread does work "
                                            "of its own",
        "syscall_exit_to_user_mode*", "irqentry_exit_to_user_mode", "irqentry_exit*",
        "exit_to_user_mode*", "prepare_exit_to_usermode", "do_notify_resume", "work_pending",
        "arch_do_signal_or_restart", "task_work_run", "get_signal", "retint_user"),
    KERNEL(ROLE_INTERRUPT, EVENT_REASON_COUNT, "the way in of an interrupt",
        "asm_sysvec_*", "sysvec_*", "asm_common_interrupt", "common_interrupt", "do_IRQ",
        "ret_from_intr", "apic_timer_interrupt", "smp_apic_timer_interrupt",
        "reschedule_interrupt", "smp_reschedule_interrupt", "call_function_interrupt",
        "call_function_single_interrupt", "hrtimer_interrupt", "irq_exit", "irq_exit_rcu",
        "el0_irq*", "el1_irq*", "el0_fiq*", "el1_fiq*", "el0t_64_irq*", "el1t_64_irq*",
        "el0t_32_irq*", "el1h_64_irq*", "el0_interrupt", "el1_interrupt", "gic_handle_irq"),
    KERNEL(ROLE_WAKES, EVENT_REASON_COUNT, "the machinery of waking",
        "try_to_wake_up", "ttwu_*", "wake_up*", "wake_q_add*", "default_wake_function",
        "autoremove_wake_function", "woken_wake_function", "ep_autoremove_wake_function",
        "ep_poll_callback", "pollwake", "swake_up*", "rcuwait_wake_up", "complete",
        "complete_all", "complete_with_flags", "sock_def_*", "sk_stream_write_space",
        "kick_pool", "queue_work", "wake_q*"),
};
// clang-format on

const size_t reasons_table_n = ARRAY_LEN(reasons_table);

// ---- For people --------------------------------------------------------------------------------

static const char *role_word(enum reasons_role role)
{
    static const char *const words[ROLE_COUNT] = {
        [ROLE_NONE] = "",
        [ROLE_DECIDES] = "decides",
        [ROLE_UNLESS] = "unless",
        [ROLE_INNERMOST] = "innermost",
        [ROLE_WORKER] = "worker",
        [ROLE_LOOP] = "loop",
        [ROLE_PASSES] = "passed over",
        [ROLE_STOPS] = "ends the search",
        [ROLE_SWITCHES] = "not the place",
        [ROLE_ENTRY] = "not the place",
        [ROLE_RETURN] = "not the place",
        [ROLE_INTERRUPT] = "interrupt",
        [ROLE_WAKES] = "not the waker",
    };
    return words[role];
}

static void print_group(struct text *to, const struct reasons_group *group)
{
    text_addf(to, "| %s | %s | %s | ", group->where == IN_KERNEL ? "kernel" : "program",
              group->what, role_word(group->role));
    for (size_t i = 0; group->names[i] != NULL; i++) {
        text_addf(to, "%s`%s`", i == 0 ? "" : " ", group->names[i]);
    }
    text_add(to, " |\n");
}

void reasons_table_print(struct text *to)
{
    for (int reason = 0; reason <= EVENT_REASON_COUNT; reason++) {
        text_addf(to, "\n### %s\n\n| where | what | how | functions |\n|---|---|---|---|\n",
                  reason == EVENT_REASON_COUNT ? "No reason"
                                               : event_reason_name((enum event_reason)reason));
        for (size_t i = 0; i < reasons_table_n; i++) {
            if ((int)reasons_table[i].reason == reason) {
                print_group(to, &reasons_table[i]);
            }
        }
    }
}
