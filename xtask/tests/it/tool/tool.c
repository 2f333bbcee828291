/* What a sandbox lets a program do, told by a program inside it. Statically linked: its image is this one file. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

static void say(const char *what, int result) {
    printf("%s: %s\n", what, result < 0 ? strerror(errno) : "ok");
}

static int try_connect(const char *address) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
    inet_pton(AF_INET, address, &to.sin_addr);
    return connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to);
}

static void list(const char *folder) {
    struct dirent *entry;
    DIR *open_folder = opendir(folder);
    while (open_folder && (entry = readdir(open_folder)))
        if (entry->d_name[0] != '.') puts(entry->d_name);
}

static void copy(int from) {
    char bytes[4096];
    ssize_t length;
    while ((length = read(from, bytes, sizeof bytes)) > 0) fwrite(bytes, 1, (size_t)length, stdout);
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int at = 1; at < argc; at++) {
        const char *verb = argv[at], *argument = at + 1 < argc ? argv[at + 1] : "";
        if (!strcmp(verb, "env")) {
            for (char **variable = environ; *variable; variable++) puts(*variable);
        } else if (!strcmp(verb, "write")) {
            at++;
            say(argument, open(argument, O_CREAT | O_WRONLY, 0644));
        } else if (!strcmp(verb, "read")) {
            at++;
            copy(open(argument, O_RDONLY));
        } else if (!strcmp(verb, "stdin")) {
            copy(0);
        } else if (!strcmp(verb, "list")) {
            at++;
            list(argument);
        } else if (!strcmp(verb, "connect")) {
            at++;
            say(argument, try_connect(argument));
        } else if (!strcmp(verb, "exit")) {
            return atoi(argument);
        } else if (!strcmp(verb, "signal")) {
            raise(atoi(argument));
        } else if (!strcmp(verb, "abort")) {
            abort();
        } else if (!strcmp(verb, "stderr")) {
            at++;
            fprintf(stderr, "%s\n", argument);
        } else if (!strcmp(verb, "hang")) {
            /* A child and a grandchild that left the session and closed everything; the last argument marks them. */
            if (fork() == 0) {
                setsid();
                fork();
                for (int fd = 0; fd < 3; fd++) close(fd);
                for (;;) pause();
            }
            puts("hanging");
            for (;;) pause();
        } else {
            fprintf(stderr, "unknown verb %s\n", verb);
            return 64;
        }
    }
    return 0;
}
