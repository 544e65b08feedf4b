import type { Http } from '../../clients/http.ts';
import { failure } from '../../errors.ts';
import { discord } from './discord.ts';
import { gchat } from './gchat.ts';
import { msteams } from './msteams.ts';
import type { CreateNotifier, Notifier, NotifierSettings } from './notifier.ts';
import { rocket } from './rocket.ts';
import { slack } from './slack.ts';

/** Notifiers by the name an AlertProvider gives them. */
export const notifiers: ReadonlyMap<string, CreateNotifier> = new Map([
  ['slack', slack],
  ['msteams', msteams],
  ['discord', discord],
  ['rocket', rocket],
  ['gchat', gchat],
]);

/**
 * The notifier that the settings name, or undefined when they have no URL: then nobody is told.
 *
 * @throws `InvalidSpec` for a type that is not in the map
 */
export function createNotifier(settings: NotifierSettings, http: Http): Notifier | undefined {
  const create = notifiers.get(settings.type);
  if (!create) {
    const known = [...notifiers.keys()].join(', ');
    throw failure('InvalidSpec', `provider ${settings.type} not supported; supported are ${known}`);
  }
  return settings.url === '' ? undefined : create(settings, http);
}
