/* Does what a macro asks while it is being loaded. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

__attribute__((constructor)) static void work(void) { WORK }
