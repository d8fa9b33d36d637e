import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { useToasts } from '@/shared/stores/toasts'

import { copyText, useCopy } from './copy'

beforeEach(() => { setActivePinia(createPinia()) })
afterEach(() => { vi.unstubAllGlobals() })

function browser(clipboard: unknown, old: boolean): () => string {
  vi.stubGlobal('navigator', { clipboard })
  let selected = ''
  document.execCommand = () => {
    selected = document.querySelector('textarea')?.value ?? ''
    return old
  }
  return () => selected
}

it('uses the clipboard where the page may', async () => {
  const writeText = vi.fn(() => Promise.resolve())
  browser({ writeText }, false)
  expect(await copyText('0000002a')).toBe(true)
  expect(writeText).toHaveBeenCalledWith('0000002a')
})

it.each([undefined, { writeText: () => Promise.reject(new Error('no')) }])('selects and copies where it may not: %j', async (clipboard) => {
  const selected = browser(clipboard, true)
  expect(await copyText('0000002a')).toBe(true)
  expect(selected()).toBe('0000002a')
  expect(document.querySelector('textarea')).toBeNull()
})

it('says what came of it', async () => {
  browser(undefined, false)
  const copy = useCopy()
  await copy('x', 'The position')
  expect(useToasts().items.at(-1)?.text).toContain('select the text')
  browser(undefined, true)
  await copy('x', 'The position')
  expect(useToasts().items.at(-1)?.text).toBe('The position is copied.')
})
