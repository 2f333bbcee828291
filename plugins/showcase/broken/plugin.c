/*
 * Version 0.4 of the showcase: its author forgot to link the library that one function comes from. A loader that binds
 * lazily would take it, and the server would die in its first request; so it has to be refused before.
 */
#include "dynlab_plugin.h"

#include <stdlib.h>

/* Of a library that is nowhere on the command line of the linker. */
const char *showcase_greeting(void);

/* An instance needs nothing; a byte of the heap stands for it. */
static DynlabStatus create(const DynlabCreateArgs *args, void **instance, DynlabTextSink error) {
  (void)args;
  *instance = malloc(1);
  if (*instance) return DYNLAB_STATUS_OK;
  dynlab_put(error, "out of memory");
  return DYNLAB_STATUS_FAILED;
}

static void destroy(void *instance) { free(instance); }

static DynlabStatus handle(void *instance, const DynlabRequest *request, const DynlabResponseSink *response,
                           DynlabTextSink error) {
  (void)instance;
  (void)request;
  (void)error;
  DynlabText greeting = dynlab_text(showcase_greeting());
  return response->write_body(response->context, dynlab_bytes(greeting.ptr, greeting.len));
}

static const DynlabText methods[] = {DYNLAB_TEXT("GET")};

static const DynlabHandlerTable table = {
    .size = sizeof(DynlabHandlerTable),
    .create = create,
    .destroy = destroy,
    .route = DYNLAB_TEXT("/showcase"),
    .methods = methods,
    .method_count = sizeof(methods) / sizeof(methods[0]),
    .handle = handle,
};

DYNLAB_PLUGIN_NOTE(DYNLAB_KIND_HANDLER, "showcase", "0.4.0");
DYNLAB_PLUGIN_EXPORT(DYNLAB_KIND_HANDLER, table);
