/* Opens shared objects with the loader of the host that it runs in, each in a child of its own, and says how that ended.
 *
 * Compiled twice: as a program that needs nothing but the C library, and as a library whose constructor does the same in a
 * program that it is preloaded into, so that the objects meet that program's symbols.
 *
 * Standard input has one path a line. For each, one line is written: opened, refused, died or hung; a tab; the loader's words,
 * the number of a signal or status. Objects are opened with RTLD_NOW | RTLD_LOCAL, their constructors run. See dlopen(3).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CPU_SECONDS = 5, WALL_SECONDS = 20, LONGEST = 8192 };

/* Out of the way of what constructors open and close. */
enum { REPORT = 200 };

static long long milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void say(const char *word, const char *message) {
    char line[LONGEST];
    int length = snprintf(line, sizeof line, "%s\t%s", word, message);
    if (length >= (int)sizeof line) length = sizeof line - 1;
    for (int at = 0; at < length; at++)
        if (line[at] == '\n') line[at] = ' ';
    line[length] = '\n';
    ssize_t written = write(REPORT, line, length + 1);
    (void)written;
}

static void open_in_child(const char *path) {
    struct rlimit cpu = {CPU_SECONDS, CPU_SECONDS + 1}, none = {0, 0};
    setpgid(0, 0);
    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &none);
    int nothing = open("/dev/null", O_RDWR);
    for (int standard = 0; standard < 3; standard++) dup2(nothing, standard);
    if (dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
        say("opened", "");
    } else {
        const char *message = dlerror();
        say("refused", message ? message : "");
    }
    _exit(0);
}

/* Reads the child's line, if it writes one in time, into `line`; 0 if it did not. */
static int listen_to(int report, char *line, size_t size) {
    long long deadline = milliseconds() + WALL_SECONDS * 1000;
    size_t length = 0;
    while (length < size - 1) {
        long long left = deadline - milliseconds();
        struct pollfd waiting = {report, POLLIN, 0};
        if (left <= 0 || poll(&waiting, 1, (int)left) <= 0) return 0;
        ssize_t got = read(report, line + length, size - 1 - length);
        if (got <= 0) break;
        length += (size_t)got;
        if (line[length - 1] == '\n') break;
    }
    line[length] = 0;
    return 1;
}

static void observe(const char *path) {
    int ends[2];
    char line[LONGEST + 2] = "";
    if (pipe(ends)) {
        perror("opener: pipe");
        _exit(2);
    }
    pid_t child = fork();
    if (child < 0) {
        perror("opener: fork");
        _exit(2);
    }
    if (child == 0) {
        dup2(ends[1], REPORT);
        fcntl(REPORT, F_SETFD, FD_CLOEXEC);
        close(ends[0]);
        close(ends[1]);
        open_in_child(path);
    }
    close(ends[1]);
    int in_time = listen_to(ends[0], line, sizeof line);
    close(ends[0]);
    int status = 0;
    if (in_time && !line[0]) {
        /* It has ended, or is about to. */
        waitpid(child, &status, 0);
        kill(-child, SIGKILL);
    } else {
        kill(-child, SIGKILL);
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    if (line[0]) {
        fputs(line, stdout);
    } else if (!in_time || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)) {
        puts("hung\t");
    } else if (WIFSIGNALED(status)) {
        printf("died\tsignal %d\n", WTERMSIG(status));
    } else {
        printf("died\tstatus %d\n", WEXITSTATUS(status));
    }
    fflush(stdout);
}

static void observe_all(void) {
    char path[LONGEST];
    /* What a program was preloaded with must not be what its children are, too. */
    unsetenv("LD_PRELOAD");
    while (fgets(path, sizeof path, stdin)) {
        path[strcspn(path, "\n")] = 0;
        observe(path);
    }
}

#ifdef PRELOADED
__attribute__((constructor)) static void observe_before_main(void) {
    observe_all();
    _exit(0);
}
#else
int main(void) {
    observe_all();
    return 0;
}
#endif
