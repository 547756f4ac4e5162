import { PAGES } from "../pages.ts";
import { linkTo } from "../state/router.ts";
import { signedIn } from "../state/session.ts";
import { missingRight } from "./rights.ts";

/** Links to all pages. One that the key may not see stays in sight, and says so. */
export function Navigation({ current }: { readonly current: string }) {
  const { identity } = signedIn.value;
  return (
    <nav aria-label="Pages">
      <ul class="navigation">
        {PAGES.map((page) => {
          const isLocked = missingRight(page, identity) !== null;
          return (
            <li key={page.name}>
              <a href={linkTo(page.name)} aria-current={page.name === current ? "page" : undefined}>
                {page.title}
                {isLocked && <span class="locked">needs another key</span>}
              </a>
            </li>
          );
        })}
      </ul>
    </nav>
  );
}
