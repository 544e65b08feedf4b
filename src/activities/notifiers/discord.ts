import type { CreateNotifier } from './notifier.ts';
import { post, requireRoom } from './post.ts';
import { attachment } from './slack.ts';

/** Discord, by the end of its webhooks that understands Slack's messages. */
export const discord: CreateNotifier = (settings, http) => {
  requireRoom('Discord', settings);
  const room = { ...settings, url: slackEnd(settings.url), token: undefined };
  return {
    async post(alert) {
      await post(http, room, attachment(room, alert, { normal: 'good', error: 'danger' }), alert.id);
    },
  };
};

function slackEnd(text: string): string {
  const url = new URL(text);
  if (!text.endsWith('/slack')) url.pathname = `${url.pathname.replace(/\/+$/, '')}/slack`;
  return url.href;
}
