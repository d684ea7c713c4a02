/* SPDX-License-Identifier: Apache-2.0 */
/* estiba-fetch.c: the sandboxed helper that speaks to registries. */
#include "registry/fetchloop.h"

int main(int argc, char **argv)
{
	return fetchloop_main(argc, argv);
}
