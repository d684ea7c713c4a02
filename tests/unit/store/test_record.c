/* SPDX-License-Identifier: Apache-2.0 */
/* test_record.c: records, their conditions, both classes, many writers, and opening what a crash or a newer program left. */
#include "store/record.h"

#include <pthread.h>
#include <sqlite3.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/str.h"
#include "check.h"
#include "tmproot.h"

static struct record rec(const char *kind, const char *id, const char *name, const char *json)
{
	return (struct record){ .kind = kind, .id = id, .name = name, .json = json };
}

static void put_get_find_list_delete(void)
{
	struct tmproot t;
	es_autoarena *a = arena_new();
	struct store *st;
	struct record r = rec("c", "abc123", "web", "{\"a\":1}"), got;
	struct record_list list;

	tmproot_init(&t);
	CHECK_OK(tmproot_open(&t, &st));
	CHECK(store_is_new_boot(st));
	CHECK_OK(record_add(st, &r));
	CHECK_ERR(record_add(st, &r), "exists already");
	r = rec("c", "abd999", "web", "{}");
	CHECK_ERR(record_add(st, &r), "c name web is in use by abc123");
	r.name = "db";
	r.ref = "img1";
	r.class = RECORD_RUN;
	CHECK_OK(record_add(st, &r));

	static const struct {
		const char *word, *id, *err;
	} rows[] = {
		{ "abc123", "abc123", NULL }, { "web", "abc123", NULL }, { "abc", "abc123", NULL },
		{ "abd", "abd999", NULL },    { "db", "abd999", NULL },	 { "ab", NULL, "multiple IDs found with provided prefix: ab" },
		{ "x", NULL, "no c x" },      { "", NULL, "no c " },
	};
	for (size_t i = 0; i < ES_N(rows); i++)
		if (rows[i].err) {
			CHECK_ERR(record_find(st, a, "c", rows[i].word, &got), rows[i].err);
		} else {
			CHECK_OK(record_find(st, a, "c", rows[i].word, &got));
			CHECK_STR(got.id, rows[i].id);
		}
	CHECK_OK(record_get(st, a, "c", "abd999", &got));
	CHECK_INT(got.class, RECORD_RUN);
	CHECK_OK(record_list(st, a, "c", NULL, &list));
	CHECK_INT(list.n, 2);
	CHECK_STR(list.items[0].id, "abc123");
	CHECK_OK(record_list(st, a, "c", "img1", &list));
	CHECK_INT(list.n, 1);

	/* A change of class keeps the place in the order and leaves one record. */
	r = rec("c", "abc123", "web2", "{\"a\":2}");
	r.class = RECORD_RUN;
	CHECK_OK(record_put(st, &r));
	CHECK_OK(record_list(st, a, "c", NULL, &list));
	CHECK_INT(list.n, 2);
	CHECK_STR(list.items[0].name, "web2");
	CHECK_STR(list.items[0].json, "{\"a\":2}");
	CHECK_OK(record_delete(st, "c", "abc123"));
	CHECK_OK(record_delete(st, "c", "abc123"));
	CHECK_ERR(record_get(st, a, "c", "abc123", &got), "no c abc123");
	store_close(st);
	tmproot_done(&t);
}

static void a_transaction_is_all_or_nothing(void)
{
	struct tmproot t;
	es_autoarena *a = arena_new();
	struct store *st;
	struct record got, image = rec("image", "i1", NULL, "{}"), tag = rec("tag", "x:1", NULL, "{}");

	tmproot_init(&t);
	CHECK_OK(tmproot_open(&t, &st));
	tag.ref = "i1";
	{
		es_autotx *tx = record_tx_new();

		record_tx_add(tx, &tag);
		record_tx_require(tx, "image", "i1");
		CHECK_ERR(record_commit(st, tx), "no image i1");
		CHECK_ERR(record_get(st, a, "tag", "x:1", &got), "no tag");
	}
	{
		es_autotx *tx = record_tx_new();

		record_tx_add(tx, &image);
		record_tx_require(tx, "image", "i1");
		record_tx_add(tx, &tag);
		CHECK_OK(record_commit(st, tx));
	}
	{
		es_autotx *tx = record_tx_new();

		record_tx_delete(tx, "image", "i1");
		record_tx_require_no_ref(tx, "tag", "i1");
		CHECK_ERR(record_commit(st, tx), "i1 is in use by tag x:1");
		CHECK_OK(record_get(st, a, "image", "i1", &got));
	}
	store_close(st);
	tmproot_done(&t);
}

struct job {
	struct store *st;
	int n;
};

static void *add_many(void *arg)
{
	struct job *job = arg;

	for (int i = 0; i < 50; i++) {
		char id[32];
		struct record r;

		snprintf(id, sizeof id, "%d-%d", job->n, i);
		r = rec("k", id, NULL, "{}");
		es_err *err = record_add(job->st, &r);
		if (err)
			return err;
	}
	return NULL;
}

static void many_writers_share_commits(void)
{
	enum { WRITERS = 16 };
	struct tmproot t;
	es_autoarena *a = arena_new();
	struct store *st;
	pthread_t th[WRITERS];
	struct job jobs[WRITERS];
	struct record_list list;

	tmproot_init(&t);
	CHECK_OK(tmproot_open(&t, &st));
	for (int i = 0; i < WRITERS; i++) {
		jobs[i] = (struct job){ st, i };
		CHECK(pthread_create(&th[i], NULL, add_many, &jobs[i]) == 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		void *err;

		pthread_join(th[i], &err);
		CHECK_OK(err);
	}
	CHECK_OK(record_list(st, a, "k", NULL, &list));
	CHECK_INT(list.n, WRITERS * 50);
	for (size_t i = 1; i < list.n; i++)
		CHECK(list.items[i - 1].seq < list.items[i].seq);
	store_close(st);
	tmproot_done(&t);
}

/* A child writes one record of each class and dies without closing; both are there afterwards. With another boot id only the
 * durable one is. */
static void killed_and_rebooted(void)
{
	struct tmproot t;
	es_autoarena *a = arena_new();
	struct store *st;
	struct record got;
	es_autofree char *boot = NULL;
	int status;
	pid_t pid;

	tmproot_init(&t);
	pid = fork();
	if (!pid) {
		struct record d = rec("k", "d", NULL, "{}"), r = rec("k", "r", NULL, "{}");

		r.class = RECORD_RUN;
		if (tmproot_open(&t, &st) || record_add(st, &d) || record_add(st, &r))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	CHECK_OK(tmproot_open(&t, &st));
	CHECK(!store_is_new_boot(st));
	CHECK_OK(record_get(st, a, "k", "d", &got));
	CHECK_OK(record_get(st, a, "k", "r", &got));
	store_close(st);

	boot = es_xasprintf("%s/boot_id", t.exec);
	CHECK_OK(file_replace(AT_FDCWD, boot, "another\n", 8, 0644, false));
	CHECK_OK(tmproot_open(&t, &st));
	CHECK(store_is_new_boot(st));
	CHECK_OK(record_get(st, a, "k", "d", &got));
	CHECK_ERR(record_get(st, a, "k", "r", &got), "no k r");
	store_close(st);
	tmproot_done(&t);
}

static void second_open_is_refused(void)
{
	struct tmproot t;
	struct store *st, *other;

	tmproot_init(&t);
	CHECK_OK(tmproot_open(&t, &st));
	CHECK_ERR(tmproot_open(&t, &other), "is in use by another daemon");
	store_close(st);
	CHECK_OK(tmproot_open(&t, &st));
	store_close(st);
	tmproot_done(&t);
}

static void newer_formats_are_refused_by_number(void)
{
	struct tmproot t;
	struct store *st;
	sqlite3 *sql;

	tmproot_init(&t);
	CHECK_OK(tmproot_open(&t, &st));
	store_close(st);
	es_autofree char *version = es_xasprintf("%s/version", t.data), *db = es_xasprintf("%s/estiba.db", t.data);
	CHECK_OK(file_replace(AT_FDCWD, version, "7\n", 2, 0644, false));
	CHECK_ERR(tmproot_open(&t, &st), "has format 7, newer than 2");
	CHECK_OK(file_replace(AT_FDCWD, version, "1\n", 2, 0644, false));
	CHECK(sqlite3_open(db, &sql) == SQLITE_OK);
	CHECK(sqlite3_exec(sql, "PRAGMA user_version = 9", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(sql);
	CHECK_ERR(tmproot_open(&t, &st), "database has format 9");
	tmproot_done(&t);
}

static void leftovers_are_swept(void)
{
	struct tmproot t;
	struct store *st;

	tmproot_init(&t);
	CHECK_OK(tmproot_open(&t, &st));
	store_close(st);
	es_autofree char *half = es_xasprintf("%s/partial/half/fs/x", t.data), *trash = es_xasprintf("%s/tmp/old/y", t.data);
	CHECK_OK(file_mkdir_p(AT_FDCWD, half, 0755));
	CHECK_OK(file_mkdir_p(AT_FDCWD, trash, 0755));
	CHECK_OK(tmproot_open(&t, &st));
	store_settle(st);
	CHECK(tmproot_has(&t, "partial") && !tmproot_has(&t, "partial/half"));
	CHECK(tmproot_has(&t, "tmp") && !tmproot_has(&t, "tmp/old"));
	store_close(st);
	tmproot_done(&t);
}

CHECK_MAIN(TEST(put_get_find_list_delete), TEST(a_transaction_is_all_or_nothing), TEST(many_writers_share_commits),
	   TEST(killed_and_rebooted), TEST(second_open_is_refused), TEST(newer_formats_are_refused_by_number), TEST(leftovers_are_swept))
