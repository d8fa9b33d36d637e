/** Ask before what cannot be undone. One question at a time; closing the dialog means no. */
import { reactive } from 'vue'

export interface Question {
  title: string
  text: string
  points?: readonly string[]
  button: string
  danger?: boolean
  /** Text to type before the button works: for what destroys much. */
  typed?: string
}

export const asked = reactive<{ question: Question | null; answer: (yes: boolean) => void }>({
  question: null,
  answer: () => undefined,
})

export function confirm(question: Question): Promise<boolean> {
  asked.answer(false)
  return new Promise((resolve) => {
    asked.question = question
    asked.answer = (yes) => {
      asked.question = null
      asked.answer = () => undefined
      resolve(yes)
    }
  })
}
