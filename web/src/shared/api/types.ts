/** Names for the server's shapes; all of them are generated from its OpenAPI document. */
import type { components } from './schema.gen'

type Schemas = components['schemas']
export type CheckStep = Schemas['CheckStep']
export type ConnectorSpec = Schemas['ConnectorSpec']
export type ConnectorType = Schemas['ConnectorTypeView']
export type ConnectorView = Schemas['ConnectorView']
export type DashboardMetrics = Schemas['DashboardMetrics']
export type Difference = Schemas['Difference']
export type Execution = Schemas['Execution']
export type ExecutionStatus = Schemas['ExecutionStatus']
export type ExecutionView = Schemas['ExecutionView']
export type FileChange = Schemas['FileChange']
export type FileProblem = Schemas['FileProblem']
export type ImportResult = Schemas['ImportResult']
export type KeyDifference = Schemas['KeyDifference']
export type LiveTask = Schemas['LiveTask']
export type Problem = Schemas['Problem']
export type Schedule = Schemas['Schedule']
export type ScheduleType = Schemas['ScheduleType']
export type TableInfo = Schemas['TableInfo']
export type TablePhase = Schemas['TablePhase']
export type TableProgress = Schemas['TableProgress']
export type TableRef = Schemas['TableRef']
export type TableVerification = Schemas['TableVerification']
export type TaskAction = Schemas['TaskAction']
export type TaskBrief = Schemas['TaskBrief']
export type TaskDelta = Schemas['TaskDelta']
export type TaskMode = Schemas['TaskMode']
export type TaskSnapshot = Schemas['TaskSnapshot']
export type TaskSpec = Schemas['TaskSpec']
export type TaskStatus = Schemas['TaskStatus']
export type TaskView = Schemas['TaskView']
export type TasksDelta = Schemas['TasksDelta']
export type TasksSnapshot = Schemas['TasksSnapshot']
export type Totals = Schemas['Totals']
export type Trouble = Schemas['Trouble']
export type Verdict = Schemas['Verdict']
export type Verification = Schemas['VerificationView']
export type VerificationStatus = Schemas['VerificationStatus']
export type Version = Schemas['Version']

/** Who uses the page. Not in the document of a server without accounts. */
export interface Me {
  user: { id: number | null; username: string; role: 'viewer' | 'operator' | 'admin' }
  auth: 'off' | 'session' | 'token' | 'socket'
  features: readonly string[]
}
