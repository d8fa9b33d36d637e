/** A directive for texts that change several times a second: `<td v-words="text">`. */
import type { Directive } from 'vue'

import { NONE } from '@/shared/lib/format'

/**
 * The text node stays and is written only when its text differs. Vue's own way for a lone text makes a new
 * node each time, whose style and place must be found again. An element without a value to show is marked
 * `data-none`: a phone has no room for dashes.
 */
export const vWords: Directive<HTMLElement, string> = {
  created: (element, { value }) => {
    element.append(value)
    mark(element, value)
  },
  beforeUpdate: (element, { value, oldValue }) => {
    if (value === oldValue || !element.firstChild) return
    element.firstChild.nodeValue = value
    mark(element, value)
  },
}

function mark(element: HTMLElement, value: string): void {
  element.toggleAttribute('data-none', value === NONE)
}
