import type { CreateNotifier } from './notifier.ts';
import { post, requireRoom } from './post.ts';
import { attachment } from './slack.ts';

/** Rocket.Chat, whose incoming webhooks take Slack's messages. */
export const rocket: CreateNotifier = (settings, http) => {
  requireRoom('Rocket', settings);
  const room = { ...settings, token: undefined };
  return {
    async post(alert) {
      await post(http, room, attachment(room, alert, { normal: '#0076D7', error: '#FF0000' }), alert.id);
    },
  };
};
