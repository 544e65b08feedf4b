export { canaryOf, shopWith } from './canaries.ts';
export { openWorld, routerWorlds } from './worlds/index.ts';
