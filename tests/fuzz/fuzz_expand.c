/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_expand.c: any bytes as a compressed stream, up to a few MiB of what comes out. */
#include <sys/mman.h>

#include "base/file.h"
#include "pack/digest.h"
#include "pack/expand.h"

#include "fuzz.h"

#define OUTPUT_MAX ((size_t)4 << 20)

static es_err *expand_all(int fd)
{
	es_autoexpand *x = NULL;
	char chunk[10000], digest[DIGEST_TEXT_MAX];
	size_t n = 1;

	ES_TRY(expand_open(fd, &x));
	for (size_t total = 0; n > 0 && total < OUTPUT_MAX; total += n)
		ES_TRY(expand_read(x, chunk, sizeof chunk, &n));
	(void)expand_input_digest(x, digest);
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	es_autoclose int fd = memfd_create("fuzz", MFD_CLOEXEC);
	es_err *err = fd < 0 ? es_err_sys(errno, "memfd") : file_write_all(fd, bytes, n);

	if (!err && lseek(fd, 0, SEEK_SET) == 0)
		err = expand_all(fd);
	es_err_drop(err);
	return 0;
}
