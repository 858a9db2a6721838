// What glibc offers only beyond POSIX. The header includes nothing of the system's: a module that saw other declarations than Swift's own
// module of glibc could not be used beside it.
#ifndef SALLYPORT_PROCESS_SHIM_H
#define SALLYPORT_PROCESS_SHIM_H

/// No core dumps, and no other process of the same user may read this one's memory. 0: done.
int process_keep_out_of_dumps(void);
int process_is_dumpable(void);
/// So many arenas of the heap at most, those that there are counted. Each keeps what its threads freed for itself. 0: done.
int process_limit_arenas(int count);
/// Gives back what only starting needed: the heap's free pages, and the mapping of code that ran once.
void process_give_back_memory(void);
/// Adds to `posix_spawn_file_actions_t` that the child closes all descriptors from `from` on. 0: done.
int process_close_from(void *actions, int from);
/// A file in memory that is closed on exec, or -1.
int process_memory_file(void);
/// A user namespace and an empty network of its own; else the network alone. 0: done.
int process_leave_network(void);

#endif
