/* SPDX-License-Identifier: Apache-2.0 */
/* test_ocicheck.c: a field that is known but wrong is refused with its JSON path, and what is right passes. */
#include "spec/ocicheck.h"

#include "check.h"

#define P(members) "\"process\":{\"cwd\":\"/\",\"args\":[\"x\"]," members "}"
#define L(members) "\"linux\":{" members "}"
#define R(members) "\"linux\":{\"resources\":{" members "}}"
#define S(members) "\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"," members "}}"
#define CALL(members) S("\"syscalls\":[{\"names\":[\"close\"]," members "}]")
#define HOOK(members) "\"hooks\":{\"poststop\":[{\"path\":\"/a\"},{" members "}]}"

static const struct {
	const char *members, *want; /* NULL: it is right */
} rows[] = {
	{ "\"ociVersion\":\"2.0.0\"", "ociVersion: \"2.0.0\" is not a version 1" },
	{ "\"ociVersion\":\"1.0\"", "ociVersion: \"1.0\"" },
	{ "\"ociVersion\":\"1.0.2-dev\"", NULL },
	{ "\"ociVersion\":1", "ociVersion: expected a string, got a number" },
	{ "\"root\":{\"path\":\"\"}", "root.path: is empty" },
	{ "\"root\":{}", "root.path" },
	{ "\"root\":[]", "root: expected an object, got a list" },
	{ "\"annotations\":{\"a\":1}", "annotations.a: expected a string" },
	{ "\"annotations\":{\"\":\"x\"}", "annotations: a key is empty" },
	{ "\"hostname\":\"0123456789012345678901234567890123456789012345678901234567890123x\"", "hostname: is longer than 64" },

	{ "\"process\":{\"cwd\":\"/\"}", "process.args: must not be empty" },
	{ "\"process\":{\"cwd\":\"x\",\"args\":[\"x\"]}", "process.cwd: \"x\" is not an absolute path" },
	{ "\"process\":{\"args\":[\"x\"]}", "process.cwd" },
	{ P("\"terminal\":\"yes\""), "process.terminal: expected a boolean, got a string" },
	{ P("\"consoleSize\":{\"height\":-1}"), "process.consoleSize.height: -1 is out of range" },
	{ P("\"env\":[\"A=b\",3]"), "process.env[1]: expected a string" },
	{ P("\"user\":{\"uid\":4294967296}"), "process.user.uid: 4294967296 is out of range" },
	{ P("\"user\":{\"uid\":\"root\"}"), "process.user.uid: expected a number" },
	{ P("\"user\":{\"umask\":512}"), "process.user.umask: 512 is out of range" },
	{ P("\"user\":{\"additionalGids\":[1,-1]}"), "process.user.additionalGids[1]: not a group id" },
	{ P("\"user\":{\"additionalGids\":5}"), "process.user.additionalGids: expected a list" },
	{ P("\"capabilities\":{\"ambient\":\"CAP_KILL\"}"), "process.capabilities.ambient: expected a list" },
	{ P("\"capabilities\":{\"bounding\":[\"CAP_NOSUCH\"]}"), NULL }, /* the specification wants a warning */
	{ P("\"rlimits\":[{\"type\":\"RLIMIT_X\",\"soft\":1,\"hard\":1}]"), "process.rlimits[0].type: \"RLIMIT_X\"" },
	{ P("\"rlimits\":[{\"type\":\"RLIMIT_AS\"},{\"type\":\"RLIMIT_AS\"}]"), "process.rlimits[1].type: second" },
	{ P("\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":2,\"hard\":1}]"), "process.rlimits[0].soft: higher than hard" },
	{ P("\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":18446744073709551615}]"), NULL },
	{ P("\"oomScoreAdj\":1001"), "process.oomScoreAdj: 1001 is out of range" },
	{ P("\"scheduler\":{\"policy\":\"SCHED_NONE\"}"), "process.scheduler.policy: \"SCHED_NONE\"" },
	{ P("\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"nice\":20}"), "process.scheduler.nice: 20" },
	{ P("\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"priority\":1}"), "process.scheduler.priority: only" },
	{ P("\"scheduler\":{\"policy\":\"SCHED_FIFO\",\"priority\":1}"), NULL },
	{ P("\"scheduler\":{\"policy\":\"SCHED_FIFO\",\"period\":1}"), "process.scheduler.period: only" },
	{ P("\"scheduler\":{\"policy\":\"SCHED_FIFO\",\"flags\":[\"X\"]}"), "process.scheduler.flags[0]: \"X\"" },
	{ P("\"ioPriority\":{\"class\":\"IOPRIO_CLASS_X\"}"), "process.ioPriority.class: \"IOPRIO_CLASS_X\"" },
	{ P("\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8}"), "process.ioPriority.priority: 8" },
	{ P("\"execCPUAffinity\":{\"initial\":\"0-\"}"), "process.execCPUAffinity.initial: \"0-\"" },
	{ P("\"execCPUAffinity\":{\"final\":\"3-1\"}"), "process.execCPUAffinity.final: \"3-1\"" },
	{ P("\"execCPUAffinity\":{\"initial\":\"\",\"final\":\"0-3,7\"}"), NULL },

	{ "\"mounts\":[{\"destination\":\"/a\",\"type\":\"tmpfs\"},{\"destination\":\"\"}]", "mounts[1].destination: is empty" },
	{ "\"mounts\":[{\"destination\":\"/a\",\"options\":[\"rbind\"]}]", "mounts[0].source: a bind mount needs one" },
	{ "\"mounts\":[{\"destination\":\"/a\"}]", "mounts[0].type: a mount that is no bind mount needs one" },
	{ "\"mounts\":[{\"destination\":\"/a\",\"options\":[\"remount\",\"ro\"]}]", NULL },
	{ "\"mounts\":[{\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":\"ro\"}]", "mounts[0].options: expected a list" },
	{ "\"mounts\":[{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/\",\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}]}]",
	  "mounts[0].gidMappings: uidMappings and gidMappings must both be given" },

	{ HOOK("\"path\":\"bin/x\""), "hooks.poststop[1].path: \"bin/x\" is not an absolute path" },
	{ HOOK("\"args\":[\"x\"]"), "hooks.poststop[1].path" },
	{ HOOK("\"path\":\"/x\",\"timeout\":0"), "hooks.poststop[1].timeout: must be greater than 0" },
	{ HOOK("\"path\":\"/x\",\"timeout\":\"1s\""), "hooks.poststop[1].timeout: expected a number" },
	{ HOOK("\"path\":\"/x\",\"timeout\":1"), NULL },

	{ L("\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]"), "linux.namespaces[1].type: second \"pid\"" },
	{ L("\"namespaces\":[{\"type\":\"net\"}]"), "linux.namespaces[0].type: \"net\"" },
	{ L("\"namespaces\":[{\"type\":\"\"}]"), "linux.namespaces[0].type: is empty" },
	{ L("\"namespaces\":[{\"type\":\"network\",\"path\":\"ns\"}]"), "linux.namespaces[0].path: \"ns\" is not an absolute path" },
	{ L("\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":0}]"), "linux.uidMappings[0].size: 0" },
	{ L("\"gidMappings\":[{\"containerID\":0,\"hostID\":4294967295,\"size\":2}]"), "linux.gidMappings[0]: the range" },
	{ L("\"devices\":[{\"type\":\"x\",\"path\":\"/dev/a\"}]"), "linux.devices[0].type: \"x\"" },
	{ L("\"devices\":[{\"type\":\"c\",\"path\":\"dev/a\"}]"), "linux.devices[0].path: \"dev/a\" is not an absolute path" },
	{ L("\"devices\":[{\"type\":\"c\",\"path\":\"/dev/a\",\"major\":-1}]"), "linux.devices[0].major: -1" },
	{ L("\"netDevices\":{\"a/b\":{}}"), "linux.netDevices: \"a/b\" is not a network device's name" },
	{ L("\"netDevices\":{\"eth0\":{\"name\":\"0123456789abcdef\"}}"), "linux.netDevices.eth0.name: \"0123456789abcdef\"" },
	{ L("\"netDevices\":{\"eth0\":null}"), "linux.netDevices.eth0: null is not a value" },
	{ L("\"netDevices\":{\"eth0\":{\"name\":\"net%d\"}}"), NULL },
	{ L("\"sysctl\":{\"net.../x\":\"1\"}"), "linux.sysctl: \"net.../x\" is not a name" },
	{ L("\"sysctl\":{\"../x\":\"1\"}"), "linux.sysctl: \"../x\" is not a name" },
	{ L("\"sysctl\":{\"net.x\":1}"), "linux.sysctl.net.x: expected a string" },
	{ L("\"timeOffsets\":{\"realtime\":{\"secs\":1}}"), "linux.timeOffsets: \"realtime\" is not a clock" },
	{ L("\"timeOffsets\":{\"boottime\":{\"nanosecs\":1000000000}}"), "linux.timeOffsets.boottime.nanosecs: 1000000000" },
	{ L("\"maskedPaths\":[\"/a\",\"b\"]"), "linux.maskedPaths[1]: \"b\" is not an absolute path" },
	{ L("\"readonlyPaths\":[\"../b\"]"), "linux.readonlyPaths[0]: \"../b\" is not an absolute path" },
	{ L("\"rootfsPropagation\":\"sideways\""), "linux.rootfsPropagation: \"sideways\"" },
	{ L("\"personality\":{\"domain\":\"BSD\"}"), "linux.personality.domain: \"BSD\"" },
	{ L("\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"ADDR_NO_RANDOMIZE\"]}"), "linux.personality.flags[0]" },
	{ L("\"intelRdt\":{\"closID\":\"../x\"}"), "linux.intelRdt.closID: \"../x\"" },
	{ L("\"intelRdt\":{\"closID\":\"/\"}"), NULL },
	{ L("\"intelRdt\":{\"memBwSchema\":\"L3:0=f\"}"), "linux.intelRdt.memBwSchema" },
	{ L("\"intelRdt\":{\"schemata\":[\"L3:0=f\",\"MB:0=1\\nL2:0=1\"]}"), "linux.intelRdt.schemata[1]: has more than one line" },
	{ L("\"memoryPolicy\":{\"mode\":\"MPOL_X\"}"), "linux.memoryPolicy.mode: \"MPOL_X\"" },
	{ L("\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"x\"}"), "linux.memoryPolicy.nodes: \"x\"" },
	{ L("\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"flags\":[\"MPOL_F_X\"]}"), "linux.memoryPolicy.flags[0]: \"MPOL_F_X\"" },

	{ R("\"devices\":[{\"allow\":true,\"type\":\"d\"}]"), "linux.resources.devices[0].type: \"d\"" },
	{ R("\"devices\":[{\"allow\":1}]"), "linux.resources.devices[0].allow: expected a boolean" },
	{ R("\"devices\":[{\"allow\":true,\"access\":\"rwx\"}]"), "linux.resources.devices[0].access: \"rwx\"" },
	{ R("\"memory\":{\"limit\":\"1g\"}"), "linux.resources.memory.limit: expected a number" },
	{ R("\"memory\":{\"limit\":1.5}"), "linux.resources.memory.limit: expected an integer" },
	{ R("\"memory\":{\"swap\":-2}"), "linux.resources.memory.swap: -2" },
	{ R("\"memory\":{\"swappiness\":201}"), "linux.resources.memory.swappiness: 201" },
	{ R("\"memory\":{\"disableOOMKiller\":1}"), "linux.resources.memory.disableOOMKiller: expected a boolean" },
	{ R("\"cpu\":{\"idle\":2}"), "linux.resources.cpu.idle: 2" },
	{ R("\"cpu\":{\"shares\":-1}"), "linux.resources.cpu.shares: -1" },
	{ R("\"cpu\":{\"cpus\":\"all\"}"), "linux.resources.cpu.cpus: \"all\"" },
	{ R("\"pids\":{\"limit\":-2}"), "linux.resources.pids.limit: -2" },
	{ R("\"blockIO\":{\"weight\":9}"), "linux.resources.blockIO.weight: 9 is not between 10 and 1000" },
	{ R("\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0}]}"), "linux.resources.blockIO.weightDevice[0]: neither" },
	{ R("\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"rate\":-1}]}"), "linux.resources.blockIO.throttleReadBpsDevice[0].rate: -1" },
	{ R("\"hugepageLimits\":[{\"pageSize\":\"../x\",\"limit\":1}]"), "linux.resources.hugepageLimits[0].pageSize: \"../x\"" },
	{ R("\"hugepageLimits\":[{\"pageSize\":\"2MB\"},{\"pageSize\":\"2MB\"}]"), "linux.resources.hugepageLimits[1].pageSize: second" },
	{ R("\"network\":{\"classID\":4294967296}"), "linux.resources.network.classID: 4294967296" },
	{ R("\"network\":{\"priorities\":[{\"name\":\"a b\",\"priority\":1}]}"), "linux.resources.network.priorities[0].name: \"a b\"" },
	{ R("\"rdma\":{\"mlx\":{\"hcaHandles\":-1}}"), "linux.resources.rdma.mlx.hcaHandles: -1" },
	{ R("\"unified\":{\"../memory.max\":\"1\"}"), "linux.resources.unified: \"../memory.max\" is not a file name" },
	{ R("\"unified\":{\"memory.max\":1}"), "linux.resources.unified.memory.max: expected a string" },

	{ L("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_MAYBE\"}"), "linux.seccomp.defaultAction: string SCMP_ACT_MAYBE is not a valid action for seccomp" },
	{ L("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}"), "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be used as default action" },
	{ L("\"seccomp\":{}"), "linux.seccomp.defaultAction" },
	{ S("\"defaultErrnoRet\":1"), "linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW takes no errno" },
	{ S("\"architectures\":[\"SCMP_ARCH_VAX\"]"), "linux.seccomp.architectures[0]: string SCMP_ARCH_VAX is not a valid arch for seccomp" },
	{ S("\"architectures\":[\"SCMP_ARCH_LOONGARCH64\",\"SCMP_ARCH_SHEB\"]"), NULL },
	{ S("\"flags\":[\"SECCOMP_FILTER_FLAG_X\"]"), "linux.seccomp.flags[0]: \"SECCOMP_FILTER_FLAG_X\"" },
	{ S("\"listenerMetadata\":\"x\""), "linux.seccomp.listenerMetadata" },
	{ S("\"syscalls\":[{\"names\":[],\"action\":\"SCMP_ACT_KILL\"}]"), "linux.seccomp.syscalls[0].names: must not be empty" },
	{ CALL("\"action\":\"SCMP_ACT_X\""), "linux.seccomp.syscalls[0].action: string SCMP_ACT_X is not a valid action" },
	{ CALL("\"action\":\"SCMP_ACT_KILL\",\"errnoRet\":1"), "linux.seccomp.syscalls[0].errnoRet: SCMP_ACT_KILL takes no errno" },
	{ CALL("\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":65536"), "linux.seccomp.syscalls[0].errnoRet: 65536" },
	{ CALL("\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":5"), NULL },
	{ CALL("\"action\":\"SCMP_ACT_KILL\",\"args\":[{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]"), "linux.seccomp.syscalls[0].args[0].index: 6" },
	{ CALL("\"action\":\"SCMP_ACT_KILL\",\"args\":[{\"index\":0,\"value\":1,\"op\":\"EQ\"}]"),
	  "linux.seccomp.syscalls[0].args[0].op: string EQ is not a valid operator for seccomp" },
	{ CALL("\"action\":\"SCMP_ACT_NOTIFY\""), "linux.seccomp.listenerPath: SCMP_ACT_NOTIFY needs one" },
	{ S("\"listenerPath\":\"/a\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_NOTIFY\"}]"), NULL },
	{ S("\"syscalls\":[{\"names\":[\"write\"],\"action\":\"SCMP_ACT_NOTIFY\"}]"), "linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY cannot be used for the write" },
};

static void config(void)
{
	for (size_t i = 0; i < ES_N(rows); i++) {
		es_autoarena *a = arena_new();
		es_autobuf text = ES_BUF(1u << 16);
		struct oci_spec s = { 0 };

		es_buf_printf(&text, "{%s%s}", strstr(rows[i].members, "ociVersion") ? "" : "\"ociVersion\":\"1.2.0\",", rows[i].members);
		if (rows[i].want)
			CHECK_ERR(oci_runtime_parse(a, text.p, text.len, &s), rows[i].want);
		else
			CHECK_OK(oci_runtime_parse(a, text.p, text.len, &s));
	}
}

static void parts(void)
{
	es_autoarena *a = arena_new();
	struct oci_process p = { 0 };
	struct oci_resources r = { 0 };
	const char text[] = "{\"cwd\":\"/\",\"args\":[\"x\"],\"user\":{\"umask\":-1}}", res[] = "{\"cpu\":{\"mems\":\"a\"}}";

	CHECK_ERR(oci_runtime_parse_process(a, text, sizeof text - 1, &p), "user.umask: -1 is out of range");
	CHECK_OK(field_decode_text(a, oci_resources_fields, res, sizeof res - 1, &r));
	CHECK_ERR(ocicheck_resources(&r), "cpu.mems: \"a\"");
}

static void add(void *arg, unsigned first, unsigned last)
{
	*(unsigned *)arg = *(unsigned *)arg * 100 + first * 10 + last;
}

static void ranges(void)
{
	static const struct {
		const char *text;
		bool ok;
		unsigned sum;
	} list[] = { { "0-3,7", true, 377 }, { "5", true, 55 }, { "0-3\n", true, 3 }, { "", false, 0 }, { "1,", false, 11 },
		     { ",1", false, 0 },     { "1-", false, 0 }, { "a", false, 0 },   { "4294967296", false, 0 } };

	for (size_t i = 0; i < ES_N(list); i++) {
		unsigned sum = 0;

		CHECK(ocicheck_ranges(list[i].text, add, &sum) == list[i].ok);
		CHECK_INT(sum, list[i].sum);
	}
}

CHECK_MAIN(TEST(config), TEST(parts), TEST(ranges))
