/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_gotmpl.c: any template over a small document, raw and typed. */
#include "codec/gotmpl.h"

#include "fuzz.h"

static const char doc[] = "{\"A\":[1,2.5,\"x\",null,{\"B\":true}],\"B\":{\"c\":\"d\"},\"S\":\"text\",\"N\":null,\"F\":1e300}";

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const struct gotmpl_type type = { .name = "T" };
	static const struct gotmpl_env envs[] = {
		{ .flags = GOTMPL_MISSING_KEY_ERROR },
		{ .flags = GOTMPL_HEADER | GOTMPL_FLOATS },
		{ .type = &type },
	};
	es_autoarena *a = arena_new();
	es_autoerr es_err *err = NULL;
	struct gotmpl *t;
	struct json *v;

	err = json_parse(a, doc, sizeof doc - 1, &v);
	if (!err)
		err = gotmpl_parse(a, "fuzz", (const char *)bytes, n, &t);
	if (err)
		return 0;
	for (size_t i = 0; i < ES_N(envs); i++) {
		es_autobuf out = ES_BUF((size_t)1 << 20);

		es_err_drop(gotmpl_exec(t, &envs[i], v, &out));
	}
	return 0;
}
