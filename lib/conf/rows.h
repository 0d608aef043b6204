/* Includes lib/defs/config.def with the macros that are defined, the others empty, and undefines
 * all. On purpose without a guard. */
#ifndef ZS_CONF_SECTION
#define ZS_CONF_SECTION(...)
#endif
#ifndef ZS_CONF_VALUE
#define ZS_CONF_VALUE(...)
#endif
#ifndef ZS_CONF_CHOICE
#define ZS_CONF_CHOICE(...)
#endif
#ifndef ZS_CONF_MAP
#define ZS_CONF_MAP(...)
#endif
#ifndef ZS_CONF_LIST
#define ZS_CONF_LIST(...)
#endif
#ifndef ZS_CONF_VALUES
#define ZS_CONF_VALUES(...)
#endif
#include "defs/config.def"
#undef ZS_CONF_SECTION
#undef ZS_CONF_VALUE
#undef ZS_CONF_CHOICE
#undef ZS_CONF_MAP
#undef ZS_CONF_LIST
#undef ZS_CONF_VALUES
