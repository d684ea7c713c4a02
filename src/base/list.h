/* SPDX-License-Identifier: Apache-2.0 */
/* list.h: an intrusive doubly linked list. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define LIST_ENTRY(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
/* The body may remove the entry it is at. */
#define LIST_EACH(at, head) \
	for (struct list *at = (head)->next, *at##_next_ = at->next; at != (head); at = at##_next_, at##_next_ = at->next)

static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}
static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}
static inline void list_append(struct list *head, struct list *item)
{
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}
static inline void list_remove(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}
