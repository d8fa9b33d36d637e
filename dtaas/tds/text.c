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

/* Bytes of `size` taken; fewer when the rest is half of a character and `last` is not set.
 * LONE_SURROGATE when a surrogate has no partner. `to` needs 3 bytes for 2, and SLACK. */
int64_t utf16_to_utf8(uint8_t **out, const uint8_t *s, size_t size, int last) {
  const uint8_t *p = s, *stop = s + (size & ~(size_t)1);
  uint8_t *to = *out;
  while (p < stop) {
#if defined(__SSE2__)
    const __m128i high = _mm_set1_epi16((short)0xFF80);
    while (stop - p >= 16) {
      __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
      __m128i ascii = _mm_cmpeq_epi16(_mm_and_si128(v, high), _mm_setzero_si128());
      if (_mm_movemask_epi8(ascii) != 0xFFFF) break;
      _mm_storel_epi64((__m128i *)(void *)to, _mm_packus_epi16(v, v));
      to += 8;
      p += 16;
    }
#endif
    for (int k = 0; k < 8 && p < stop; k++) {
      uint32_t u = u16(p);
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

uint8_t *code_page_to_utf8(uint8_t *to, const uint8_t *p, size_t size,
                                  const uint16_t *table) {
  const uint8_t *stop = p + size;
  while (p < stop) {
#if defined(__SSE2__)
    while (stop - p >= 16) {
      __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
      if (_mm_movemask_epi8(v)) break;
      _mm_storeu_si128((__m128i *)(void *)to, v);
      to += 16;
      p += 16;
    }
#endif
    for (int k = 0; k < 16 && p < stop; k++, p++)
      to = *p < 0x80 ? (*to = *p, to + 1) : put_utf8(to, table[*p - 0x80]);
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
