/* One value that lies whole in the buffer: to its place in the column. MS-TDS 2.2.5.5. */
#include "internal.h"

#define DAYS_TO_1970 719162 /* from 0001-01-01 */
#define DAYS_1900_TO_1970 25567
#define MAX_DAYS 3652058 /* 9999-12-31 from 0001-01-01 */

static const uint64_t POWERS[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000,
                                  1000000000};

static void put_digits(uint8_t *to, uint32_t value, int width) {
  for (int k = width - 1; k >= 0; k--) {
    to[k] = (uint8_t)('0' + value % 10);
    value /= 10;
  }
}

/* Civil date of a day since 1970 (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
static void put_date(uint8_t *to, int64_t day) {
  int64_t z = day + 719468, era = z / 146097;
  uint32_t of_era = (uint32_t)(z - era * 146097);
  uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  uint32_t of_year = of_era - (365 * year + year / 4 - year / 100), m = (5 * of_year + 2) / 153;
  uint32_t month = m < 10 ? m + 3 : m - 9;
  put_digits(to, (uint32_t)(year + era * 400 + (month <= 2)), 4);
  to[4] = '-';
  put_digits(to + 5, month, 2);
  to[7] = '-';
  put_digits(to + 8, of_year - (153 * m + 2) / 5 + 1, 2);
}

/* `YYYY-MM-DD HH:MM:SS[.fffffff]`; returns its length. `ticks` are 10^-scale seconds of the day. */
static int put_moment(uint8_t *to, int64_t day, uint64_t ticks, int scale) {
  uint32_t seconds = (uint32_t)(ticks / POWERS[scale]);
  put_date(to, day);
  to[10] = ' ';
  put_digits(to + 11, seconds / 3600, 2);
  to[13] = ':';
  put_digits(to + 14, seconds / 60 % 60, 2);
  to[16] = ':';
  put_digits(to + 17, seconds % 60, 2);
  if (!scale) return 19;
  to[19] = '.';
  put_digits(to + 20, (uint32_t)(ticks % POWERS[scale]), scale);
  return 20 + scale;
}

/* Four bytes to eight hex digits, the first byte's first. */
static uint64_t hex_digits(uint32_t bytes) {
  uint64_t v = bytes;
  v = (v | v << 16) & 0x0000FFFF0000FFFFu;
  v = (v | v << 8) & 0x00FF00FF00FF00FFu;
  v = (v >> 4 | v << 8) & 0x0F0F0F0F0F0F0F0Fu; /* a byte a digit */
  uint64_t letters = (v + 0x0606060606060606u) >> 4 & 0x0101010101010101u;
  return v + 0x3030303030303030u + letters * ('a' - '0' - 10);
}

/* Its first three groups are little-endian numbers. */
static void put_guid(uint8_t *to, const uint8_t *p) {
  uint64_t first = hex_digits(__builtin_bswap32(u32(p)));
  uint32_t second = __builtin_bswap16(u16(p + 4)), third = __builtin_bswap16(u16(p + 6));
  uint64_t middle = hex_digits(second | third << 16), fourth = hex_digits(u32(p + 8));
  uint64_t last = hex_digits(u32(p + 12));
  uint32_t parts[4] = {(uint32_t)middle, (uint32_t)(middle >> 32), (uint32_t)fourth,
                       (uint32_t)(fourth >> 32)};
  memcpy(to, &first, 8);
  for (int k = 0; k < 4; k++) {
    to[8 + 5 * k] = '-';
    memcpy(to + 9 + 5 * k, &parts[k], 4);
  }
  memcpy(to + 28, &last, 8);
}

static int time_bytes(int scale) { return scale <= 2 ? 3 : scale <= 4 ? 4 : 5; }

static int put_decimal(uint8_t *to, const uint8_t *p, size_t size) {
  if (size != 5 && size != 9 && size != 13 && size != 17) return BAD_STREAM;
  uint64_t words[2] = {size == 5 ? u32(p + 1) : u64(p + 1), 0};
  if (size > 9) words[1] = size == 13 ? u32(p + 9) : u64(p + 9);
  uint64_t negative = p[0] ? 0 : UINT64_MAX;
  words[0] = (words[0] ^ negative) - negative;
  words[1] = (words[1] ^ negative) + (negative & (words[0] == 0));
  memcpy(to, words, 16);
  return 0;
}

static int put_money(uint8_t *to, const uint8_t *p, size_t size) {
  int64_t value;
  if (size == 8) {
    value = (int64_t)((uint64_t)u32(p) << 32 | u32(p + 4)); /* high half first */
  } else if (size == 4) {
    int32_t small;
    memcpy(&small, p, 4);
    value = small;
  } else {
    return BAD_STREAM;
  }
  int64_t high = value < 0 ? -1 : 0;
  memcpy(to, &value, 8);
  memcpy(to + 8, &high, 8);
  return 0;
}

/* Numbers are written as 8 bytes: what is too much belongs to rows still to come, or to SLACK. */
static int put_int(const column *c, uint8_t *to, const uint8_t *p, size_t size) {
  uint64_t value = u64(p);
  if (size == 1 && c->how.width == 2) value &= 0xFF;
  else if (size != c->how.width) return BAD_STREAM;
  memcpy(to, &value, 8);
  return 0;
}

/* Day and ticks of a datetime2 or datetimeoffset, whose time is in front of its date. */
static int read_moment(const column *c, const uint8_t *p, size_t size, size_t extra, int64_t *day,
                       uint64_t *ticks) {
  size_t time = (size_t)time_bytes(c->how.scale);
  if (c->how.scale > 7 || size != time + 3 + extra) return BAD_STREAM;
  *ticks = little_endian(p, time);
  int64_t days = (int64_t)little_endian(p + time, 3);
  if (days > MAX_DAYS || *ticks >= 86400 * POWERS[c->how.scale]) return BAD_STREAM;
  *day = days - DAYS_TO_1970;
  return 0;
}

static int put_time(const column *c, uint8_t *to, const uint8_t *p, size_t size) {
  if (c->how.scale > 7 || size != (size_t)time_bytes(c->how.scale)) return BAD_STREAM;
  uint64_t ticks = little_endian(p, size);
  if (ticks >= 86400 * POWERS[c->how.scale]) return BAD_STREAM;
  ticks *= POWERS[c->how.unit - c->how.scale];
  memcpy(to, &ticks, 8);
  return 0;
}

static int put_timestamp(const column *c, uint8_t *to, const uint8_t *p, size_t size) {
  int64_t day;
  uint64_t ticks;
  int status = read_moment(c, p, size, 0, &day, &ticks);
  if (status) return status;
  int64_t value = day * (int64_t)(86400 * POWERS[c->how.unit]) +
                  (int64_t)(ticks * POWERS[c->how.unit - c->how.scale]);
  memcpy(to, &value, 8);
  return 0;
}

static int put_datetime(uint8_t *to, const uint8_t *p, size_t size) {
  int64_t value;
  if (size == 8) {
    int32_t days;
    memcpy(&days, p, 4);
    uint32_t ticks = u32(p + 4); /* 1/300 s; the server shows them rounded to milliseconds */
    if (ticks >= 300u * 86400u) return BAD_STREAM;
    value = ((int64_t)days - DAYS_1900_TO_1970) * 86400000 + ((int64_t)ticks * 10 + 1) / 3;
  } else if (size == 4) {
    value = ((int64_t)u16(p) - DAYS_1900_TO_1970) * 86400000 + (int64_t)u16(p + 2) * 60000;
  } else {
    return BAD_STREAM;
  }
  memcpy(to, &value, 8);
  return 0;
}

static int put_offset_text(column *c, const uint8_t *p, size_t size) {
  int64_t day;
  uint64_t ticks;
  int status = read_moment(c, p, size, 2, &day, &ticks);
  if (status) return status;
  int16_t minutes;
  memcpy(&minutes, p + size - 2, 2);
  if (minutes < -840 || minutes > 840) return BAD_STREAM;
  /* Date and time are in UTC; people see local time. */
  int64_t day_ticks = (int64_t)(86400 * POWERS[c->how.scale]);
  int64_t local = (int64_t)ticks + minutes * 60 * (int64_t)POWERS[c->how.scale];
  if (local < 0) {
    local += day_ticks;
    day--;
  } else if (local >= day_ticks) {
    local -= day_ticks;
    day++;
  }
  if (day < -DAYS_TO_1970 || day > MAX_DAYS - DAYS_TO_1970) return BAD_STREAM;
  uint8_t *to = c->data + c->used;
  int length = put_moment(to, day, (uint64_t)local, c->how.scale);
  uint32_t distance = (uint32_t)(minutes < 0 ? -minutes : minutes);
  to[length++] = ' ';
  to[length++] = minutes < 0 ? '-' : '+';
  put_digits(to + length, distance / 60, 2);
  to[length + 2] = ':';
  put_digits(to + length + 3, distance % 60, 2);
  c->used += length + 5;
  return 0;
}

static int put_timestamp_text(column *c, const uint8_t *p, size_t size) {
  int64_t day;
  uint64_t ticks;
  int status = read_moment(c, p, size, 0, &day, &ticks);
  if (status) return status;
  c->used += put_moment(c->data + c->used, day, ticks, c->how.scale);
  return 0;
}

/* One value that lies whole in the buffer and is not NULL. */
int put_value(tds_decoder *d, column *c, const uint8_t *p, size_t size) {
  int64_t row = d->rows;
  uint8_t *to = c->data + row * c->how.width;
  int status = 0;
  switch (c->how.as) {
    case AS_INT:
    case AS_FLOAT: return put_int(c, to, p, size);
    case AS_BIT:
      if (size != 1) return BAD_STREAM;
      c->data[row >> 3] |= (uint8_t)((*p != 0) << (row & 7));
      return 0;
    case AS_DECIMAL: return put_decimal(to, p, size);
    case AS_MONEY: return put_money(to, p, size);
    case AS_DATE: {
      if (size != 3) return BAD_STREAM;
      int32_t days = (int32_t)little_endian(p, 3);
      if (days > MAX_DAYS) return BAD_STREAM;
      days -= DAYS_TO_1970;
      memcpy(to, &days, 4);
      return 0;
    }
    case AS_TIME: return put_time(c, to, p, size);
    case AS_TIMESTAMP: return put_timestamp(c, to, p, size);
    case AS_DATETIME: return put_datetime(to, p, size);
    case AS_TIMESTAMP_TEXT:
      status = reserve(c, 32);
      if (!status) status = put_timestamp_text(c, p, size);
      break;
    case AS_OFFSET_TEXT:
      status = reserve(c, 40);
      if (!status) status = put_offset_text(c, p, size);
      break;
    case AS_GUID_TEXT:
      if (size != 16) return BAD_STREAM;
      status = reserve(c, 36);
      if (status) break;
      put_guid(c->data + c->used, p);
      c->used += 36;
      break;
    default: {
      if (c->how.as == AS_UTF8 && !is_utf8(p, size)) return BAD_UTF8;
      int64_t taken = put_text(c, p, size, 1);
      if (taken < 0) status = (int)taken;
    }
  }
  return status;
}
