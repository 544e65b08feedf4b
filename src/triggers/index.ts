import { aliyunEventbridge } from './aliyun-eventbridge.ts';
import { aliyunTrigger } from './aliyun-trigger.ts';
import { azure } from './azure.ts';
import { cloudevents } from './cloudevents.ts';
import { distribution } from './distribution.ts';
import { dockerhub } from './dockerhub.ts';
import { ecr } from './ecr.ts';
import { gar } from './gar.ts';
import { generic } from './generic.ts';
import { ghcr } from './ghcr.ts';
import { gitlab } from './gitlab.ts';
import { harbor } from './harbor.ts';
import { jfrog } from './jfrog.ts';
import { nexus } from './nexus.ts';
import { quay } from './quay.ts';
import type { Trigger } from './trigger.ts';
import { zot } from './zot.ts';

/** Triggers by the `type` that a receiver's configuration gives them. */
export const triggers: ReadonlyMap<string, Trigger> = new Map<string, Trigger>([
  ['distribution', distribution],
  ['dockerhub', dockerhub],
  ['ghcr', ghcr],
  ['harbor', harbor],
  ['quay', quay],
  ['gitlab', gitlab],
  ['ecr', ecr],
  ['gar', gar],
  ['azure', azure],
  ['aliyun-trigger', aliyunTrigger],
  ['aliyun-eventbridge', aliyunEventbridge],
  ['jfrog', jfrog],
  ['nexus', nexus],
  ['zot', zot],
  ['cloudevents', cloudevents],
  ['generic', generic],
]);
