/* Its note says handler, its descriptor says cache. */
#include "dynlab_plugin.h"

static const DynlabCacheTable table = {.size = sizeof(DynlabCacheTable)};

DYNLAB_PLUGIN_NOTE(DYNLAB_KIND_HANDLER, "liar", "1.0.0");
DYNLAB_PLUGIN_EXPORT(DYNLAB_KIND_CACHE, table);
