/* Programs have no atomic types; what shared headers declare with them are plain words here, and BTF knows those alone. */
#ifndef ZS_BPF_STDATOMIC_H
#define ZS_BPF_STDATOMIC_H

#define _Atomic

#endif
