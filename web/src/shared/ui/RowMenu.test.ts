import { mount } from '@vue/test-utils'
import { afterEach, expect, it } from 'vitest'

import RowMenu from './RowMenu.vue'

const ITEMS = [{ act: 'retry', text: 'Try again' }, { act: 'skip', text: 'Leave out' }]
afterEach(() => { document.body.replaceChildren() })

function opened() {
  const opener = document.createElement('button')
  document.body.append(opener)
  const menu = mount(RowMenu, { props: { opener, label: 'Actions', items: ITEMS }, attachTo: document.body })
  const entries = [...document.querySelectorAll<HTMLElement>('[role="menuitem"]')]
  const press = (key: string) => document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))
  return { opener, menu, entries, press }
}

it('is walked by arrows, chosen from, and gives the focus back', () => {
  const { opener, menu, entries, press } = opened()
  expect(document.activeElement).toBe(entries[0])
  press('ArrowDown')
  expect(document.activeElement).toBe(entries[1])
  press('ArrowDown')
  expect(document.activeElement).toBe(entries[0])
  press('End')
  entries[1]?.click()
  expect(menu.emitted('choose')).toEqual([['skip']])
  expect(document.activeElement).toBe(opener)
})

it('closes by Escape, with the focus back, and when something else is pressed', () => {
  const { opener, menu, press } = opened()
  press('Escape')
  expect(menu.emitted('close')).toHaveLength(1)
  expect(document.activeElement).toBe(opener)
  document.body.dispatchEvent(new Event('pointerdown', { bubbles: true }))
  expect(menu.emitted('close')).toHaveLength(2)
})
