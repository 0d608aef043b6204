/* What shared headers take from <string.h>, for the compiler of programs: it has no C library. */
#ifndef ZS_BPF_STRING_H
#define ZS_BPF_STRING_H

#include <stddef.h>

#define memcpy(to, from, n) __builtin_memcpy(to, from, n)
#define memset(to, v, n)    __builtin_memset(to, v, n)
#define memcmp(a, b, n)	    __builtin_memcmp(a, b, n)

#endif
