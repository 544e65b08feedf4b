import { failure } from '../../errors.ts';
import type { Alert, CreateNotifier, NotifierSettings } from './notifier.ts';
import { post, requireRoom } from './post.ts';

/** Slack: an incoming webhook, or `chat.postMessage` with a bot token. */
export const slack: CreateNotifier = (settings, http) => {
  requireRoom('Slack', settings);
  return {
    async post(alert) {
      const { body } = await post(
        http,
        settings,
        attachment(settings, alert, { normal: 'good', error: 'danger' }),
        alert.id,
      );
      // The bot endpoint says 200 to everything; whether the room got it is in the body.
      const refusal = /^\s*\{/.test(body) ? refusalOf(body) : undefined;
      if (refusal !== undefined) throw failure('Unavailable', `Slack took the message but did not post it: ${refusal}`);
    },
  };
};

function refusalOf(body: string): string | undefined {
  try {
    const { ok, error } = JSON.parse(body) as { ok?: unknown; error?: string };
    return ok === false ? `${error ?? 'no reason given'}` : undefined;
  } catch {
    return undefined; // A webhook's plain `ok` or anything else: only Slack's own refusal has a meaning here.
  }
}

/** The message with one attachment that Slack, and those that imitate it, show as a coloured card. */
export function attachment(
  { channel, username }: NotifierSettings,
  alert: Alert,
  colors: { readonly normal: string; readonly error: string },
): object {
  return {
    channel,
    username,
    icon_url: '',
    icon_emoji: ':rocket:',
    attachments: [
      {
        color: alert.severity === 'error' ? colors.error : colors.normal,
        author_name: alert.workload,
        text: alert.message,
        mrkdwn_in: ['text'],
        fields: alert.fields.map(({ name, value }) => ({ title: name, value, short: false })),
      },
    ],
  };
}
