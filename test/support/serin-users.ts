import { serviceAccount } from '../../local/credentials.ts';

/** Who worker and starter are to the API server of the end-to-end level: service accounts, as in an installation. */
export const serinUsers = [
  serviceAccount('worker', 'serin-system/serin-worker'),
  serviceAccount('starter', 'serin-system/serin-starter'),
];
