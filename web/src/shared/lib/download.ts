/** Give a text to the person as a file. */
export function download(text: string, name: string, type = 'application/yaml'): void {
  downloadBlob(new Blob([text], { type }), name)
}

export function downloadBlob(blob: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  URL.revokeObjectURL(link.href)
}

/** `shop → lake` as `shop-lake`: what every file system takes. */
export function fileName(text: string): string {
  return text.replace(/[^\w.-]+/g, '-').replace(/^-+|-+$/g, '') || 'task'
}
