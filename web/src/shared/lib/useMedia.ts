/** Whether the window fits a media query, as long as the component lives. */
import { onScopeDispose, ref, type Ref } from 'vue'

export function useMedia(query: string): Readonly<Ref<boolean>> {
  const media = matchMedia(query)
  const fits = ref(media.matches)
  const look = () => { fits.value = media.matches }
  media.addEventListener('change', look)
  onScopeDispose(() => { media.removeEventListener('change', look) })
  return fits
}
