// Before the first paint, so that a dark page never flashes white; the policy forbids inline scripts.
;(function () {
  let theme = 'system'
  try {
    theme = JSON.parse(localStorage.getItem('dtaas.prefs') || '{}').theme || 'system'
  } catch {
    theme = 'system'
  }
  const dark = theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.classList.toggle('dark', dark)
})()
