/* SPDX-License-Identifier: Apache-2.0 */
/* test_rtcgroup.c: the scales of v1 in those of v2. */
#include "runtime/rtcgroup.h"

#include "check.h"

static void weights(void)
{
	static const struct {
		uint64_t in, cpu;
	} shares[] = { { 0, 0 }, { 1, 1 }, { 2, 1 }, { 512, 20 }, { 1024, 39 }, { 262144, 10000 }, { 1u << 30, 10000 } };
	static const struct {
		uint64_t in, io;
	} blkio[] = { { 0, 0 }, { 10, 1 }, { 500, 4950 }, { 1000, 10000 } };

	for (size_t i = 0; i < ES_N(shares); i++)
		CHECK_INT(rtcgroup_cpu_weight(shares[i].in), shares[i].cpu);
	for (size_t i = 0; i < ES_N(blkio); i++)
		CHECK_INT(rtcgroup_io_weight(blkio[i].in), blkio[i].io);
}

CHECK_MAIN(TEST(weights))
