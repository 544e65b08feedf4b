export { canaryOf, shopWith } from './canaries.ts';
export { routerWorlds } from './worlds/index.ts';
