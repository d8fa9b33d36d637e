/* Rows straight from a socket: receive and decode, without the caller in between.
 *
 * For a connection whose bytes are not encrypted. What TLS brings comes in through tds_room and
 * tds_fed.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "internal.h"

/* 1 when there is something to receive, TIMED_OUT, or SOCKET_FAILED. */
static int await_bytes(int fd, int timeout_ms) {
  struct pollfd wanted = {.fd = fd, .events = POLLIN};
  for (;;) { /* a signal is not ours to handle, and may prolong the wait */
    int found = poll(&wanted, 1, timeout_ms);
    if (found > 0) return 1;
    if (!found) return TIMED_OUT;
    if (errno != EINTR) return SOCKET_FAILED;
  }
}

/* 0 when bytes came, or what is wrong. */
static int receive(tds_decoder *d, int fd, int timeout_ms, size_t wanted) {
  size_t room;
  uint8_t *to = tds_room(d, wanted, &room);
  if (!to) return OUT_OF_MEMORY;
  for (;;) {
    ssize_t size = recv(fd, to, room, 0);
    if (size > 0) return tds_fed(d, (size_t)size);
    if (!size) return SOCKET_CLOSED;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      int status = await_bytes(fd, timeout_ms);
      if (status != 1) return status;
    } else if (errno != EINTR) {
      return SOCKET_FAILED;
    }
  }
}

int64_t tds_receive(tds_decoder *d, int fd, int timeout_ms, size_t wanted, int64_t max_rows,
                    int64_t max_bytes, struct ArrowArray *out) {
  for (;;) {
    int64_t answer = tds_next(d, max_rows, max_bytes, out);
    if (answer != NEED_BYTES) return answer;
    int status = receive(d, fd, timeout_ms, wanted);
    if (status) return status;
  }
}
