import { describe, expect, it } from 'vitest'

import { scheduleDetails, scheduleText, zonedText } from './schedule'

describe('a schedule in words', () => {
  it('says when a task starts', () => {
    expect(scheduleText({})).toBe('started by hand')
    expect(scheduleText({ schedule_type: 'interval', schedule_interval_seconds: 3600 })).toBe('every 1 h')
    expect(scheduleText({ schedule_type: 'cron', schedule: { cron: '0 3 * * *', timezone: 'Europe/Berlin' } })).toBe('by cron 0 3 * * * in Europe/Berlin')
    expect(scheduleText({ schedule_type: 'cron', schedule: { cron: '0 3 * * *' } })).toBe('by cron 0 3 * * * in UTC')
    expect(scheduleText({ schedule_type: 'continuous' })).toBe('again as soon as it ended')
    expect(scheduleText({ schedule_type: 'after_task', schedule: { after_task_id: 7 } })).toBe('after task #7')
    expect(scheduleText({ schedule_type: 'after_task', schedule: { after_task_id: 7 } }, () => 'the nightly load')).toBe('after the nightly load')
  })

  it('tells the rest only where a clock or a task starts it', () => {
    expect(scheduleDetails({ schedule: { overlap: 'queue' } })).toEqual([])
    const found = new Map(scheduleDetails({ schedule_type: 'cron', schedule: { overlap: 'queue', catch_up: 'none', jitter_seconds: 90, blackout: [{ start: '08:00', end: '10:00' }] } }))
    expect(found.get('A start while it still runs is')).toBe('made up for afterwards')
    expect(found.get('Starts missed while the daemon was off are')).toBe('forgotten')
    expect(found.get('Put off by chance, up to')).toBe('1 min 30 s')
    expect(found.get('No start between')).toBe('08:00 and 10:00')
  })

  it('shows a start on the clock of its zone', () => {
    expect(zonedText('2026-11-29T03:00:00+01:00', 'Europe/Berlin')).toBe('2026-11-29 03:00 Europe/Berlin')
  })
})
