#pragma once

// Which files SQLite has open in this process.
//
// POSIX locks, which SQLite uses, have a trap: when a process closes any descriptor of a file, all
// of its locks on that file are gone, those of other descriptors, too. Another process may then
// take a file that is being written for one that nobody uses. So descriptors of run files that are
// opened beside SQLite's own are closed here: at once when nobody in this process has the file
// open, else when the last one has closed it.

#include <sys/types.h>

struct file_id {
    dev_t device;
    ino_t inode;
};

// A handle is about to be opened, or has been closed. Any thread.
void in_use_add(struct file_id file);
void in_use_remove(struct file_id file);

// Closes a descriptor of that file, now or later.
void in_use_close(struct file_id file, int fd);
