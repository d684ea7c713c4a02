/* SPDX-License-Identifier: Apache-2.0 */
/* fetchloop.h: estiba-fetch: messages on descriptor 3 until its other end is closed. */
#pragma once

int fetchloop_main(int argc, char **argv);
