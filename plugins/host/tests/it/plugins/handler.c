/* A handler that answers its version, or misbehaves as a macro asks. */
#ifndef NAME
#define NAME "handler"
#endif
#ifndef VERSION
#define VERSION "1.0.0"
#endif
#ifndef ROUTE
#define ROUTE "/handler"
#endif
#ifndef METHOD
#define METHOD "GET"
#endif
#ifndef ANSWER
#define ANSWER VERSION
#endif
/* What `handle` does beside answering. */
#ifndef WORK
#define WORK
#endif
/* What `accept` says. */
#ifndef ACCEPT
#define ACCEPT return DYNLAB_STATUS_OK;
#endif

#include "dynlab_plugin.h"

#include <string.h>

/* Calls of this image: every load has memory of its own. */
static int calls;

static DynlabStatus create(const DynlabCreateArgs *args, void **instance, DynlabTextSink error) {
  (void)error;
  if (args->log.write) args->log.write(args->log.context, DYNLAB_LOG_INFO, dynlab_text("created " NAME));
  *instance = &calls;
  return DYNLAB_STATUS_OK;
}

static void destroy(void *instance) { (void)instance; }

static DynlabStatus handle(void *instance, const DynlabRequest *request, const DynlabResponseSink *response,
                           DynlabTextSink error) {
  (void)instance;
  (void)request;
  (void)error;
  calls++;
  WORK
  return response->write_body(response->context, dynlab_bytes(ANSWER, strlen(ANSWER)));
}

static DynlabStatus accept(const DynlabHostInfo *host, DynlabTextSink reason) {
  (void)host;
  (void)reason;
  ACCEPT
}

/* What `health` says, if there is one. */
#ifdef HEALTH
static DynlabStatus health(void *instance, DynlabTextSink error) {
  (void)instance;
  (void)error;
  HEALTH
}
#endif

static const DynlabText methods[] = {DYNLAB_TEXT(METHOD)};

static const DynlabHandlerTable table = {
    .size = sizeof(DynlabHandlerTable),
    .create = create,
    .destroy = destroy,
    .route = DYNLAB_TEXT(ROUTE),
    .methods = methods,
    .method_count = 1,
    .handle = handle,
#ifdef HEALTH
    .health = health,
#endif
};

DYNLAB_PLUGIN_NOTE(DYNLAB_KIND_HANDLER, NAME, VERSION);
DYNLAB_PLUGIN_EXPORT_ACCEPTING(DYNLAB_KIND_HANDLER, table, accept);
