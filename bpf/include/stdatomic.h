/* Programs have no atomic types; what shared headers declare with them are plain words here, and BTF knows those alone. */
#ifndef ZS_BPF_STDATOMIC_H
#define ZS_BPF_STDATOMIC_H

#define _Atomic
#define memory_order_relaxed		  0
/* An aligned word is loaded at once. */
#define atomic_load_explicit(word, order) (*(const volatile __typeof__(*(word)) *)(word))

#endif
