// Every export of this file becomes a workflow type.
export { release } from './release.ts';
