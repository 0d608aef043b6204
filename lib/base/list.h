/* Doubly linked lists through indexes: elements are the numbers 0..n-1 of the caller's array, their
 * links a second array, so one array of links serves several lists as long as an element is in
 * one of them at most. One thread. Membership is the caller's promise. */
#ifndef ZS_BASE_LIST_H
#define ZS_BASE_LIST_H

#include <stdint.h>

#define ZS_LIST_NONE UINT32_MAX

struct zs_link {
	uint32_t prev, next;
};

struct zs_list {
	uint32_t head, tail;
};

static inline void zs_list_init(struct zs_list *list)
{
	*list = (struct zs_list){ ZS_LIST_NONE, ZS_LIST_NONE };
}

/* At the end: with every use moved there, the head is what was used least recently. */
static inline void zs_list_append(struct zs_list *list, struct zs_link *links, uint32_t i)
{
	links[i] = (struct zs_link){ list->tail, ZS_LIST_NONE };
	if (list->tail == ZS_LIST_NONE)
		list->head = i;
	else
		links[list->tail].next = i;
	list->tail = i;
}

static inline void zs_list_remove(struct zs_list *list, struct zs_link *links, uint32_t i)
{
	struct zs_link l = links[i];

	if (l.prev == ZS_LIST_NONE)
		list->head = l.next;
	else
		links[l.prev].next = l.next;
	if (l.next == ZS_LIST_NONE)
		list->tail = l.prev;
	else
		links[l.next].prev = l.prev;
}

#endif
