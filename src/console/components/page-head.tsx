import type { ComponentChildren } from "preact";

export interface PageHeadProps {
  readonly title: string;
  /** One sentence below the title. */
  readonly about?: ComponentChildren;
  /** What can be done on the page. */
  readonly children?: ComponentChildren;
}

export function PageHead({ title, about, children }: PageHeadProps) {
  return (
    <div class="page-head">
      <div>
        <h1>{title}</h1>
        {about !== undefined && <p class="muted">{about}</p>}
      </div>
      {children !== undefined && <div class="row">{children}</div>}
    </div>
  );
}
