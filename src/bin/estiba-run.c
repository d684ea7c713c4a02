/* SPDX-License-Identifier: Apache-2.0 */
/* estiba-run.c: the OCI runtime. */
#include "runtime/rtcli.h"

int main(int argc, char **argv)
{
	return rtcli_main(argc, argv);
}
