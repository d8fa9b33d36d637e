/* Memory of columns, used again while results are read.
 *
 * A batch is megabytes that live for milliseconds. Taken from the system each time, every page of
 * it costs a fault, which took a quarter of the time of decoding. So what batches give back is kept
 * for the next ones, up to a bound, and let go when the last decoder closes. Batches are given back
 * in whatever thread drops them.
 */
#include <pthread.h>

#include "internal.h"

#if defined(__has_include)
#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#endif
#endif
#ifndef ASAN_POISON_MEMORY_REGION
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#ifndef KEPT_FROM /* the fuzzer's batches are small */
#define KEPT_FROM 32768
#endif
enum { SPARES = 64, KEPT_MOST = 8 * 1024 * 1024 };

/* In front of every block; as long as the strictest alignment, so that what follows keeps it. */
typedef union {
  size_t capacity;
  max_align_t alignment;
} head;

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static head *spares[SPARES]; /* the oldest first */
static int spare_count, open_decoders;
static size_t spare_bytes;

static head *without_spare(int i) {
  head *found = spares[i];
  spare_bytes -= found->capacity;
  spare_count--;
  memmove(spares + i, spares + i + 1, (size_t)(spare_count - i) * sizeof *spares);
  return found;
}

static void drop_oldest(void) {
  head *oldest = without_spare(0);
  ASAN_UNPOISON_MEMORY_REGION(oldest + 1, oldest->capacity);
  free(oldest);
}

void blocks_open(void) {
  pthread_mutex_lock(&turn);
  open_decoders++;
  pthread_mutex_unlock(&turn);
}

void blocks_close(void) {
  pthread_mutex_lock(&turn);
  if (!--open_decoders)
    while (spare_count) drop_oldest();
  pthread_mutex_unlock(&turn);
}

/* The smallest spare block that fits without being more than twice too large. */
static head *fitting_spare(size_t size) {
  int best = -1;
  for (int i = 0; i < spare_count; i++) {
    size_t capacity = spares[i]->capacity;
    if (capacity < size || capacity > 2 * size) continue;
    if (best < 0 || capacity < spares[best]->capacity) best = i;
  }
  return best < 0 ? NULL : without_spare(best);
}

void *block_take(size_t size) {
  head *found = NULL;
  if (size >= KEPT_FROM) {
    pthread_mutex_lock(&turn);
    found = fitting_spare(size);
    pthread_mutex_unlock(&turn);
  }
  if (!found) {
    if (size > PTRDIFF_MAX - sizeof *found) return NULL;
    found = malloc(sizeof *found + size);
    if (!found) return NULL;
    found->capacity = size;
  }
  ASAN_POISON_MEMORY_REGION(found + 1, found->capacity); /* what is behind `size` is nobody's */
  ASAN_UNPOISON_MEMORY_REGION(found + 1, size);
  return found + 1;
}

void *block_grow(void *block, size_t size) {
  head *old = (head *)block - 1;
  if (size <= old->capacity) {
    ASAN_UNPOISON_MEMORY_REGION(block, size);
    return block;
  }
  if (size > PTRDIFF_MAX - sizeof *old) return NULL;
  ASAN_UNPOISON_MEMORY_REGION(block, old->capacity);
  head *grown = realloc(old, sizeof *grown + size);
  if (!grown) return NULL;
  grown->capacity = size;
  return grown + 1;
}

void block_give(void *block) {
  if (!block) return;
  head *given = (head *)block - 1;
  size_t capacity = given->capacity;
  ASAN_UNPOISON_MEMORY_REGION(block, capacity);
  if (capacity < KEPT_FROM || capacity > KEPT_MOST / 4) {
    free(given);
    return;
  }
  pthread_mutex_lock(&turn);
  int kept = open_decoders > 0;
  if (kept) {
    while (spare_count == SPARES || (spare_count && spare_bytes + capacity > KEPT_MOST))
      drop_oldest();
    spares[spare_count++] = given;
    spare_bytes += capacity;
    ASAN_POISON_MEMORY_REGION(block, capacity);
  }
  pthread_mutex_unlock(&turn);
  if (!kept) free(given);
}
