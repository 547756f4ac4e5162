/**
 * Makes a value on the first call and keeps it. For schemas: a process uses few of them, and each one that is built when its
 * module loads costs every start some 35 µs and 5 KB.
 */
export function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
