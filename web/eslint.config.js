import pluginVue from 'eslint-plugin-vue'
import tseslint from 'typescript-eslint'

const LAYERS = ['app', 'pages', 'features', 'shared']

/** A layer may import what stands below it, never above. */
const above = (layer) =>
  LAYERS.slice(0, LAYERS.indexOf(layer)).map((name) => ({
    group: [`@/${name}/*`],
    message: `${layer} must not know ${name}.`,
  }))

export default tseslint.config(
  { ignores: ['node_modules', 'components.d.ts', 'src/shared/api/schema.gen.d.ts'] },
  ...tseslint.configs.strict,
  ...pluginVue.configs['flat/recommended'],
  { files: ['**/*.vue'], languageOptions: { parserOptions: { parser: tseslint.parser } } },
  {
    rules: {
      'no-undef': 'off',
      'no-console': 'error',
      'max-lines': ['error', 400],
      complexity: ['error', 14],
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/multiline-html-element-content-newline': 'off',
      'vue/html-self-closing': 'off',
      'vue/html-indent': 'off',
      'vue/html-closing-bracket-newline': 'off',
      'vue/attributes-order': 'off',
      'vue/no-v-html': 'error',
      'vue/block-lang': ['error', { script: { lang: 'ts' } }],
      'vue/max-lines-per-block': ['error', { template: 200, script: 250 }],
      '@typescript-eslint/no-dynamic-delete': 'off',
    },
  },
  ...LAYERS.slice(1).map((layer) => ({
    files: [`src/${layer}/**`],
    rules: { 'no-restricted-imports': ['error', { patterns: above(layer) }] },
  })),
)
