/* SPDX-License-Identifier: Apache-2.0 */
/* estiba-layer.c: the sandboxed helper that reads and writes layers. */
#include "layer/layer.h"

#if defined(__SANITIZE_ADDRESS__)
/* The leak check at exit reads /proc, which the sandbox does not have. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

int main(int argc, char **argv)
{
	return layer_main(argc, argv);
}
