/* Text of SQL Server to UTF-8. */
#include "internal.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static uint8_t *put_utf8(uint8_t *to, uint32_t u) {
  if (u < 0x80) {
    *to++ = (uint8_t)u;
  } else if (u < 0x800) {
    *to++ = (uint8_t)(0xC0 | u >> 6);
    *to++ = (uint8_t)(0x80 | (u & 63));
  } else if (u < 0x10000) {
    *to++ = (uint8_t)(0xE0 | u >> 12);
    *to++ = (uint8_t)(0x80 | (u >> 6 & 63));
    *to++ = (uint8_t)(0x80 | (u & 63));
  } else {
    *to++ = (uint8_t)(0xF0 | u >> 18);
    *to++ = (uint8_t)(0x80 | (u >> 12 & 63));
    *to++ = (uint8_t)(0x80 | (u >> 6 & 63));
    *to++ = (uint8_t)(0x80 | (u & 63));
  }
  return to;
}

/* Two vectors of what follows may be read and written behind the end of every buffer: SLACK. */
enum { VECTOR_UNITS = 8, VECTOR_BYTES = 16 };

/* ASCII in front of `p`, at most VECTOR_UNITS of the `there` UTF-16 units: copied, and counted. */
static inline size_t ascii_units(uint8_t *to, const uint8_t *p, size_t there) {
  size_t most = there < VECTOR_UNITS ? there : VECTOR_UNITS, n = 0;
#if defined(__SSE2__)
  __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
  __m128i above = _mm_and_si128(v, _mm_set1_epi16((short)0xFF80));
  unsigned ascii = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi16(above, _mm_setzero_si128()));
  _mm_storel_epi64((__m128i *)(void *)to, _mm_packus_epi16(v, v));
  n = (size_t)__builtin_ctz(~ascii) / 2; /* bits from 16 on are never set */
  return n < most ? n : most;
#else
  for (; n < most && u16(p + 2 * n) < 0x80; n++) to[n] = p[2 * n];
  return n;
#endif
}

/* The same of bytes: ASCII at `p`, at most VECTOR_BYTES of those `there`. */
static inline size_t ascii_bytes(uint8_t *to, const uint8_t *p, size_t there) {
  size_t most = there < VECTOR_BYTES ? there : VECTOR_BYTES, n = 0;
#if defined(__SSE2__)
  __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
  unsigned other = (unsigned)_mm_movemask_epi8(v) | 1u << VECTOR_BYTES;
  _mm_storeu_si128((__m128i *)(void *)to, v);
  n = (size_t)__builtin_ctz(other);
  return n < most ? n : most;
#else
  for (; n < most && p[n] < 0x80; n++) to[n] = p[n];
  return n;
#endif
}

/* Bytes of `size` taken; fewer when the rest is half of a character and `last` is not set.
 * LONE_SURROGATE when a surrogate has no partner. `to` needs 3 bytes for 2, and SLACK. */
int64_t utf16_to_utf8(uint8_t **out, const uint8_t *s, size_t size, int last) {
  const uint8_t *p = s, *stop = s + (size & ~(size_t)1);
  uint8_t *to = *out;
  while (p < stop) {
    size_t ascii = ascii_units(to, p, (size_t)(stop - p) / 2);
    to += ascii;
    p += 2 * ascii;
    if (ascii == VECTOR_UNITS) continue;
    for (uint32_t u; p < stop && (u = u16(p)) >= 0x80;) {
      if (u < 0xD800 || u >= 0xE000) {
        to = put_utf8(to, u);
        p += 2;
        continue;
      }
      if (u >= 0xDC00) return LONE_SURROGATE;
      if (stop - p < 4) {
        if (last) return LONE_SURROGATE;
        stop = p;
        break;
      }
      uint32_t low = u16(p + 2);
      if (low < 0xDC00 || low >= 0xE000) return LONE_SURROGATE;
      to = put_utf8(to, 0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00));
      p += 4;
    }
  }
  *out = to;
  return p - s;
}

uint8_t *code_page_to_utf8(uint8_t *to, const uint8_t *p, size_t size, const uint16_t *table) {
  const uint8_t *stop = p + size;
  while (p < stop) {
    size_t ascii = ascii_bytes(to, p, (size_t)(stop - p));
    to += ascii;
    p += ascii;
    if (ascii == VECTOR_BYTES) continue;
    for (; p < stop && *p >= 0x80; p++) to = put_utf8(to, table[*p - 0x80]);
  }
  return to;
}

/* Bytes of `size` taken; one fewer when the first of two is the last and `last` is not set. */
int64_t double_byte_to_utf8(uint8_t **out, const uint8_t *s, size_t size, int last,
                            const uint16_t *table) {
  const uint8_t *p = s, *stop = s + size;
  uint8_t *to = *out;
  while (p < stop) {
    if (*p < 0x80) {
      *to++ = *p++;
      continue;
    }
    uint16_t unit = table[*p];
    size_t taken = 1;
    if (unit == LEAD_BYTE) {
      if (stop - p < 2) {
        if (last) return BAD_TEXT;
        break;
      }
      unit = table[256 + (*p - 0x80) * 256 + p[1]];
      taken = 2;
    }
    if (unit == NO_CHARACTER) return BAD_TEXT;
    to = put_utf8(to, unit);
    p += taken;
  }
  *out = to;
  return p - s;
}

int is_utf8(const uint8_t *p, size_t size) {
  const uint8_t *stop = p + size;
  while (p < stop) {
    if (stop - p >= 8 && !(little_endian(p, 8) & 0x8080808080808080u)) {
      p += 8;
      continue;
    }
    uint32_t u = *p;
    int more = u < 0x80 ? 0 : u >= 0xC2 && u < 0xE0 ? 1 : u >= 0xE0 && u < 0xF0 ? 2
               : u >= 0xF0 && u < 0xF5            ? 3
                                                  : -1;
    if (more < 0 || stop - p <= more) return 0;
    for (int k = 1; k <= more; k++)
      if ((p[k] & 0xC0) != 0x80) return 0;
    if ((u == 0xE0 && p[1] < 0xA0) || (u == 0xED && p[1] > 0x9F) || (u == 0xF0 && p[1] < 0x90) ||
        (u == 0xF4 && p[1] > 0x8F))
      return 0;
    p += more + 1;
  }
  return 1;
}

/* Append bytes of a text or binary value. Returns how many were taken, or an answer < 0. */
int64_t put_text(column *c, const uint8_t *p, size_t size, int last) {
  int64_t most = c->how.as == AS_BYTES || c->how.as == AS_UTF8 ? (int64_t)size
                 : c->how.as == AS_UTF16                       ? (int64_t)(size / 2 * 3)
                                                               : (int64_t)size * 3;
  int status = reserve(c, most);
  if (status) return status;
  uint8_t *to = c->data + c->used;
  int64_t taken = (int64_t)size;
  switch (c->how.as) {
    case AS_UTF16:
      if (last && size & 1) return BAD_STREAM;
      taken = utf16_to_utf8(&to, p, size, last);
      if (taken < 0) return taken;
      break;
    case AS_CODE_PAGE:
      to = code_page_to_utf8(to, p, size, c->how.table);
      break;
    case AS_DOUBLE_BYTE:
      taken = double_byte_to_utf8(&to, p, size, last, c->how.table);
      if (taken < 0) return taken;
      break;
    default:
      memcpy(to, p, size);
      to += size;
  }
  c->used = to - c->data;
  return taken;
}
