/** One vocabulary of states: every colour comes with an icon and a word. */
import type { Difference, ExecutionStatus, TablePhase, TaskStatus, Verdict, VerificationStatus } from '@/shared/api/types'

export type Tone = 'busy' | 'good' | 'bad' | 'warn' | 'quiet'
export interface Look {
  icon: string
  text: string
  tone: Tone
}

const look = (icon: string, text: string, tone: Tone): Look => ({ icon, text, tone })

export const TASK_LOOKS: Readonly<Record<TaskStatus, Look>> = {
  draft: look('✎', 'draft', 'quiet'),
  idle: look('○', 'idle', 'quiet'),
  scheduled: look('◷', 'scheduled', 'quiet'),
  queued: look('…', 'queued', 'busy'),
  running: look('⟳', 'running', 'busy'),
  streaming: look('≋', 'streaming', 'good'),
  retrying: look('↻', 'retrying', 'warn'),
  pausing: look('◔', 'pausing', 'warn'),
  paused: look('⏸', 'paused', 'warn'),
  stopping: look('◔', 'stopping', 'warn'),
  stopped: look('■', 'stopped', 'quiet'),
  failed: look('✕', 'failed', 'bad'),
}

export const EXECUTION_LOOKS: Readonly<Record<ExecutionStatus, Look>> = {
  running: look('⟳', 'running', 'busy'),
  completed: look('✓', 'completed', 'good'),
  partial: look('▲', 'partial', 'warn'),
  failed: look('✕', 'failed', 'bad'),
  stopped: look('■', 'stopped', 'quiet'),
}

export const PHASE_LOOKS: Readonly<Record<TablePhase, Look>> = {
  waiting: look('○', 'waiting', 'quiet'),
  planning: look('…', 'planning', 'busy'),
  loading: look('⟳', 'copying', 'busy'),
  committing: look('⟳', 'committing', 'busy'),
  streaming: look('≋', 'streaming', 'good'),
  retrying: look('↻', 'retrying', 'warn'),
  completed: look('✓', 'done', 'good'),
  failed: look('✕', 'failed', 'bad'),
  stopped: look('■', 'stopped', 'quiet'),
  skipped: look('⊘', 'left out', 'quiet'),
}

export const STEP_LOOKS: Readonly<Record<'ok' | 'warning' | 'failed' | 'skipped', Look>> = {
  ok: look('✓', 'ok', 'good'),
  warning: look('▲', 'warning', 'warn'),
  failed: look('✕', 'failed', 'bad'),
  skipped: look('–', 'skipped', 'quiet'),
}

export const TEST_LOOKS: Readonly<Record<'untested' | 'ok' | 'failed', Look>> = {
  untested: look('○', 'not tested', 'quiet'),
  ok: look('✓', 'ok', 'good'),
  failed: look('✕', 'failing', 'bad'),
}

export const VERIFICATION_LOOKS: Readonly<Record<VerificationStatus, Look>> = {
  queued: look('…', 'queued', 'busy'),
  running: look('⟳', 'comparing', 'busy'),
  completed: look('✓', 'completed', 'good'),
  failed: look('✕', 'failed', 'bad'),
}

export const VERDICT_LOOKS: Readonly<Record<Verdict, Look>> = {
  waiting: look('○', 'waiting', 'quiet'),
  running: look('⟳', 'comparing', 'busy'),
  equal: look('✓', 'equal', 'good'),
  different: look('✕', 'different', 'bad'),
  unsettled: look('▲', 'unsettled', 'warn'),
  failed: look('✕', 'could not be compared', 'bad'),
}

export const DIFFERENCE_LOOKS: Readonly<Record<Difference, Look>> = {
  missing: look('−', 'missing', 'bad'),
  extra: look('+', 'extra', 'bad'),
  changed: look('≠', 'changed', 'bad'),
  doubled: look('⧉', 'doubled', 'bad'),
}

export const MODE_NAMES: Readonly<Record<string, string>> = {
  full_load: 'full load',
  incremental: 'incremental',
  cdc: 'CDC',
  full_load_then_cdc: 'full load, then CDC',
}

export const WORKING: ReadonlySet<TaskStatus> = new Set(['queued', 'running', 'streaming', 'retrying', 'pausing', 'stopping'])

/** Seconds behind from which a stream is late. */
export const LATE_S = 60
