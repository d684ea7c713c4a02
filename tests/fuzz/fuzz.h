/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.h: the one function of a fuzz target. */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
