/**
 * Gathers items into pages of `size`. The last page may be smaller. No page is empty.
 * @throws the reason of `signal`, which is looked at with each item.
 */
export async function* pagesOf<T>(
  items: AsyncIterable<T>,
  size: number,
  signal: AbortSignal,
): AsyncGenerator<readonly T[], void, undefined> {
  let page: T[] = [];
  for await (const item of items) {
    signal.throwIfAborted();
    page.push(item);
    if (page.length < size) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
