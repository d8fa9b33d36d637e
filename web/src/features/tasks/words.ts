/** A directive for texts that change several times a second: `<td v-words="text">`. */
import type { Directive } from 'vue'

/**
 * The text node stays and is written only when its text differs. Vue's own way for a lone text makes a new
 * node each time, whose style and place must be found again.
 */
export const vWords: Directive<HTMLElement, string> = {
  created: (element, { value }) => { element.append(value) },
  beforeUpdate: (element, { value, oldValue }) => {
    if (value !== oldValue && element.firstChild) element.firstChild.nodeValue = value
  },
}
