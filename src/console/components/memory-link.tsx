import { linkTo } from "../state/router.ts";

export interface MemoryLinkProps {
  readonly namespace: string;
  readonly memoryId: string;
}

/** `namespace/id`, which leads to the memory. */
export function MemoryLink({ namespace, memoryId }: MemoryLinkProps) {
  return (
    <a href={linkTo("memories", [namespace, memoryId])}>
      <code>
        {namespace}/{memoryId}
      </code>
    </a>
  );
}
