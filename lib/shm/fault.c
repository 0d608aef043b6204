/* The SIGBUS handler. It takes no lock and calls mmap alone, which is a bare system call.
 * Slots are filled by the main thread: `base` last with release, cleared first, so a handler
 * on any thread sees a slot whole or not at all. */
#include "shm/fault.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "base/check.h"

#define PAGE 4096u

/* The one process-wide pointer, see the header. */
static struct zs_fault *_Atomic process_fault;

static bool patch(struct zs_fault *f, uintptr_t addr)
{
	for (int i = 0; i < ZS_FAULT_SEGMENTS; i++) {
		struct zs_fault_slot *s = &f->slot[i];
		uintptr_t base = atomic_load_explicit(&s->base, memory_order_acquire);
		if (!base || addr < base || addr - base >= s->size)
			continue;
		void *page = (void *)(addr & ~(uintptr_t)(PAGE - 1));
		if (mmap(page, PAGE, s->prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			return false;
		atomic_fetch_add_explicit(s->faulted, 1, memory_order_relaxed);
		return true;
	}
	return false;
}

static void on_bus(int sig, siginfo_t *info, void *context)
{
	struct zs_fault *f = atomic_load_explicit(&process_fault, memory_order_acquire);
	int saved = errno;

	(void)context;
	/* Not ours: the handler before takes over when the instruction faults again. */
	if (!f || !patch(f, (uintptr_t)info->si_addr))
		sigaction(sig, &f->before, NULL);
	errno = saved;
}

int zs_fault_install(struct zs_fault *f)
{
	struct sigaction sa = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct zs_fault *none = NULL;

	if (!atomic_compare_exchange_strong(&process_fault, &none, f))
		return -EALREADY;
	sigemptyset(&sa.sa_mask);
	return sigaction(SIGBUS, &sa, &f->before) < 0 ? -errno : 0;
}

int zs_fault_watch(struct zs_segment *seg)
{
	struct zs_fault *f = atomic_load_explicit(&process_fault, memory_order_acquire);

	if (!f)
		return -ENOSYS;
	zs_fault_forget(seg); /* watched already, perhaps from another place */
	for (int i = 0; i < ZS_FAULT_SEGMENTS; i++) {
		struct zs_fault_slot *s = &f->slot[i];
		if (atomic_load_explicit(&s->base, memory_order_relaxed))
			continue;
		s->size = seg->size;
		s->prot = seg->writer ? PROT_READ | PROT_WRITE : PROT_READ;
		s->faulted = &seg->faulted;
		atomic_store_explicit(&s->base, (uintptr_t)seg->base, memory_order_release);
		return 0;
	}
	return -ENOSPC;
}

void zs_fault_forget(const struct zs_segment *seg)
{
	struct zs_fault *f = atomic_load_explicit(&process_fault, memory_order_acquire);

	for (int i = 0; f && i < ZS_FAULT_SEGMENTS; i++)
		if (atomic_load_explicit(&f->slot[i].base, memory_order_relaxed) == (uintptr_t)seg->base)
			atomic_store_explicit(&f->slot[i].base, 0, memory_order_release);
}

bool zs_segment_damaged(struct zs_segment *seg)
{
	struct stat st;

	if (seg->base && !zs_segment_faulted(seg) && fstat(seg->fd, &st) == 0 &&
	    (size_t)st.st_size < seg->size)
		atomic_fetch_add_explicit(&seg->faulted, 1, memory_order_relaxed);
	return seg->base && zs_segment_faulted(seg);
}

const char *zs_segments_damaged(const struct zs_segment_named *list, uint32_t count)
{
	const char *first = NULL;

	for (uint32_t i = 0; i < count; i++)
		if (list[i].seg && zs_segment_damaged(list[i].seg) && !first)
			first = list[i].name;
	return first;
}
