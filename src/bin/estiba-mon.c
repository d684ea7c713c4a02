/* SPDX-License-Identifier: Apache-2.0 */
/* estiba-mon.c: the per-container monitor; estibad starts it with the container's id, which only ps(1) reads. */
#include <stdio.h>

#include "base/str.h"
#include "monitor/monitor.h"

int main(int argc, char **argv)
{
	es_autoerr es_err *err = NULL;

	if (argc != 2 || argv[1][0] == '-') {
		bool version = argc == 2 && str_eq(argv[1], "--version");

		if (version)
			printf("estiba-mon version %s\n", ESTIBA_VERSION);
		else
			fprintf(stderr, "usage: estiba-mon ID (started by estibad; see doc/format/monitor.md)\n");
		return version ? 0 : 2;
	}
	err = monitor_main();
	return err ? 1 : 0;
}
