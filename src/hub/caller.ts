/** Who calls the hub for a device, and what it may do. */
export interface HubCaller {
  /** The owner of the key: the same for a key and the one that replaces it. */
  readonly owner: string;
  /** Null: all. */
  readonly namespaces: ReadonlySet<string> | null;
  readonly canWrite: boolean;
  /** Whether an owner still has a key that is valid: otherwise another owner may take its devices over. */
  isActive(owner: string): Promise<boolean>;
}

export function maySee({ namespaces }: Pick<HubCaller, "namespaces">, namespace: string): boolean {
  return namespaces === null || namespaces.has(namespace);
}
