/* Numbers of the attach protocol and of tunnels: ZS_ATTACH_ERROR_denied, ZS_ATTACH_CLOSE_idle and so on, the tables of
 * lib/defs/attach.def. */
#ifndef ZS_RELAY_CODES_H
#define ZS_RELAY_CODES_H

enum zs_attach_code {
#define ZS_ATTACH(table, name, code, text) ZS_ATTACH_##table##_##name = code,
#include "defs/attach.def"
#undef ZS_ATTACH
};

#endif
