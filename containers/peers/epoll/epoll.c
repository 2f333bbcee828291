// The least that answers HTTP: processes that share a port (SO_REUSEPORT), each a loop around epoll. It looks for the empty line that
// ends a request's head (RFC 9112, 2.1) and sends a constant; what is asked it does not read, and a request with a body it would get wrong.
//
// epoll-server PORT PROCESSES

#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 19\r\n\r\n{\"ip\": \"127.0.0.1\"}";
enum { answer_length = sizeof answer - 1, most_descriptors = 65536, most_pipelined = 64 };

// How much of `\r\n\r\n` each connection has shown last.
static unsigned char matched[most_descriptors];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int listen_on(int port) {
  int one = 1;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
      setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) ||
      bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024))
    fail("listen");
  return listener;
}

static void accept_all(int listener, int poll) {
  for (;;) {
    int one = 1;
    int connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection < 0)
      return;
    if (connection >= most_descriptors) {
      close(connection);
      continue;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = connection};
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    matched[connection] = 0;
    if (epoll_ctl(poll, EPOLL_CTL_ADD, connection, &event))
      close(connection);
  }
}

// Requests that ended within these bytes.
static int count_requests(int connection, const char *bytes, ssize_t length) {
  static const char end[4] = "\r\n\r\n";
  int requests = 0;
  unsigned char state = matched[connection];
  for (ssize_t at = 0; at < length; at++) {
    if (bytes[at] == end[state])
      state++;
    else
      state = bytes[at] == '\r';
    if (state == sizeof end) {
      requests++;
      state = 0;
    }
  }
  matched[connection] = state;
  return requests;
}

// False when the connection is over. Answers that the socket has no room for end it, too: nobody here sends that many at once.
static bool serve(int connection) {
  static char answers[most_pipelined * answer_length];
  char bytes[4096];
  ssize_t length = recv(connection, bytes, sizeof bytes, 0);
  if (length <= 0)
    return length < 0 && (errno == EAGAIN || errno == EINTR);
  int requests = count_requests(connection, bytes, length);
  if (requests > most_pipelined)
    return false;
  for (int at = 0; at < requests; at++)
    memcpy(answers + at * answer_length, answer, answer_length);
  return requests == 0 || send(connection, answers, requests * answer_length, MSG_NOSIGNAL) == requests * answer_length;
}

static void run(int port) {
  struct epoll_event events[256];
  int listener = listen_on(port), poll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event))
    fail("epoll");
  for (;;) {
    int ready = epoll_wait(poll, events, 256, -1);
    for (int at = 0; at < ready; at++) {
      int descriptor = events[at].data.fd;
      if (descriptor == listener)
        accept_all(listener, poll);
      else if (!serve(descriptor))
        close(descriptor);
    }
  }
}

int main(int count, char **words) {
  int port = count == 3 ? atoi(words[1]) : 0, processes = count == 3 ? atoi(words[2]) : 0;
  if (port <= 0 || port > 65535 || processes <= 0) {
    fprintf(stderr, "epoll-server PORT PROCESSES\n");
    return 2;
  }
  pid_t parent = getpid();
  for (int at = 1; at < processes; at++) {
    pid_t child = fork();
    if (child < 0)
      fail("fork");
    if (child == 0) {
      // The parent may have gone before this was said.
      if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
        return 1;
      run(port);
    }
  }
  run(port);
}
