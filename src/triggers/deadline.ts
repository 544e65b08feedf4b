/**
 * What `work` comes to, or `late` when the deadline passes first. The work is not stopped: what it fetches counts for the
 * next request, and what it started is a duplicate when the sender comes again.
 *
 * @param deadline milliseconds since 1970
 */
export async function before<T>(deadline: number, work: Promise<T>): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), Math.max(0, deadline - Date.now()));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
