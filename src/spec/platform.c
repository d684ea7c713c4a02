/* SPDX-License-Identifier: Apache-2.0 */
/* platform.c: platforms as text, and choosing from an index. */
#include "spec/platform.h"

#include "base/str.h"

static const struct {
	const char *word, *arch, *variant;
} arches[] = {
	{ "amd64", "amd64", NULL },   { "x86_64", "amd64", NULL }, { "x86-64", "amd64", NULL }, { "arm64", "arm64", NULL },
	{ "aarch64", "arm64", NULL }, { "386", "386", NULL },	   { "i386", "386", NULL },	{ "arm", "arm", "v7" },
	{ "armhf", "arm", "v7" },     { "armel", "arm", "v6" },	   { "ppc64le", "ppc64le", NULL }, { "s390x", "s390x", NULL },
	{ "riscv64", "riscv64", NULL }, { "loong64", "loong64", NULL }, { "mips64le", "mips64le", NULL },
};

static bool arch_parse(const char *word, struct oci_platform *p)
{
	for (size_t i = 0; i < ES_N(arches); i++)
		if (str_eq_nocase(word, arches[i].word)) {
			p->architecture = arches[i].arch;
			p->variant = arches[i].variant;
			return true;
		}
	return false;
}

es_err *platform_parse(struct arena *a, const char *text, struct oci_platform *ret)
{
	es_autostrv parts = str_empty(text) ? NULL : strv_split(text, '/');
	size_t n = strv_len(parts);
	struct oci_platform p = { .os = "linux", .architecture = oci_machine_arch() };
	bool known = n <= 3 && (n < 2 || str_eq(parts[0], "linux"));

	if (known && n && !(n == 1 && str_eq(parts[0], "linux")))
		known = arch_parse(parts[n > 1 ? 1 : 0], &p);
	if (!known)
		return es_err_new(ES_E_INVALID, "\"%s\": unknown operating system or architecture: invalid argument", text);
	if (n == 3)
		p.variant = arena_strdup(a, parts[2]);
	*ret = p;
	return NULL;
}

char *platform_text(struct arena *a, const struct oci_platform *p)
{
	bool variant = !str_empty(p->variant);

	return arena_printf(a, "%s/%s%s%s", p->os ? p->os : "", p->architecture ? p->architecture : "", variant ? "/" : "",
			    variant ? p->variant : "");
}

/* "v7" is 7; 0: none. arm64 without a variant is v8. */
static int variant_of(const struct oci_platform *p)
{
	const char *v = str_empty(p->variant) ? NULL : str_after(p->variant, "v");

	if (v && v[0] >= '1' && v[0] <= '9' && !v[1])
		return v[0] - '0';
	return str_eq(p->architecture, "arm64") && str_empty(p->variant) ? 8 : 0;
}

/* How well IS fits WANT; 0: not at all. */
static int fitness(const struct oci_platform *want, const struct oci_platform *is)
{
	int wanted = variant_of(want), got;

	if (!is)
		return 1;
	if (!str_eq(is->os, want->os) || !str_eq(is->architecture, want->architecture))
		return 0;
	got = variant_of(is);
	if (got == wanted)
		return 20;
	return got < wanted ? 10 + got : 0;
}

bool platform_fits(const struct oci_platform *want, const struct oci_platform *is)
{
	return fitness(want, is) > 0;
}

const struct oci_descriptor *platform_choose(const struct oci_index *idx, const struct oci_platform *want)
{
	const struct oci_descriptor *best = NULL;
	int best_fit = 0;

	FIELD_LIST_EACH(struct oci_descriptor, d, &idx->manifests) {
		int fit = fitness(want, d->platform);

		if (fit > best_fit) {
			best = d;
			best_fit = fit;
		}
	}
	return best;
}
