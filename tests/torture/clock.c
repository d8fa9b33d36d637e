/* A wall clock that is off by as many seconds as a file says: preloaded into the daemon.

   The file named by TORTURE_CLOCK holds one double. The monotonic clock stays right, as it does
   when a machine's time is set. So does gettimeofday(): whoever asks it waits until a time that
   the kernel compares with its own clock (jemalloc's background threads: with a clock behind it,
   each of them span for ever, and took the processors from a whole storm). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static const volatile double *offset;
static int (*real_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
  real_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  const char *path = getenv("TORTURE_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *page = mmap(NULL, sizeof(double), PROT_READ, MAP_SHARED, file, 0);
  if (page != MAP_FAILED) offset = page;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = real_clock(clock, now);
  if (!failed && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    double whole = floor(*offset);
    now->tv_sec += (time_t)whole;
    now->tv_nsec += (long)((*offset - whole) * 1e9);
    if (now->tv_nsec >= 1000000000L) {
      now->tv_nsec -= 1000000000L;
      now->tv_sec++;
    }
  }
  return failed;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
