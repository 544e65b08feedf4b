import { readSettings, type ProcessSettings } from '../config.ts';
import { messageOf } from '../errors.ts';
import { CommandError, type Terminal } from './command.ts';

/** The worker's settings, where a command has to do as the worker does. @throws CommandError naming the variable */
export function settingsIn(env: Terminal['env']): ProcessSettings {
  try {
    return readSettings(env);
  } catch (error) {
    throw new CommandError(messageOf(error));
  }
}
