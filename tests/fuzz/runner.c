/* SPDX-License-Identifier: Apache-2.0 */
/* runner.c: feeds every file of a seed directory to a fuzz target, whole, cut short at every place, and with bytes flipped. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "fuzz.h"

#define SEED_MAX ((size_t)16 << 20)
#define VARIANTS 400 /* per seed and kind; larger seeds are sampled */

/* The target gets a copy of exactly N bytes, so that a sanitizer sees a read behind the end. */
static void feed(const char *bytes, size_t n)
{
	es_autofree uint8_t *copy = es_xmalloc(n);

	if (n)
		memcpy(copy, bytes, n);
	(void)LLVMFuzzerTestOneInput(copy, n);
}

static void feed_variants(char *bytes, size_t n)
{
	size_t step = n / VARIANTS + 1;

	feed(bytes, n);
	for (size_t i = 0; i < n; i += step)
		feed(bytes, i);
	for (size_t i = 0; i < n; i += step)
		for (unsigned bit = 1; bit < 256; bit <<= 3) {
			bytes[i] ^= (char)bit;
			feed(bytes, n);
			bytes[i] ^= (char)bit;
		}
}

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *e;
	size_t seeds = 0;

	if (!dir) {
		(void)fprintf(stderr, "usage: %s SEED_DIRECTORY\n", argv[0]);
		return 2;
	}
	while ((e = readdir(dir))) {
		es_autofree char *bytes = NULL;
		size_t n;
		es_err *err;

		if (e->d_name[0] == '.')
			continue;
		err = file_read(dirfd(dir), e->d_name, SEED_MAX, &bytes, &n);
		if (err) {
			(void)fprintf(stderr, "%s: %s\n", e->d_name, es_err_text(err));
			return 1;
		}
		feed_variants(bytes, n);
		seeds++;
	}
	(void)closedir(dir);
	(void)printf("%zu seeds\n", seeds);
	return seeds ? 0 : 1;
}
