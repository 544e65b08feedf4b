import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

/** What a folder may import, as the table in CONTRIBUTING says. Types are free where they only describe data. */
const imports = (files, ...groups) => ({
  files,
  ignores: ['**/*.test.ts'],
  rules: {
    '@typescript-eslint/no-restricted-imports': [
      'error',
      { patterns: groups.map(([group, message, allowTypeImports = true]) => ({ group, message, allowTypeImports })) },
    ],
  },
});

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.cache/', 'coverage/'] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      eqeqeq: 'error',
    },
  },
  imports(
    ['src/schemas/**'],
    [
      ['@temporalio/*', '@kubernetes/*', 'axios', '../activities/*', '../workflows/*', '../clients/*'],
      'schemas build on the schema library alone',
    ],
  ),
  imports(
    ['src/workflows/domain/**'],
    [
      ['@temporalio/*', '@kubernetes/*', 'axios', 'zod', 'node:*', '../../**'],
      'the domain is plain data and pure functions',
    ],
  ),
  imports(
    ['src/workflows/*.ts'],
    [
      ['@kubernetes/*', 'axios', 'zod', 'node:*', '../activities/**', '../clients/**', '../schemas/**'],
      'workflows decide and repeat; activities do',
    ],
  ),
  imports(
    ['src/activities/**'],
    [
      ['@temporalio/workflow', '@temporalio/client', '@temporalio/worker', '@kubernetes/*', 'axios'],
      'activities reach the outside through clients/',
    ],
  ),
  imports(
    ['src/images/**'],
    [
      ['@temporalio/*', '@kubernetes/*', 'axios', '../activities/**', '../workflows/**', '../triggers/**'],
      'images judge and ask registries; who is asked for what is decided by activities',
    ],
  ),
  imports(
    ['src/triggers/**', 'src/watch/**'],
    [
      ['@kubernetes/*', 'axios', '@temporalio/worker', '../activities/**'],
      'triggers and watches turn events into messages',
    ],
  ),
  { files: ['**/*.mjs'], ...tseslint.configs.disableTypeChecked },
  { files: ['**/*.mjs'], languageOptions: { globals: { process: 'readonly', console: 'readonly' } } },
  {
    files: ['**/*.test.ts', 'test/**', 'bench/**'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  prettier,
);
