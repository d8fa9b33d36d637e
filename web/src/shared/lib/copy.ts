/** Putting text on the clipboard, also where the browser keeps its own from the page. */
import { useToasts } from '@/shared/stores/toasts'

/** Browsers hide `navigator.clipboard` from a page that came over plain HTTP from another machine. */
export async function copyText(text: string): Promise<boolean> {
  const clipboard = navigator.clipboard as Clipboard | undefined
  if (!clipboard) return selectAndCopy(text)
  try {
    await clipboard.writeText(text)
    return true
  } catch {
    return selectAndCopy(text)
  }
}

function selectAndCopy(text: string): boolean {
  const before = document.activeElement
  const field = document.createElement('textarea')
  field.value = text
  field.readOnly = true
  field.setAttribute('aria-hidden', 'true')
  field.style.cssText = 'position: fixed; opacity: 0'
  document.body.append(field)
  field.select()
  const done = document.execCommand('copy')
  field.remove()
  if (before instanceof HTMLElement) before.focus()
  return done
}

/** Copies and says so. */
export function useCopy() {
  const toasts = useToasts()
  return async (text: string, what: string): Promise<void> => {
    if (await copyText(text)) toasts.done(`${what} is copied.`)
    else toasts.failed(new Error('The browser does not let the page copy; select the text.'))
  }
}
