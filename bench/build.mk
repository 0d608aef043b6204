# bench/: zs-bench.
BENCH_SRC := $(wildcard bench/*.c)
$(eval $(call compile,bench,-Ilib -Ibench))
$(eval $(call program,zs-bench,$(call objects,$(BENCH_SRC)),$(LIB_LIBS)))
