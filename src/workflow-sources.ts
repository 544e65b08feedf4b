import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { BundleOptions } from '@temporalio/worker';

/** What a bundle of the workflows is made of. */
export function workflowSources(): Required<Pick<BundleOptions, 'workflowsPath' | 'workflowInterceptorModules'>> {
  const found = (name: string) => {
    const paths = ['js', 'ts'].map((ending) =>
      fileURLToPath(new URL(`./workflows/${name}.${ending}`, import.meta.url)),
    );
    const path = paths.find((one) => existsSync(one));
    if (!path) throw new Error(`src/workflows/${name} is missing`);
    return path;
  };
  return { workflowsPath: found('index'), workflowInterceptorModules: [found('tracing')] };
}
