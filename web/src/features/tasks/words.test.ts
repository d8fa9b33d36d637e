import { mount } from '@vue/test-utils'
import { expect, it } from 'vitest'
import { defineComponent, h, withDirectives } from 'vue'

import { vWords } from './words'

const Cell = defineComponent({
  props: { text: { type: String, required: true }, title: { type: String, default: '' } },
  setup: (props) => () => withDirectives(h('td', { title: props.title }), [[vWords, props.text]]),
})

it('keeps its text node, and writes only what differs', async () => {
  const cell = mount(Cell, { props: { text: '1' } })
  const seen: MutationRecord[] = []
  const observer = new MutationObserver((records) => { seen.push(...records) })
  observer.observe(cell.element, { characterData: true, childList: true, subtree: true })
  for (const props of [{ text: '2' }, { title: 'other' }, { text: '' }, { text: '3' }]) await cell.setProps(props)
  seen.push(...observer.takeRecords())
  expect(cell.text()).toBe('3')
  expect(cell.attributes('title')).toBe('other')
  expect(seen.map((one) => one.type)).toEqual(['characterData', 'characterData', 'characterData'])
  cell.unmount()
})

it('marks what has nothing to say', async () => {
  const cell = mount(Cell, { props: { text: '—' } })
  expect(cell.attributes()).toHaveProperty('data-none')
  await cell.setProps({ text: '5' })
  expect(cell.attributes()).not.toHaveProperty('data-none')
  await cell.setProps({ text: '—' })
  expect(cell.attributes()).toHaveProperty('data-none')
})
