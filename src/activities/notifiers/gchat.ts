import type { CreateNotifier } from './notifier.ts';
import { post, requireUrl } from './post.ts';

/** Google Chat: a webhook, which belongs to one space. */
export const gchat: CreateNotifier = (settings, http) => {
  requireUrl('Google Chat webhook', settings.url);
  const room = { ...settings, token: undefined };
  return {
    async post({ id, workload, message, fields }) {
      const header = { title: 'Flagger', subtitle: workload, imageUrl: 'https://flagger.app/favicon.png' };
      const sections = [
        section(grey(message)),
        ...fields.map(({ name, value }) => section(`${name}<br>${grey(value)}`)),
      ];
      await post(http, room, { cards: [{ header, sections }] }, id);
    },
  };
};

function section(text: string): object {
  return { widgets: [{ textParagraph: { text } }] };
}

function grey(text: string): string {
  return `<font color=#848484><strong>${text}</strong></font>`;
}
