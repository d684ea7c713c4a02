/* SPDX-License-Identifier: Apache-2.0 */
/* record.h: records of every kind (container, image, tag, volume, network, exec, …): one JSON document with an id. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/store.h"

#define RECORD_JSON_MAX (16u << 20) /* bytes of one document */

/* What a successful reply promises. */
enum record_class {
	RECORD_DURABLE, /* survives a power cut: synced, concurrent writers share one sync */
	RECORD_RUN,     /* survives kill -9 of the daemon, not a reboot: kept in the exec root, never synced */
	RECORD_CLASS_N
};

struct record {
	const char *kind; /* "container", "image", …: any short word; a kind exists by being used */
	const char *id;   /* unique within its kind */
	const char *name; /* unique within its kind; NULL: none */
	const char *ref;  /* id of what it hangs on (a tag's image, an exec's container), indexed; NULL: none */
	enum record_class class;
	const char *json; /* the document, NUL-terminated */
	int64_t seq;      /* order of creation; set by the store, kept by an update */
};

struct record_list {
	struct record *items;
	size_t n;
};

/* --- Reading. Results live in ARENA. They show every write whose call has returned. --- */

/* ES_E_NOT_FOUND: "no KIND ID". */
es_err *record_get(struct store *st, struct arena *a, const char *kind, const char *id, struct record *ret) ES_CHECKED;
es_err *record_get_name(struct store *st, struct arena *a, const char *kind, const char *name, struct record *ret) ES_CHECKED;
/* The one record whose id starts with PREFIX. ES_E_NOT_FOUND; ES_E_INVALID "multiple IDs found with provided prefix: …". */
es_err *record_get_prefix(struct store *st, struct arena *a, const char *kind, const char *prefix, struct record *ret) ES_CHECKED;
/* docker's look-up: exact id, then name, then id prefix. */
es_err *record_find(struct store *st, struct arena *a, const char *kind, const char *word, struct record *ret) ES_CHECKED;
/* All of a kind in order of creation; REF not NULL: only those that hang on it. */
es_err *record_list(struct store *st, struct arena *a, const char *kind, const char *ref, struct record_list *ret) ES_CHECKED;

/* A number that grows with every write to KIND (now and then with others'). What was read after asking is at least as new. */
uint64_t record_changes(struct store *st, const char *kind);

/* --- Writing. A transaction is all or nothing (what it writes in one class; a crash may separate the two classes). It is
 * built up in memory and run by the store's writer thread; building it cannot fail. --- */

struct record_tx;

struct record_tx *record_tx_new(void);
void record_tx_free(struct record_tx *tx); /* NULL is fine */
/* R is copied. ADD: the id must be new (ES_E_CONFLICT). PUT: adds or replaces. Either way a name that another record
 * of this kind has is ES_E_CONFLICT "KIND name NAME is in use by ID". The class of an existing record may change. */
void record_tx_add(struct record_tx *tx, const struct record *r);
void record_tx_put(struct record_tx *tx, const struct record *r);
/* Deleting what is not there is success. */
void record_tx_delete(struct record_tx *tx, const char *kind, const char *id);
/* Conditions, checked where they stand in the order of the transaction: record exists (else ES_E_NOT_FOUND); no record
 * of KIND hangs on REF (else ES_E_CONFLICT). */
void record_tx_require(struct record_tx *tx, const char *kind, const char *id);
void record_tx_require_no_ref(struct record_tx *tx, const char *kind, const char *ref);
/* Run TX (still the caller's to free). Blocks until every class in it is satisfied. */
es_err *record_commit(struct store *st, struct record_tx *tx) ES_CHECKED;

/* One-step transactions. */
es_err *record_add(struct store *st, const struct record *r) ES_CHECKED;
es_err *record_put(struct store *st, const struct record *r) ES_CHECKED;
es_err *record_delete(struct store *st, const char *kind, const char *id) ES_CHECKED;

static inline void record_tx_free_p(struct record_tx **tx)
{
	record_tx_free(*tx);
	*tx = NULL;
}
#define es_autotx es_auto(record_tx_free_p) struct record_tx
