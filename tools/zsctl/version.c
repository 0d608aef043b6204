#include "zsctl.h"

const char *zsctl_version(void)
{
	return ZS_VERSION;
}
