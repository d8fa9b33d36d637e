/** Filters, sort and tab live in the address: they can be shared, and Back works. */
import { computed, type WritableComputedRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'

export function useQueryText(name: string, standard = ''): WritableComputedRef<string> {
  const route = useRoute()
  const router = useRouter()
  return computed({
    get: () => {
      const value = route.query[name]
      return typeof value === 'string' ? value : standard
    },
    set: (value: string) => {
      const query = { ...route.query }
      if (value === standard) delete query[name]
      else query[name] = value
      void router.replace({ query })
    },
  })
}
