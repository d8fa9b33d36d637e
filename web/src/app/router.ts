import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'

const routes: RouteRecordRaw[] = [
  { path: '/', component: () => import('@/pages/DashboardPage.vue'), meta: { title: 'Dashboard' } },
  { path: '/connectors', component: () => import('@/pages/ConnectorsPage.vue'), meta: { title: 'Connectors' } },
  { path: '/connectors/:id(\\d+)', component: () => import('@/pages/ConnectorPage.vue'), meta: { title: 'Connector' } },
  { path: '/tasks', component: () => import('@/pages/TasksPage.vue'), meta: { title: 'Tasks' } },
  { path: '/tasks/:id(\\d+)', component: () => import('@/pages/TaskPage.vue'), meta: { title: 'Task' } },
  { path: '/executions/:id(\\d+)', component: () => import('@/pages/ExecutionPage.vue'), meta: { title: 'Execution' } },
  { path: '/builder/:id(\\d+)?', component: () => import('@/pages/BuilderPage.vue'), meta: { title: 'Task builder' } },
  { path: '/alerts', component: () => import('@/pages/AlertsPage.vue'), meta: { title: 'Alerts' } },
  { path: '/users', component: () => import('@/pages/UsersPage.vue'), meta: { title: 'Users' } },
  { path: '/tokens', component: () => import('@/pages/TokensPage.vue'), meta: { title: 'API tokens' } },
  { path: '/audit', component: () => import('@/pages/AuditPage.vue'), meta: { title: 'Audit log' } },
  { path: '/settings', component: () => import('@/pages/SettingsPage.vue'), meta: { title: 'Settings' } },
  { path: '/login', component: () => import('@/pages/LoginPage.vue'), meta: { title: 'Log in', bare: true } },
  { path: '/:rest(.*)*', component: () => import('@/pages/NotFoundPage.vue'), meta: { title: 'Not found' } },
]

export const router = createRouter({
  history: createWebHistory(),
  routes,
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
})

router.afterEach((to, from) => {
  const title = typeof to.meta['title'] === 'string' ? to.meta['title'] : ''
  document.title = title ? `${title} · DTaaS` : 'DTaaS'
  // A new page begins at its top for the keyboard and for screen readers too.
  if (from.matched.length && to.path !== from.path) {
    requestAnimationFrame(() => { document.getElementById('main')?.focus({ preventScroll: true }) })
  }
})
