import { mount } from '@vue/test-utils'
import { defineComponent, h, nextTick, ref } from 'vue'
import { expect, it } from 'vitest'

import TypedInput from './TypedInput.vue'

/** A page that is drawn anew with every message, and takes whole numbers only. */
function page() {
  const given = ref<number | null>(60)
  const messages = ref(0)
  const wrong = ref(false)
  const take = (text: string) => {
    const number = Number(text)
    wrong.value = !Number.isInteger(number)
    if (!wrong.value) given.value = number
  }
  const wrapper = mount(defineComponent(() => () => h('div', { 'data-messages': messages.value }, [
    h(TypedInput, { id: 'every', modelValue: given.value, 'aria-invalid': wrong.value, 'data-drawn': messages.value, 'onUpdate:modelValue': take }),
  ])))
  return { wrapper, given, messages, field: wrapper.get<HTMLInputElement>('#every') }
}

it('keeps what is being typed while the page is drawn anew', async () => {
  const { given, messages, field } = page()
  field.element.value = '90'
  await field.trigger('input')
  messages.value += 1
  await nextTick()
  expect(field.attributes('data-drawn')).toBe('1')
  expect(field.element.value).toBe('90')
  expect(given.value).toBe(60)
  await field.trigger('change')
  expect(given.value).toBe(90)
})

it('shows what changed elsewhere, but not while somebody types', async () => {
  const { given, field } = page()
  given.value = 5
  await nextTick()
  expect(field.element.value).toBe('5')
  field.element.value = '7'
  await field.trigger('input')
  given.value = 6
  await nextTick()
  expect(field.element.value).toBe('7')
})

it('leaves what was refused to be mended, and shows what was taken as it was taken', async () => {
  const { given, field } = page()
  await field.setValue('soon')
  await field.trigger('change')
  await nextTick()
  expect(field.element.value).toBe('soon')
  expect(given.value).toBe(60)
  await field.setValue(' 060')
  await field.trigger('change')
  await nextTick()
  await nextTick()
  expect(field.element.value).toBe('60')
})
