#include <stdlib.h>
#include <hs.h>
