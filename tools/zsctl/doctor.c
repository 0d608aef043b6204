#include "zsctl.h"
int zsctl_doctor(const struct zsctl *z)
{
	return ZS_EXIT_FAILED;
}
