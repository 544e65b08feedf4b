import type { CreateNotifier } from './notifier.ts';
import { post, requireUrl } from './post.ts';

/** Microsoft Teams: an incoming webhook, which belongs to one channel. */
export const msteams: CreateNotifier = (settings, http) => {
  requireUrl('MS Teams webhook', settings.url);
  const room = { ...settings, token: undefined };
  return {
    async post({ id, workload, message, severity, fields }) {
      const card = {
        '@type': 'MessageCard',
        '@context': 'http://schema.org/extensions',
        themeColor: severity === 'error' ? 'FF0000' : '0076D7',
        summary: workload,
        sections: [{ activityTitle: message, activitySubtitle: workload, facts: fields }],
      };
      await post(http, room, card, id);
    },
  };
};
