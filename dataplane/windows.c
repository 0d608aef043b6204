/* A stack of free indices (Treiber's): whoever takes reads what is behind the first and exchanges the head, which fails if anything has
 * changed since, as the change count says. A window that is taken meanwhile has a `next` of no meaning, read and thrown away. */
#include "windows.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

int zs_windows_new(struct zs_windows *p, uint32_t windows, uint32_t attachments)
{
	*p = (struct zs_windows){ .all = windows, .attachments = attachments };
	p->next = calloc(windows, sizeof(*p->next));
	p->holder = calloc(windows, sizeof(*p->holder));
	p->held = calloc(attachments, sizeof(*p->held));
	return p->next && p->holder && p->held ? 0 : -ENOMEM;
}

void zs_windows_delete(struct zs_windows *p)
{
	free(p->next);
	free(p->holder);
	free(p->held);
	*p = (struct zs_windows){ 0 };
}

static uint64_t changed(uint64_t head, uint32_t first)
{
	return ((head >> 32) + 1) << 32 | first;
}

static int64_t pop(struct zs_windows *p)
{
	uint64_t head = atomic_load_explicit(&p->head, memory_order_acquire);
	uint32_t first;

	do {
		first = (uint32_t)head;
		if (!first)
			return -1;
	} while (!atomic_compare_exchange_weak(
	    &p->head, &head, changed(head, atomic_load_explicit(&p->next[first - 1], memory_order_relaxed))));
	atomic_fetch_sub_explicit(&p->left, 1, memory_order_relaxed);
	return first - 1;
}

static void push(struct zs_windows *p, uint32_t window)
{
	uint64_t head = atomic_load_explicit(&p->head, memory_order_relaxed);

	atomic_fetch_add_explicit(&p->left, 1,
				  memory_order_relaxed); /* first: it is never below what is there */
	do
		atomic_store_explicit(&p->next[window], (uint32_t)head, memory_order_relaxed);
	while (!atomic_compare_exchange_weak(&p->head, &head, changed(head, window + 1)));
}

int64_t zs_windows_take(struct zs_windows *p, uint32_t attachment)
{
	bool counted = attachment < p->attachments;
	uint32_t held = counted ? atomic_fetch_add_explicit(&p->held[attachment], 1, memory_order_relaxed)
				: ZS_WINDOWS_SURE;
	int64_t window = -1;

	if (held < ZS_WINDOWS_SURE || atomic_load_explicit(&p->left, memory_order_relaxed) > p->all / 2)
		window = pop(p);
	if (window >= 0)
		p->holder[window] = counted ? attachment + 1 : 0;
	else if (counted)
		atomic_fetch_sub_explicit(&p->held[attachment], 1, memory_order_relaxed);
	return window;
}

void zs_windows_put(struct zs_windows *p, uint32_t window)
{
	if (p->holder[window])
		atomic_fetch_sub_explicit(&p->held[p->holder[window] - 1], 1, memory_order_relaxed);
	p->holder[window] = 0;
	push(p, window);
}

void zs_windows_known(struct zs_windows *p, uint32_t window, uint32_t attachment)
{
	if (p->holder[window] || attachment >= p->attachments)
		return;
	p->holder[window] = attachment + 1;
	atomic_fetch_add_explicit(&p->held[attachment], 1, memory_order_relaxed);
}
