/** Pictures of the live topics, and how messages change them. Pure: the same messages, the same picture. */
import type {
  DashboardMetrics,
  Execution,
  LiveTask,
  TableProgress,
  TaskDelta,
  TaskSnapshot,
  TasksDelta,
  TasksSnapshot,
  TaskView,
  Totals,
} from '@/shared/api/types'

export interface Message {
  v: number
  seq: number
  topic: string
  type: 'snapshot' | 'delta' | 'event' | 'error' | 'pong'
  ts: string
  data: unknown
}

export interface TaskPicture {
  task: TaskView
  execution: Execution | null
  progress: Totals | null
  tables: ReadonlyMap<string, TableProgress>
  removed: boolean
}

export interface Pictures {
  tasks: ReadonlyMap<number, LiveTask> | null
  task: ReadonlyMap<number, TaskPicture>
  dashboard: DashboardMetrics | null
  /** Goes up with every change of a source table's columns, and with every decision about one. */
  drifts: number
}

export const NO_PICTURES: Pictures = { tasks: null, task: new Map(), dashboard: null, drifts: 0 }

/** Take messages, in order, into the pictures. */
export function reduce(pictures: Pictures, messages: readonly Message[]): Pictures {
  const next = { ...pictures }
  let tasks: Map<number, LiveTask> | null = null
  for (const message of messages) {
    if (message.type === 'event' && 'schema_change' in (message.data as object)) next.drifts += 1
    if (message.topic === 'tasks') {
      if (message.type === 'snapshot') tasks = tasksOf(message.data as TasksSnapshot)
      else if (message.type === 'delta') {
        tasks ??= new Map(next.tasks)
        changeTasks(tasks, message.data as TasksDelta)
      }
    } else if (message.topic === 'dashboard') {
      if (message.type !== 'error') next.dashboard = message.data as DashboardMetrics
    } else if (message.topic.startsWith('task:')) {
      next.task = withTask(next.task, Number(message.topic.slice(5)), message)
    }
  }
  if (tasks) next.tasks = tasks
  return next
}

function tasksOf(snapshot: TasksSnapshot): Map<number, LiveTask> {
  return new Map(snapshot.tasks.map((live) => [live.task.id, live]))
}

function changeTasks(tasks: Map<number, LiveTask>, delta: TasksDelta): void {
  for (const live of delta.changed ?? []) tasks.set(live.task.id, live)
  for (const id of delta.removed ?? []) tasks.delete(id)
  for (const progress of delta.progress ?? []) {
    const known = tasks.get(progress.task_id)
    if (known) tasks.set(progress.task_id, { task: known.task, progress })
  }
}

function withTask(all: Pictures['task'], id: number, message: Message): Pictures['task'] {
  const next = new Map(all)
  if (message.type === 'snapshot') {
    const { task, execution, progress, tables } = message.data as TaskSnapshot
    next.set(id, { task, execution, progress, tables: tablesOf(tables), removed: false })
  } else if (message.type === 'delta') {
    const known = all.get(id)
    if (known) next.set(id, changedTask(known, message.data as TaskDelta))
  } else if (message.type === 'error') {
    next.delete(id)
  }
  return next
}

function changedTask(known: TaskPicture, delta: TaskDelta): TaskPicture {
  const tables = delta.tables ? new Map([...known.tables, ...tablesOf(delta.tables)]) : known.tables
  return {
    task: delta.task ?? known.task,
    execution: known.execution,
    progress: delta.progress === undefined ? known.progress : delta.progress,
    tables,
    removed: delta.removed ?? known.removed,
  }
}

function tablesOf(tables: readonly TableProgress[]): Map<string, TableProgress> {
  return new Map(tables.map((progress) => [`${progress.table.schema}.${progress.table.name}`, progress]))
}
