import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { answers } from '../probe.ts';
import { startServer, type Server } from '../process.ts';
import { dataFolder, placed, type Place } from './place.ts';

export interface Prometheus extends Server {
  /** Scrapes these addresses (`host:port`, path `/metrics`) as one job, from a second from now on; none ends the job. */
  scrape(job: string, addresses: readonly string[]): void;
}

/** Starts Prometheus, which scrapes once a second whatever it is told to. */
export async function startPrometheus(place: Place): Promise<Prometheus> {
  const data = dataFolder(place.directory, 'prometheus');
  const targets = join(data, 'targets.json');
  const jobs = new Map<string, readonly string[]>();
  const write = () =>
    writeFileSync(
      targets,
      JSON.stringify([...jobs].map(([job, addresses]) => ({ targets: addresses, labels: { job } }))),
    );
  write();
  const config = join(data, 'prometheus.yml');
  writeFileSync(
    config,
    stringify({
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '10s' },
      scrape_configs: [{ job_name: 'local', file_sd_configs: [{ files: [targets], refresh_interval: '1s' }] }],
    }),
  );
  const address = `http://127.0.0.1:${place.port}`;
  const server = await startServer({
    ...placed('prometheus', place, [
      `--config.file=${config}`,
      `--web.listen-address=127.0.0.1:${place.port}`,
      `--storage.tsdb.path=${join(data, 'tsdb')}`,
      '--log.level=warn',
    ]),
    address,
    ready: () => answers(`${address}/-/ready`),
  });
  return Object.assign(server, {
    scrape(job: string, addresses: readonly string[]) {
      jobs.set(job, addresses);
      write();
    },
  });
}
