// Every export of this file becomes a workflow type.
export { imagePoll } from './image-poll.ts';
export { imagePush } from './image-push.ts';
export { release } from './release.ts';
