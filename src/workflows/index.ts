// Every export of this file becomes a workflow type.
export { imagePush } from './image-push.ts';
export { release } from './release.ts';
