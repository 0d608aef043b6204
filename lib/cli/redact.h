/* Text and JSON for somebody else's eyes. Whatever is long enough to be a key, a token or an identity is cut to its begin, always,
 * and paths stay; addresses keep their network alone (/24, /48; of a MAC the maker's half) unless they are asked for. Loopback stays. Pure. */
#ifndef ZS_CLI_REDACT_H
#define ZS_CLI_REDACT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define ZS_REDACT_SECRET 32 /* characters in a row: 16 bytes in hex, 24 in base64 */
#define ZS_REDACT_SHOWN	 8  /* of them; enough to tell two apart */

/* NULL: out of memory. The caller frees it. */
char *zs_redact_text(const char *text, size_t len, bool addresses);
/* A copy with every text in it redacted; members' names are not. NULL: out of memory. */
json_t *zs_redact_json(const json_t *value, bool addresses);
/* A configuration file without its comments, which may say anything; redacted. */
char *zs_redact_conf(const char *text, size_t len, bool addresses);

#endif
