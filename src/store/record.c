/* SPDX-License-Identifier: Apache-2.0 */
/* record.c: records in SQLite: one thread writes and lets those that wait together share one commit; readers never wait for it. */
#include "store/record.h"

#include <sqlite3.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/thread.h"
#include "store/store_priv.h"

/* Two databases, one schema: "main" is estiba.db in the data root (durable, every commit synced), "run" is run.db in the exec
 * root (never synced; a tmpfs survives kill -9 and nothing else is asked of it). Readers see both as one view. A commit that
 * touches only "run" costs no sync. */
#define BATCH_MAX 256 /* transactions in one commit */

static const char *const class_schema[RECORD_CLASS_N] = { [RECORD_DURABLE] = "main", [RECORD_RUN] = "run" };

/* Step N takes a database from format N to N + 1; @ stands for the schema. Steps are never edited once released. */
static const char *const migrations[] = {
	"CREATE TABLE @.record(seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, name TEXT, ref TEXT, json TEXT NOT NULL);"
	"CREATE UNIQUE INDEX @.record_id ON record(kind, id);"
	"CREATE UNIQUE INDEX @.record_name ON record(kind, name) WHERE name IS NOT NULL;"
	"CREATE INDEX @.record_ref ON record(kind, ref) WHERE ref IS NOT NULL;",
	"", /* 2: layers may be files; a record without "form" is a directory's */
};
_Static_assert(ES_N(migrations) == STORE_FORMAT, "one migration per format");

enum query {
	Q_GET,
	Q_NAME,
	Q_PREFIX,
	Q_LIST,
	Q_LIST_REF,
	Q_READ_N, /* the above are for readers */
	Q_HOLDER = Q_READ_N,
	Q_PUT_DURABLE,
	Q_PUT_RUN,
	Q_DELETE_DURABLE,
	Q_DELETE_RUN,
	Q_ANY_REF,
	Q_BEGIN,
	Q_COMMIT,
	Q_ROLLBACK,
	Q_SAVE,
	Q_SAVE_OK,
	Q_SAVE_UNDO,
	Q_N
};

#define SELECT "SELECT kind, id, name, ref, json, seq, class FROM both "
static const char *const query_text[] = {
	[Q_GET] = SELECT "WHERE kind = ?1 AND id = ?2",
	[Q_NAME] = SELECT "WHERE kind = ?1 AND name = ?2",
	[Q_PREFIX] = SELECT "WHERE kind = ?1 AND id >= ?2 AND id < ?2 || x'7f' LIMIT 2",
	[Q_LIST] = SELECT "WHERE kind = ?1 ORDER BY seq",
	[Q_LIST_REF] = SELECT "WHERE kind = ?1 AND ref = ?2 ORDER BY seq",
	[Q_HOLDER] = "SELECT id FROM both WHERE kind = ?1 AND name = ?2 AND id <> ?3",
	[Q_PUT_DURABLE] = "INSERT OR REPLACE INTO main.record(seq, kind, id, name, ref, json) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
	[Q_PUT_RUN] = "INSERT OR REPLACE INTO run.record(seq, kind, id, name, ref, json) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
	[Q_DELETE_DURABLE] = "DELETE FROM main.record WHERE kind = ?1 AND id = ?2",
	[Q_DELETE_RUN] = "DELETE FROM run.record WHERE kind = ?1 AND id = ?2",
	[Q_ANY_REF] = "SELECT id FROM both WHERE kind = ?1 AND ref = ?2 LIMIT 1",
	[Q_BEGIN] = "BEGIN IMMEDIATE",
	[Q_COMMIT] = "COMMIT",
	[Q_ROLLBACK] = "ROLLBACK",
	[Q_SAVE] = "SAVEPOINT tx",
	[Q_SAVE_OK] = "RELEASE tx",
	[Q_SAVE_UNDO] = "ROLLBACK TO tx",
};
_Static_assert(ES_N(query_text) == Q_N, "a query without text");

enum op_kind { OP_ADD, OP_PUT, OP_DELETE, OP_REQUIRE, OP_REQUIRE_NO_REF };

struct op {
	struct op *next;
	enum op_kind op;
	struct record r; /* REQUIRE_NO_REF: kind and ref only */
};

struct record_tx {
	struct arena *arena;
	struct op *first, **end;
	/* While queued: */
	struct record_tx *queued;
	bool done;
	es_err *err;
	pthread_cond_t cond;
};

struct conn {
	sqlite3 *sql;
	sqlite3_stmt *stmt[Q_N]; /* prepared on first use */
};

#define CHANGES_N 64 /* kinds share a counter by the hash of their name */

struct record_db {
	atomic_uint_fast64_t changes[CHANGES_N];
	struct conn reader;
	pthread_mutex_t read_lock; /* guards reader */

	struct store *st;
	struct conn writer; /* the writer thread's own */
	int64_t next_seq;
	pthread_t thread;
	bool thread_runs;
	pthread_mutex_t queue_lock;
	pthread_cond_t queue_cond;
	struct record_tx *queue, **queue_end;
	bool closing;
};

/* --- SQLite in our words --- */

static es_err *sql_err(struct conn *c)
{
	int code = sqlite3_extended_errcode(c->sql), errnum = sqlite3_system_errno(c->sql);

	if (code == SQLITE_FULL)
		return es_err_sys(ENOSPC, "write a record");
	if ((code & 0xff) == SQLITE_IOERR && errnum)
		return es_err_sys(errnum, "database");
	return es_err_new((code & 0xff) == SQLITE_IOERR ? ES_E_SYSTEM : ES_E_INTERNAL, "database: %s", sqlite3_errmsg(c->sql));
}

static es_err *sql_run(struct conn *c, const char *text)
{
	return sqlite3_exec(c->sql, text, NULL, NULL, NULL) == SQLITE_OK ? NULL : sql_err(c);
}

/* Get a prepared query with its first text parameters bound (NULL binds NULL). The texts outlive the query's run. */
static es_err *query_start(struct conn *c, enum query q, const char *a, const char *b, const char *d, sqlite3_stmt **ret)
{
	const char *params[] = { a, b, d };

	if (!c->stmt[q] && sqlite3_prepare_v3(c->sql, query_text[q], -1, SQLITE_PREPARE_PERSISTENT, &c->stmt[q], NULL) != SQLITE_OK)
		return sql_err(c);
	for (int i = 0; i < (int)ES_N(params) && i < sqlite3_bind_parameter_count(c->stmt[q]); i++)
		if (sqlite3_bind_text(c->stmt[q], i + 1, params[i], -1, SQLITE_STATIC) != SQLITE_OK)
			return sql_err(c);
	*ret = c->stmt[q];
	return NULL;
}

static es_err *query_end(struct conn *c, sqlite3_stmt *s, int last)
{
	es_err *err = last == SQLITE_DONE || last == SQLITE_ROW ? NULL : sql_err(c);

	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return err;
}

/* A query that gives no rows, or whose rows do not matter. */
static es_err *query_run(struct conn *c, enum query q, const char *a, const char *b)
{
	sqlite3_stmt *s;

	ES_TRY(query_start(c, q, a, b, NULL, &s));
	return query_end(c, s, sqlite3_step(s));
}

static const char *column(struct arena *a, sqlite3_stmt *s, int i)
{
	const char *text = (const char *)sqlite3_column_text(s, i);

	return text ? arena_strndup(a, text, (size_t)sqlite3_column_bytes(s, i)) : NULL;
}

static void row_read(struct arena *a, sqlite3_stmt *s, struct record *ret)
{
	*ret = (struct record){
		.kind = column(a, s, 0),
		.id = column(a, s, 1),
		.name = column(a, s, 2),
		.ref = column(a, s, 3),
		.json = column(a, s, 4),
		.seq = sqlite3_column_int64(s, 5),
		.class = sqlite3_column_int(s, 6) ? RECORD_RUN : RECORD_DURABLE,
	};
}

static void conn_close(struct conn *c)
{
	for (size_t i = 0; i < Q_N; i++)
		sqlite3_finalize(c->stmt[i]);
	sqlite3_close(c->sql);
	*c = (struct conn){ 0 };
}

static es_err *conn_open(struct store *st, struct conn *c)
{
	es_autofree char *main_path = es_xasprintf("%s/estiba.db", st->root);
	es_autofree char *run_path = es_xasprintf("%s/run.db", st->exec_root);
	es_autofree char *attach = NULL;
	char *sql;
	es_err *err;

	if (sqlite3_open_v2(main_path, &c->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return c->sql ? es_err_in(sql_err(c), "%s", main_path) : es_err_new(ES_E_SYSTEM, "open %s", main_path);
	sqlite3_extended_result_codes(c->sql, 1);
	sqlite3_busy_timeout(c->sql, 5000);
	sql = sqlite3_mprintf("ATTACH %Q AS run", run_path);
	err = sql ? sql_run(c, sql) : es_err_new(ES_E_INTERNAL, "out of memory");
	sqlite3_free(sql);
	ES_TRY(es_err_in(err, "%s", run_path));
	ES_TRY(sql_run(c, "PRAGMA main.journal_mode = WAL; PRAGMA run.journal_mode = WAL;"
			  "PRAGMA main.synchronous = FULL; PRAGMA run.synchronous = OFF;"));
	return NULL;
}

/* --- schema --- */

static es_err *schema_version(struct conn *c, const char *schema, int *ret)
{
	char text[64];
	sqlite3_stmt *s;

	snprintf(text, sizeof text, "PRAGMA %s.user_version", schema);
	if (sqlite3_prepare_v2(c->sql, text, -1, &s, NULL) != SQLITE_OK)
		return sql_err(c);
	if (sqlite3_step(s) == SQLITE_ROW)
		*ret = sqlite3_column_int(s, 0);
	else
		*ret = 0;
	sqlite3_finalize(s);
	return NULL;
}

static es_err *schema_step(struct conn *c, const char *schema, int from)
{
	es_autobuf b = ES_BUF(64 << 10);

	es_buf_adds(&b, "BEGIN IMMEDIATE;");
	for (const char *p = migrations[from]; *p; p++)
		if (*p == '@')
			es_buf_adds(&b, schema);
		else
			es_buf_addc(&b, *p);
	es_buf_printf(&b, "PRAGMA %s.user_version = %d; COMMIT;", schema, from + 1);
	ES_TRY(es_buf_check(&b));
	return sql_run(c, es_buf_str(&b));
}

static es_err *schema_migrate(struct conn *c, const char *schema)
{
	int version = 0;

	ES_TRY(schema_version(c, schema, &version));
	if (version > STORE_FORMAT)
		return es_err_new(ES_E_UNSUPPORTED, "database has format %d, newer than %d, the newest that this program knows", version,
				  STORE_FORMAT);
	for (; version < STORE_FORMAT; version++)
		ES_TRY(es_err_in(schema_step(c, schema, version), "migrate database from format %d", version));
	return NULL;
}

static es_err *schema_view(struct conn *c)
{
	return sql_run(c, "CREATE TEMP VIEW both AS SELECT kind, id, name, ref, json, seq, 0 AS class FROM main.record"
			  " UNION ALL SELECT kind, id, name, ref, json, seq, 1 AS class FROM run.record");
}

static es_err *seq_read(struct conn *c, int64_t *ret)
{
	sqlite3_stmt *s;

	if (sqlite3_prepare_v2(c->sql, "SELECT coalesce(max(seq), 0) + 1 FROM both", -1, &s, NULL) != SQLITE_OK)
		return sql_err(c);
	*ret = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 1;
	sqlite3_finalize(s);
	return NULL;
}

/* --- the writer --- */

static es_err *op_put(struct record_db *db, const struct op *op)
{
	struct conn *c = &db->writer;
	const struct record *r = &op->r;
	int64_t seq = 0;
	int old_class = -1, last;
	sqlite3_stmt *s;

	ES_TRY(query_start(c, Q_GET, r->kind, r->id, NULL, &s));
	last = sqlite3_step(s);
	if (last == SQLITE_ROW) {
		seq = sqlite3_column_int64(s, 5);
		old_class = sqlite3_column_int(s, 6);
	}
	ES_TRY(query_end(c, s, last));
	if (old_class >= 0 && op->op == OP_ADD)
		return es_err_new(ES_E_CONFLICT, "%s %s exists already", r->kind, r->id);
	if (r->name) {
		es_err *err = NULL;

		ES_TRY(query_start(c, Q_HOLDER, r->kind, r->name, r->id, &s));
		last = sqlite3_step(s);
		if (last == SQLITE_ROW)
			err = es_err_new(ES_E_CONFLICT, "%s name %s is in use by %s", r->kind, r->name, sqlite3_column_text(s, 0));
		es_err *end = query_end(c, s, last);
		if (err) {
			es_err_drop(end);
			return err;
		}
		ES_TRY(end);
	}
	if (old_class >= 0 && old_class != (int)r->class)
		ES_TRY(query_run(c, old_class ? Q_DELETE_RUN : Q_DELETE_DURABLE, r->kind, r->id));
	if (!seq)
		seq = db->next_seq++;
	ES_TRY(query_start(c, r->class == RECORD_RUN ? Q_PUT_RUN : Q_PUT_DURABLE, NULL, NULL, NULL, &s));
	sqlite3_bind_int64(s, 1, seq);
	const char *texts[] = { r->kind, r->id, r->name, r->ref, r->json };
	for (int i = 0; i < (int)ES_N(texts); i++)
		sqlite3_bind_text(s, i + 2, texts[i], -1, SQLITE_STATIC);
	return query_end(c, s, sqlite3_step(s));
}

static es_err *op_delete(struct record_db *db, const struct op *op)
{
	ES_TRY(query_run(&db->writer, Q_DELETE_DURABLE, op->r.kind, op->r.id));
	return query_run(&db->writer, Q_DELETE_RUN, op->r.kind, op->r.id);
}

static es_err *op_require(struct record_db *db, const struct op *op)
{
	sqlite3_stmt *s;
	int last;

	ES_TRY(query_start(&db->writer, Q_GET, op->r.kind, op->r.id, NULL, &s));
	last = sqlite3_step(s);
	ES_TRY(query_end(&db->writer, s, last));
	return last == SQLITE_ROW ? NULL : es_err_new(ES_E_NOT_FOUND, "no %s %s", op->r.kind, op->r.id);
}

static es_err *op_require_no_ref(struct record_db *db, const struct op *op)
{
	sqlite3_stmt *s;
	int last;
	es_err *err = NULL, *end;

	ES_TRY(query_start(&db->writer, Q_ANY_REF, op->r.kind, op->r.ref, NULL, &s));
	last = sqlite3_step(s);
	if (last == SQLITE_ROW)
		err = es_err_new(ES_E_CONFLICT, "%s is in use by %s %s", op->r.ref, op->r.kind, sqlite3_column_text(s, 0));
	end = query_end(&db->writer, s, last);
	if (!err)
		return end;
	es_err_drop(end);
	return err;
}

static es_err *(*const op_run[])(struct record_db *db, const struct op *op) = {
	[OP_ADD] = op_put,	   [OP_PUT] = op_put,	  [OP_DELETE] = op_delete,
	[OP_REQUIRE] = op_require, [OP_REQUIRE_NO_REF] = op_require_no_ref,
};

static es_err *tx_run(struct record_db *db, const struct record_tx *tx)
{
	es_err *err = query_run(&db->writer, Q_SAVE, NULL, NULL);

	ES_TRY(err);
	for (const struct op *op = tx->first; op && !err; op = op->next)
		err = op_run[op->op](db, op);
	if (err)
		es_err_drop(query_run(&db->writer, Q_SAVE_UNDO, NULL, NULL));
	es_err *end = query_run(&db->writer, Q_SAVE_OK, NULL, NULL);
	if (!err)
		return end;
	es_err_drop(end);
	return err;
}

static atomic_uint_fast64_t *changes_of(struct record_db *db, const char *kind)
{
	unsigned hash = 5381;

	for (; *kind; kind++)
		hash = hash * 33 + (unsigned char)*kind;
	return &db->changes[hash % CHANGES_N];
}

uint64_t record_changes(struct store *st, const char *kind)
{
	return atomic_load(changes_of(st->db, kind));
}

/* Everything in BATCH in one commit. A transaction that fails by itself leaves no trace and does not harm the others; a
 * commit that fails fails them all. */
static void batch_run(struct record_db *db, struct record_tx *batch)
{
	es_err *err = query_run(&db->writer, Q_BEGIN, NULL, NULL);

	if (!err) {
		for (struct record_tx *tx = batch; tx; tx = tx->queued)
			tx->err = tx_run(db, tx);
		crash_point(db->st, CRASH_RECORD_WRITTEN);
		err = query_run(&db->writer, Q_COMMIT, NULL, NULL);
		if (err)
			es_err_drop(query_run(&db->writer, Q_ROLLBACK, NULL, NULL));
		for (struct record_tx *tx = batch; tx; tx = tx->queued)
			for (const struct op *op = tx->first; op; op = op->next)
				atomic_fetch_add(changes_of(db, op->r.kind), 1);
		crash_point(db->st, CRASH_RECORD_COMMITTED);
	}
	for (struct record_tx *tx = batch; err && tx; tx = tx->queued)
		if (!tx->err)
			tx->err = es_err_dup(err);
	es_err_free(err);
}

static void *writer_main(void *arg)
{
	struct record_db *db = arg;

	pthread_mutex_lock(&db->queue_lock);
	for (;;) {
		struct record_tx *batch = db->queue, **end = &batch;

		if (!batch) {
			if (db->closing)
				break;
			pthread_cond_wait(&db->queue_cond, &db->queue_lock);
			continue;
		}
		for (int n = 0; *end && n < BATCH_MAX; n++)
			end = &(*end)->queued;
		db->queue = *end;
		*end = NULL;
		if (!db->queue)
			db->queue_end = &db->queue;
		pthread_mutex_unlock(&db->queue_lock);
		batch_run(db, batch);
		pthread_mutex_lock(&db->queue_lock);
		for (struct record_tx *tx = batch, *next; tx; tx = next) {
			next = tx->queued;
			tx->done = true; /* from the unlock on, TX is its owner's again */
			pthread_cond_signal(&tx->cond);
		}
	}
	pthread_mutex_unlock(&db->queue_lock);
	return NULL;
}

static es_err *writer_start(struct record_db *db)
{
	ES_TRY(thread_start(&db->thread, 0, writer_main, db));
	db->thread_runs = true;
	return NULL;
}

static es_err *commit_once(struct store *st, struct record_tx *tx)
{
	struct record_db *db = st->db;
	es_err *err;

	pthread_mutex_lock(&db->queue_lock);
	tx->done = false;
	tx->queued = NULL;
	*db->queue_end = tx;
	db->queue_end = &tx->queued;
	pthread_cond_signal(&db->queue_cond);
	while (!tx->done)
		pthread_cond_wait(&tx->cond, &db->queue_lock);
	pthread_mutex_unlock(&db->queue_lock);
	err = tx->err;
	tx->err = NULL;
	return err;
}

es_err *record_commit(struct store *st, struct record_tx *tx)
{
	es_err *err;

	if (!tx->first)
		return NULL;
	for (const struct op *op = tx->first; op; op = op->next)
		if (op->r.json && strlen(op->r.json) > RECORD_JSON_MAX)
			return es_err_new(ES_E_LIMIT, "record of %s %s is larger than %u bytes", op->r.kind, op->r.id, RECORD_JSON_MAX);
	err = commit_once(st, tx);
	if (!err || es_err_errno(err) != ENOSPC || store_is_settled(st))
		return err;
	es_err_free(err);
	store_settle(st); /* what was discarded a moment ago makes room */
	return commit_once(st, tx);
}

/* --- open and close --- */

es_err *record_db_open(struct store *st)
{
	struct record_db *db = st->db = ES_NEW(struct record_db);

	pthread_mutex_init(&db->read_lock, NULL);
	pthread_mutex_init(&db->queue_lock, NULL);
	pthread_cond_init(&db->queue_cond, NULL);
	db->st = st;
	db->queue_end = &db->queue;
	ES_TRY(conn_open(st, &db->writer));
	for (size_t i = 0; i < RECORD_CLASS_N; i++)
		ES_TRY(schema_migrate(&db->writer, class_schema[i]));
	ES_TRY(schema_view(&db->writer));
	ES_TRY(seq_read(&db->writer, &db->next_seq));
	ES_TRY(conn_open(st, &db->reader));
	ES_TRY(schema_view(&db->reader));
	return writer_start(db);
}

void record_db_close(struct store *st)
{
	struct record_db *db = st->db;

	if (!db)
		return;
	if (db->thread_runs) {
		pthread_mutex_lock(&db->queue_lock);
		db->closing = true;
		pthread_cond_signal(&db->queue_cond);
		pthread_mutex_unlock(&db->queue_lock);
		pthread_join(db->thread, NULL);
	}
	conn_close(&db->reader);
	conn_close(&db->writer);
	pthread_cond_destroy(&db->queue_cond);
	pthread_mutex_destroy(&db->queue_lock);
	pthread_mutex_destroy(&db->read_lock);
	free(db);
	st->db = NULL;
}

/* --- reading --- */

struct rows {
	struct record *items;
	size_t n, cap;
};

static es_err *rows_read(struct store *st, struct arena *a, enum query q, const char *kind, const char *word, struct rows *ret)
{
	struct record_db *db = st->db;
	sqlite3_stmt *s;
	int last;
	es_err *err;

	pthread_mutex_lock(&db->read_lock);
	err = query_start(&db->reader, q, kind, word, NULL, &s);
	if (!err) {
		while ((last = sqlite3_step(s)) == SQLITE_ROW) {
			if (ret->n == ret->cap) {
				struct record *old = ret->items;

				ret->cap = ret->cap ? 2 * ret->cap : 4;
				ret->items = ARENA_ARRAY(a, struct record, ret->cap);
				if (ret->n)
					memcpy(ret->items, old, ret->n * sizeof *old);
			}
			row_read(a, s, &ret->items[ret->n++]);
		}
		err = query_end(&db->reader, s, last);
	}
	pthread_mutex_unlock(&db->read_lock);
	return err;
}

static es_err *row_get(struct store *st, struct arena *a, enum query q, const char *kind, const char *word, struct record *ret)
{
	struct rows rows = { 0 };

	ES_TRY(rows_read(st, a, q, kind, word, &rows));
	if (!rows.n)
		return es_err_new(ES_E_NOT_FOUND, "no %s %s", kind, word);
	if (rows.n > 1)
		return es_err_new(ES_E_INVALID, "multiple IDs found with provided prefix: %s", word);
	*ret = rows.items[0];
	return NULL;
}

es_err *record_get(struct store *st, struct arena *a, const char *kind, const char *id, struct record *ret)
{
	return row_get(st, a, Q_GET, kind, id, ret);
}

es_err *record_get_name(struct store *st, struct arena *a, const char *kind, const char *name, struct record *ret)
{
	return row_get(st, a, Q_NAME, kind, name, ret);
}

es_err *record_get_prefix(struct store *st, struct arena *a, const char *kind, const char *prefix, struct record *ret)
{
	return str_empty(prefix) ? es_err_new(ES_E_NOT_FOUND, "no %s with an empty id", kind) : row_get(st, a, Q_PREFIX, kind, prefix, ret);
}

es_err *record_find(struct store *st, struct arena *a, const char *kind, const char *word, struct record *ret)
{
	static const enum query order[] = { Q_GET, Q_NAME, Q_PREFIX };

	for (size_t i = 0; i < ES_N(order) && !str_empty(word); i++) {
		es_err *err = row_get(st, a, order[i], kind, word, ret);

		if (!err || es_err_class(err) != ES_E_NOT_FOUND)
			return err;
		es_err_drop(err);
	}
	return es_err_new(ES_E_NOT_FOUND, "no %s %s", kind, word);
}

es_err *record_list(struct store *st, struct arena *a, const char *kind, const char *ref, struct record_list *ret)
{
	struct rows rows = { 0 };

	ES_TRY(rows_read(st, a, ref ? Q_LIST_REF : Q_LIST, kind, ref, &rows));
	*ret = (struct record_list){ rows.items, rows.n };
	return NULL;
}

/* --- building a transaction --- */

struct record_tx *record_tx_new(void)
{
	struct record_tx *tx = ES_NEW(struct record_tx);

	tx->arena = arena_new();
	tx->end = &tx->first;
	pthread_cond_init(&tx->cond, NULL);
	return tx;
}

void record_tx_free(struct record_tx *tx)
{
	if (!tx)
		return;
	pthread_cond_destroy(&tx->cond);
	es_err_free(tx->err);
	arena_free(tx->arena);
	free(tx);
}

static const char *keep(struct arena *a, const char *s)
{
	return s ? arena_strdup(a, s) : NULL;
}

static void tx_append(struct record_tx *tx, enum op_kind kind, const struct record *r)
{
	struct op *op = ARENA_NEW(tx->arena, struct op);

	op->op = kind;
	op->r = *r;
	op->r.kind = keep(tx->arena, r->kind);
	op->r.id = keep(tx->arena, r->id);
	op->r.name = keep(tx->arena, r->name);
	op->r.ref = keep(tx->arena, r->ref);
	op->r.json = keep(tx->arena, r->json);
	*tx->end = op;
	tx->end = &op->next;
}

void record_tx_add(struct record_tx *tx, const struct record *r)
{
	tx_append(tx, OP_ADD, r);
}

void record_tx_put(struct record_tx *tx, const struct record *r)
{
	tx_append(tx, OP_PUT, r);
}

void record_tx_delete(struct record_tx *tx, const char *kind, const char *id)
{
	tx_append(tx, OP_DELETE, &(struct record){ .kind = kind, .id = id });
}

void record_tx_require(struct record_tx *tx, const char *kind, const char *id)
{
	tx_append(tx, OP_REQUIRE, &(struct record){ .kind = kind, .id = id });
}

void record_tx_require_no_ref(struct record_tx *tx, const char *kind, const char *ref)
{
	tx_append(tx, OP_REQUIRE_NO_REF, &(struct record){ .kind = kind, .ref = ref });
}

static es_err *commit_one(struct store *st, enum op_kind kind, const struct record *r)
{
	es_autotx *tx = record_tx_new();

	tx_append(tx, kind, r);
	return record_commit(st, tx);
}

es_err *record_add(struct store *st, const struct record *r)
{
	return commit_one(st, OP_ADD, r);
}

es_err *record_put(struct store *st, const struct record *r)
{
	return commit_one(st, OP_PUT, r);
}

es_err *record_delete(struct store *st, const char *kind, const char *id)
{
	return commit_one(st, OP_DELETE, &(struct record){ .kind = kind, .id = id });
}
