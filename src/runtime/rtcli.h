/* SPDX-License-Identifier: Apache-2.0 */
/* rtcli.h: runc's command line. */
#pragma once

/* Returns the exit status of the program. */
int rtcli_main(int argc, char **argv);
