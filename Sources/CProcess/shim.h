/* What glibc offers only beyond POSIX; Swift's module of it leaves these out. */
#include <spawn.h>
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
extern int memfd_create(const char *, unsigned int);
extern int unshare(int);
#include <sys/resource.h>
extern int prctl(int, ...);
/* No core dumps, and no other process of the same user may read this one's memory. */
static inline int process_keep_out_of_dumps(void) {
    struct rlimit none = {0, 0};
    int limited = setrlimit(RLIMIT_CORE, &none);
    return prctl(4 /* PR_SET_DUMPABLE */, 0, 0, 0, 0) | limited;
}
static inline int process_is_dumpable(void) { return prctl(3 /* PR_GET_DUMPABLE */, 0, 0, 0, 0); }
static inline int process_close_from(posix_spawn_file_actions_t *actions, int from) {
    return posix_spawn_file_actions_addclosefrom_np(actions, from);
}
static inline int process_memory_file(void) { return memfd_create("document", 1 /* close on exec */); }
/* A user namespace and an empty network of its own; else the network alone. */
static inline int process_leave_network(void) {
    return unshare(0x10000000 | 0x40000000) == 0 ? 0 : unshare(0x40000000);
}
