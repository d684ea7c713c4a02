/* SPDX-License-Identifier: Apache-2.0 */
/* estiba-layer.c: the sandboxed helper that reads and writes layers. */
#include "layer/layer.h"

int main(int argc, char **argv)
{
	return layer_main(argc, argv);
}
