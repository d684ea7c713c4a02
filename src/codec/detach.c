/* SPDX-License-Identifier: Apache-2.0 */
/* detach.c: parse the keys, match them in a stream that arrives in pieces. */
#include "codec/detach.h"

#include "base/str.h"

static es_err *parse_key(const char *key, uint8_t *ret)
{
	const char *ctrl = str_after(key, "ctrl-");

	if (key[0] && !key[1]) {
		*ret = (uint8_t)key[0];
		return NULL;
	}
	if (ctrl && ctrl[0] && !ctrl[1]) {
		char c = ctrl[0];

		if ((c >= 'a' && c <= 'z') || (c >= '@' && c <= '_' && !(c >= 'A' && c <= 'Z'))) {
			*ret = (uint8_t)(c & 0x1f);
			return NULL;
		}
	}
	return es_err_new(ES_E_INVALID, "unknown character: '%s'", key);
}

es_err *detach_parse(const char *text, struct detach *ret)
{
	es_autostrv keys = strv_split(str_empty(text) ? DETACH_KEYS_DEFAULT : text, ',');
	struct detach d = { 0 };

	for (char **k = keys; k && *k; k++) {
		if (d.n == DETACH_KEYS_MAX)
			return es_err_new(ES_E_INVALID, "more than %d detach keys", DETACH_KEYS_MAX);
		ES_TRY(es_err_in(parse_key(*k, &d.keys[d.n]), "invalid detach keys (%s)", text));
		d.n++;
	}
	*ret = d;
	return NULL;
}

/* Longest proper beginning of the keys that the first N keys also end with. */
static size_t border(const struct detach *d, size_t n)
{
	for (size_t b = n - 1; b > 0; b--)
		if (memcmp(d->keys, d->keys + n - b, b) == 0)
			return b;
	return 0;
}

size_t detach_feed(struct detach *d, const char *in, size_t n, char *out, bool *ret_detached)
{
	size_t used = 0;

	*ret_detached = false;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)in[i];

		while (d->at > 0 && d->keys[d->at] != c) {
			size_t keep = border(d, d->at);

			memcpy(out + used, d->keys, d->at - keep);
			used += d->at - keep;
			d->at = keep;
		}
		if (d->keys[d->at] != c) {
			out[used++] = in[i];
			continue;
		}
		if (++d->at == d->n) {
			d->at = 0;
			*ret_detached = true;
			return used;
		}
	}
	return used;
}
