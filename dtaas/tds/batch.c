/* A batch being filled, and how it becomes an ArrowArray. */
#include "internal.h"

void drop_batch(tds_decoder *d) {
  for (int32_t i = 0; i < d->count; i++) {
    column *c = &d->columns[i];
    block_give(c->valid);
    block_give(c->data);
    block_give(c->offsets);
    c->valid = c->data = NULL;
    c->offsets = NULL;
    c->nulls = c->used = c->capacity = 0;
  }
  d->rows = d->row_capacity = d->text_bytes = 0;
}

static size_t bitmap_bytes(int64_t rows) { return (size_t)((rows + 7) / 8) + SLACK; }

int begin_batch(tds_decoder *d, int64_t most_rows) {
  int64_t rows = d->usual_rows && d->usual_rows < most_rows ? d->usual_rows : most_rows;
  for (int32_t i = 0; i < d->count; i++) {
    column *c = &d->columns[i];
    if (is_text(&c->how)) {
      c->capacity = c->usual + c->usual / 16 + 1024;
      c->offsets = block_take((size_t)(rows + 1) * 4 + SLACK);
      if (!c->offsets) return OUT_OF_MEMORY;
      c->offsets[0] = 0;
      c->data = block_take((size_t)c->capacity + SLACK);
    } else if (c->how.as == AS_BIT) {
      c->data = block_take(bitmap_bytes(rows));
      if (c->data) memset(c->data, 0, bitmap_bytes(rows));
    } else {
      c->data = block_take((size_t)rows * c->how.width + SLACK);
    }
    if (!c->data) return OUT_OF_MEMORY;
  }
  d->row_capacity = rows;
  return 0;
}

int reserve(column *c, int64_t more) {
  if (c->used + more <= c->capacity) return 0;
  if (c->used + more > MAX_TEXT) return VALUE_TOO_LARGE;
  int64_t capacity = c->capacity + c->capacity / 2;
  if (capacity < c->used + more) capacity = c->used + more;
  uint8_t *grown = block_grow(c->data, (size_t)capacity + SLACK);
  if (!grown) return OUT_OF_MEMORY;
  c->data = grown;
  c->capacity = capacity;
  return 0;
}

int set_null(tds_decoder *d, column *c) {
  int64_t row = d->rows;
  if (!c->valid) {
    size_t size = bitmap_bytes(d->row_capacity);
    c->valid = block_take(size);
    if (!c->valid) return OUT_OF_MEMORY;
    memset(c->valid, 0xFF, size);
  }
  c->valid[row >> 3] &= (uint8_t)~(1u << (row & 7));
  c->nulls++;
  if (c->offsets) c->offsets[row + 1] = (int32_t)c->used;
  else if (c->how.width) memset(c->data + row * c->how.width, 0, c->how.width);
  return 0;
}

typedef struct {
  void *owned[3];
  const void *shown[3];
} buffers;

static void release_column(struct ArrowArray *array) {
  buffers *b = array->private_data;
  for (int i = 0; i < 3; i++) block_give(b->owned[i]);
  free(b);
  array->release = NULL;
}

static void release_batch(struct ArrowArray *array) {
  for (int64_t i = 0; i < array->n_children; i++) {
    struct ArrowArray *child = array->children[i];
    if (child->release) child->release(child);
    free(child);
  }
  free(array->children);
  free(array->buffers);
  array->release = NULL;
}

static void move_column(column *c, int64_t rows, struct ArrowArray *out, buffers *b) {
  c->usual = c->used;
  b->owned[0] = c->valid;
  b->owned[1] = c->offsets ? (void *)c->offsets : c->data;
  b->owned[2] = c->offsets ? c->data : NULL;
  for (int k = 0; k < 3; k++) b->shown[k] = b->owned[k];
  out->length = rows;
  out->null_count = c->nulls;
  out->n_buffers = c->offsets ? 3 : 2;
  out->buffers = b->shown;
  out->private_data = b;
  out->release = release_column;
  c->valid = c->data = NULL;
  c->offsets = NULL;
  c->nulls = c->used = c->capacity = 0;
}

int64_t tds_flush(tds_decoder *d, struct ArrowArray *out) {
  int64_t rows = d->rows;
  memset(out, 0, sizeof *out);
  if (!rows) return 0;
  out->children = calloc((size_t)d->count, sizeof *out->children);
  out->buffers = calloc(1, sizeof *out->buffers);
  out->release = release_batch;
  if (!out->children || !out->buffers) goto failed;
  for (int32_t i = 0; i < d->count; i++) {
    struct ArrowArray *child = calloc(1, sizeof *child);
    buffers *b = calloc(1, sizeof *b);
    if (!child || !b) {
      free(child);
      free(b);
      goto failed;
    }
    move_column(&d->columns[i], rows, child, b);
    out->children[out->n_children++] = child;
  }
  out->length = rows;
  out->n_buffers = 1;
  /* A batch that was full of rows may hold more of them; one full of bytes holds about as many. */
  d->usual_rows = rows < d->row_capacity ? rows + rows / 8 + 64 : 2 * rows;
  d->rows = d->row_capacity = d->text_bytes = 0;
  return rows;
failed:
  release_batch(out);
  drop_batch(d);
  return OUT_OF_MEMORY;
}
