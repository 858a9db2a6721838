#define _GNU_SOURCE
#include "process_shim.h"

#include <link.h>
#include <malloc.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

int process_keep_out_of_dumps(void) {
    struct rlimit none = {0, 0};
    int limited = setrlimit(RLIMIT_CORE, &none);
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) | limited;
}

int process_is_dumpable(void) { return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0); }

// Unmaps the code of one loaded file; what is run again comes back from the page cache. Code that was relocated in place is left alone: its
// pages are this process's own.
static int unmap_code(struct dl_phdr_info *file, size_t size, void *context) {
    (void)size;
    (void)context;
    for (int i = 0; i < file->dlpi_phnum; i++) {
        if (file->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
        for (const ElfW(Dyn) *entry = (const ElfW(Dyn) *)(file->dlpi_addr + file->dlpi_phdr[i].p_vaddr); entry->d_tag != DT_NULL; entry++)
            if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL))) return 0;
    }
    for (int i = 0; i < file->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &file->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || (part->p_flags & (PF_X | PF_W)) != PF_X) continue;
        ElfW(Addr) start = (file->dlpi_addr + part->p_vaddr) & ~(ElfW(Addr))4095;
        ElfW(Addr) end = (file->dlpi_addr + part->p_vaddr + part->p_filesz + 4095) & ~(ElfW(Addr))4095;
        madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

int process_limit_arenas(int count) { return mallopt(M_ARENA_MAX, count) == 1 ? 0 : -1; }

void process_give_back_memory(void) {
    malloc_trim(0);
    dl_iterate_phdr(unmap_code, 0);
}

int process_close_from(void *actions, int from) { return posix_spawn_file_actions_addclosefrom_np(actions, from); }

int process_memory_file(void) { return memfd_create("document", MFD_CLOEXEC); }

int process_leave_network(void) { return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 0 : unshare(CLONE_NEWNET); }
