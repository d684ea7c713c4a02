/* SPDX-License-Identifier: Apache-2.0 */
/* cmds.c: the program as a list: every group and every command. */
#include "cli/cmd.h"

#define GROUP(id, name, text, ...)                                                                 \
	static const struct cmd group_##id = {                                                      \
		.paths = name, .summary = text, .section = CMD_MANAGEMENT, __VA_ARGS__ \
	}
GROUP(builder, "builder", "Manage builds");
GROUP(container, "container", "Manage containers");
GROUP(context, "context", "Manage contexts");
GROUP(image, "image", "Manage images");
GROUP(network, "network", "Manage networks");
GROUP(system, "system", "Manage the daemon and what it keeps");
GROUP(volume, "volume", "Manage volumes", .usage = "COMMAND");

#define COMMANDS(X)                                                                                                         \
	/* the common ones, in the order of the top-level help */                                                           \
	X(run) X(exec) X(ps) X(build) X(pull) X(push) X(images) X(login) X(logout) X(search) X(version) X(info)             \
	X(attach) X(commit) X(completion) X(cp) X(create) X(diff) X(events) X(export) X(history) X(import)                                      \
	X(inspect_any) X(inspect_container) X(inspect_image) X(inspect_network) X(inspect_volume)                           \
	X(kill) X(load) X(logs) X(pause) X(port) X(rename) X(restart) X(rm) X(rmi) X(save) X(start) X(stats) X(stop) X(tag) X(top)   \
	X(unpause) X(update) X(wait)                                                                                        \
	X(network_create) X(network_ls) X(network_rm) X(network_connect) X(network_disconnect)                              \
	X(volume_create) X(volume_ls) X(volume_rm)                                                                          \
	X(prune_containers) X(prune_images) X(prune_networks) X(prune_volumes) X(prune_builds) X(prune_system) X(df) X(check) X(image_files) X(image_cat) X(image_diff) X(image_mount) X(image_unmount) X(dial)                  \
	X(context_ls) X(context_show) X(context_use) X(context_inspect) X(context_create) X(context_update) X(context_rm) X(context_export) X(context_import)

#define DECLARE(id) extern const struct cmd cmd_##id;
COMMANDS(DECLARE)

#define LIST(id) &cmd_##id,
const struct cmd *const cmds[] = {
	COMMANDS(LIST) &group_builder, &group_container, &group_context, &group_image, &group_network, &group_system, &group_volume, NULL,
};
