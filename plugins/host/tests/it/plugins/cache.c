/* A cache of one value. Answers at once; with LATE, from another thread. */
#include "dynlab_plugin.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  uint8_t bytes[64];
  size_t len;
  uint64_t ttl_ms;
} Slot;

static Slot key, value;
static int is_set;

typedef struct {
  DynlabCompletion completion;
  DynlabStatus status;
  DynlabBytes value;
} Answer;

static void *send(void *pointer) {
  Answer *answer = pointer;
  answer->completion.done(answer->completion.context, answer->status, answer->value,
                          answer->status < 0 ? dynlab_text("the key is too long") : dynlab_text(""));
  free(answer);
  return NULL;
}

static void finish(DynlabCompletion completion, DynlabStatus status, DynlabBytes found) {
  Answer *answer = malloc(sizeof(Answer));
  if (!answer) abort();
  *answer = (Answer){completion, status, found};
#ifdef LATE
  pthread_t thread;
  if (pthread_create(&thread, NULL, send, answer) != 0) abort();
  pthread_detach(thread);
#else
  send(answer);
#endif
}

static int is_key(DynlabBytes asked) { return is_set && asked.len == key.len && !memcmp(asked.ptr, key.bytes, key.len); }

static DynlabStatus create(const DynlabCreateArgs *args, void **instance, DynlabTextSink error) {
  (void)args;
  (void)error;
  *instance = NULL;
  return DYNLAB_STATUS_OK;
}

static void destroy(void *instance) { (void)instance; }

static void get(void *instance, DynlabBytes asked, DynlabCompletion completion) {
  (void)instance;
  if (is_key(asked)) finish(completion, DYNLAB_STATUS_OK, dynlab_bytes(value.bytes, value.len));
  else finish(completion, DYNLAB_STATUS_NOT_FOUND, dynlab_bytes(NULL, 0));
}

static void set(void *instance, DynlabBytes new_key, DynlabBytes new_value, uint64_t ttl_ms, DynlabCompletion completion) {
  (void)instance;
  if (new_key.len > sizeof key.bytes || new_value.len > sizeof value.bytes) {
    finish(completion, DYNLAB_STATUS_LIMIT_EXCEEDED, dynlab_bytes(NULL, 0));
    return;
  }
  key = (Slot){.len = new_key.len};
  value = (Slot){.len = new_value.len, .ttl_ms = ttl_ms};
  memcpy(key.bytes, new_key.ptr, new_key.len);
  memcpy(value.bytes, new_value.ptr, new_value.len);
  is_set = 1;
  finish(completion, DYNLAB_STATUS_OK, dynlab_bytes(NULL, 0));
}

static void remove_key(void *instance, DynlabBytes asked, DynlabCompletion completion) {
  (void)instance;
  DynlabStatus status = is_key(asked) ? DYNLAB_STATUS_OK : DYNLAB_STATUS_NOT_FOUND;
  if (status == DYNLAB_STATUS_OK) is_set = 0;
  finish(completion, status, dynlab_bytes(NULL, 0));
}

static DynlabStatus health(void *instance, DynlabTextSink report) {
  (void)instance;
  dynlab_put(report, "no memory left");
  return is_set ? DYNLAB_STATUS_OK : DYNLAB_STATUS_UNAVAILABLE;
}

static const DynlabCacheTable table = {
    .size = sizeof(DynlabCacheTable),
    .create = create,
    .destroy = destroy,
    .get = get,
    .set = set,
    .remove = remove_key,
    .health = health,
};

DYNLAB_PLUGIN_NOTE(DYNLAB_KIND_CACHE, "one-value", "1.0.0");
DYNLAB_PLUGIN_EXPORT(DYNLAB_KIND_CACHE, table);
