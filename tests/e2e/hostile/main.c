#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "hostile.h"

static const struct {
	const char *name;
	int (*run)(const struct ask *ask);
} attacks[] = {
	{ "streams", attack_streams }, { "loris", attack_loris },	  { "rapid", attack_rapid },
	{ "bytes", attack_bytes },     { "conns", attack_conns },	  { "frames", attack_frames },
	{ "forged", attack_forged },   { "half-open", attack_half_open },
};

int main(int argc, char **argv)
{
	struct ask ask = { .word = argc > 5 ? argv[5] : "" };

	if (sodium_init() < 0 || argc < 5 || zs_endpoint_parse(&ask.victim, argv[2]) < 0) {
		fprintf(stderr, "usage: hostile ATTACK 127.0.0.1:PORT COUNT MILLISECONDS [WORD]\n");
		return 2;
	}
	ask.count = (uint32_t)strtoul(argv[3], NULL, 10);
	ask.ms = strtoull(argv[4], NULL, 10);
	for (size_t i = 0; i < ZS_ARRAY_LEN(attacks); i++)
		if (!strcmp(attacks[i].name, argv[1]))
			return attacks[i].run(&ask);
	fprintf(stderr, "hostile: no such attack: %s\n", argv[1]);
	return 2;
}
