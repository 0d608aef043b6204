/* Columns of text: numbers to the right with thousands apart, the rest to the left. */
#include <string.h>
#include "zsctl.h"

#define COLUMNS 14

struct column {
	char member[32], title[32];
	int width;
	bool number; /* to the right */
	bool plain;  /* a name that happens to be a number: no thousands */
};

const char *zsctl_number(char buf[32], json_int_t value)
{
	char plain[24];
	int len = snprintf(plain, sizeof(plain), "%lld", (long long)value), out = 0;

	for (int i = 0; i < len; i++) {
		int left = len - i;

		buf[out++] = plain[i];
		if (plain[i] != '-' && left > 1 && (left - 1) % 3 == 0)
			buf[out++] = ',';
	}
	buf[out] = '\0';
	return buf;
}

static const char *cell(json_t *value, bool plain, char buf[32])
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_integer(value) && plain) {
		snprintf(buf, 32, "%lld", (long long)json_integer_value(value));
		return buf;
	}
	if (json_is_integer(value))
		return zsctl_number(buf, json_integer_value(value));
	if (json_is_real(value)) {
		snprintf(buf, 32, "%.1f", json_real_value(value));
		return buf;
	}
	return json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "-";
}

static int read_columns(const char *spec, struct column col[COLUMNS])
{
	int count = 0;

	while (*spec && count < COLUMNS) {
		size_t len = strcspn(spec, ","), name = strcspn(spec, ":");

		memset(&col[count], 0, sizeof(col[count]));
		col[count].plain = spec[0] == '#';
		spec += col[count].plain;
		len -= col[count].plain;
		name -= col[count].plain;
		snprintf(col[count].member, sizeof(col[count].member), "%.*s", (int)name, spec);
		snprintf(col[count].title, sizeof(col[count].title), "%.*s", (int)(len - name - 1),
			 spec + name + 1);
		col[count].width = (int)strlen(col[count].title);
		count++;
		spec += len + (spec[len] == ',');
	}
	return count;
}

static void measure(json_t *rows, struct column *col, int count)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		for (int c = 0; c < count; c++) {
			json_t *value = json_object_get(row, col[c].member);
			char buf[32];
			int width = (int)strlen(cell(value, col[c].plain, buf));

			col[c].number |= json_is_number(value);
			col[c].width = width > col[c].width ? width : col[c].width;
		}
	}
}

static void put(const struct column *col, const char *text, bool last)
{
	if (last && !col->number)
		printf("%s", text);
	else
		printf("%*s%s", col->number ? col->width : -col->width, text, last ? "" : "  ");
}

void zsctl_table(json_t *rows, const char *columns, const char *nothing)
{
	struct column col[COLUMNS];
	int count = read_columns(columns, col);
	json_t *row;
	size_t i;

	if (json_array_size(rows) == 0) {
		printf("%s\n", nothing);
		return;
	}
	measure(rows, col, count);
	for (int c = 0; c < count; c++)
		put(&col[c], col[c].title, c == count - 1);
	putchar('\n');
	json_array_foreach(rows, i, row)
	{
		for (int c = 0; c < count; c++) {
			char buf[32];

			put(&col[c], cell(json_object_get(row, col[c].member), col[c].plain, buf),
			    c == count - 1);
		}
		putchar('\n');
	}
}
